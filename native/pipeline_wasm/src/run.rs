use pipeline_core::plugin::PluginId;
use serde_json::Value as Json;

use crate::changes::Changes;
use crate::engine::{CELL, GuestMemory, Import, ImportServer, Served};
use crate::failure::Part;
use crate::{
    Access, Change, Failure, FieldPath, Fields, Grants, Kind, LogLevel, PathError, Services, Value,
};

/// How long a path can be, written out.
const MAX_PATH: u32 = 4096;
/// How long a reason, a line of a log or the name of an event can be.
const MAX_TEXT: u32 = 64 * 1024;

/// One call of a guest's hook: what it sees of the host, and what it has done so far.
pub(crate) struct Run<'r> {
    pub(crate) plugin: &'r PluginId,
    pub(crate) context: &'r dyn Fields,
    pub(crate) grants: &'r Grants,
    pub(crate) config: &'r Json,
    pub(crate) services: Option<&'r dyn Services>,
    /// Whether it may change the context at all.
    pub(crate) listens: bool,
    changes: Changes,
    emitted: Vec<(String, Json)>,
    reason: Option<String>,
    /// Bytes that are kept for it until it ends.
    kept: usize,
}

impl<'r> Run<'r> {
    pub(crate) fn new(
        plugin: &'r PluginId,
        context: &'r dyn Fields,
        grants: &'r Grants,
        config: &'r Json,
        services: Option<&'r dyn Services>,
    ) -> Self {
        Self {
            plugin,
            context,
            grants,
            config,
            services,
            listens: false,
            changes: Changes::default(),
            emitted: Vec::new(),
            reason: None,
            kept: 0,
        }
    }

    /// The reason that it gave, in its own words.
    pub(crate) fn reason(&mut self) -> String {
        let reason = self.reason.take();
        reason.unwrap_or_else(|| "it gave no reason".to_owned())
    }

    /// What it changed and what it emitted.
    pub(crate) fn finish(self) -> (Vec<Change>, Vec<(String, Json)>) {
        (self.changes.into_vec(), self.emitted)
    }

    fn readable(&self, path: &FieldPath) -> Result<Option<Value>, Failure> {
        if !self.grants.may_read(path) {
            return Err(Failure::NotGranted {
                access: Access::Read,
                path: path.clone(),
            });
        }
        Ok(self.changes.field(self.context, path)?)
    }

    fn write(&mut self, path: FieldPath, value: Option<Value>) -> Result<(), Failure> {
        if self.listens {
            return Err(Failure::ListenerChanged(path));
        }
        if !self.grants.may_write(&path) {
            return Err(Failure::NotGranted {
                access: Access::Write,
                path,
            });
        }
        self.changes.push(path, value);
        Ok(())
    }

    /// What is kept for a guest does not outgrow what it may have itself.
    fn keep(&mut self, bytes: u32) -> Result<(), Failure> {
        // What a change or an event takes beside its bytes.
        self.kept += bytes as usize + 128;
        if self.kept > self.grants.memory_limit() {
            return Err(Failure::Memory {
                limit: self.grants.memory_limit(),
            });
        }
        Ok(())
    }

    /// The value of a kind and a cell.
    fn value(
        &mut self,
        memory: &mut GuestMemory<'_>,
        kind: u32,
        cell: u32,
    ) -> Result<Value, Failure> {
        let number = kind;
        let kind =
            Kind::of_number(kind).filter(|kind| !matches!(kind, Kind::Absent | Kind::Opaque));
        let kind = kind.ok_or(Failure::Number {
            what: Part::Kind,
            number,
        })?;
        let mut place = [0; CELL as usize];
        if kind != Kind::Null {
            place.copy_from_slice(memory.at(Part::Value, cell, CELL)?);
        }
        let bits = u64::from_le_bytes(place);
        let [pointer, length] = halves(bits);
        let malformed = Failure::Value { kind };
        Ok(match kind {
            Kind::Null | Kind::Absent | Kind::Opaque => Value::Null,
            Kind::Boolean => match bits {
                0 => Value::Boolean(false),
                1 => Value::Boolean(true),
                _ => return Err(malformed),
            },
            Kind::Integer => Value::Integer(bits.cast_signed()),
            Kind::Float => Value::Float(f64::from_bits(bits)),
            Kind::Text => {
                self.keep(length)?;
                Value::Text(memory.text(Part::Value, pointer, length)?.to_owned())
            }
            Kind::Binary => {
                self.keep(length)?;
                Value::Binary(memory.at(Part::Value, pointer, length)?.to_vec())
            }
            Kind::List | Kind::Map => {
                // Parsed, a byte of JSON takes up to that many.
                self.keep(length.saturating_mul(32))?;
                let json = serde_json::from_slice(memory.at(Part::Value, pointer, length)?);
                match (kind, json) {
                    (Kind::List, Ok(Json::Array(elements))) => Value::List(elements),
                    (Kind::Map, Ok(Json::Object(map))) => Value::Map(map),
                    _ => return Err(malformed),
                }
            }
        })
    }
}

impl ImportServer for Run<'_> {
    fn serve(
        &mut self,
        import: Import,
        arguments: &[u32],
        memory: &mut GuestMemory<'_>,
    ) -> Result<Served, Failure> {
        let &[first, second, third, fourth] = arguments else {
            return Err(Failure::Reentrant);
        };
        match import {
            Import::FieldGet => {
                let value = self.readable(&path(memory, first, second)?)?;
                show(value, third, memory)
            }
            Import::FieldKind => {
                let value = self.readable(&path(memory, first, second)?)?;
                Ok(Served::Kind(
                    value.map_or(Kind::Absent, |value| value.kind()),
                ))
            }
            Import::ConfigGet => {
                let value = self.config.field(&path(memory, first, second)?);
                show(value, third, memory)
            }
            Import::FieldPut => {
                let path = path(memory, first, second)?;
                self.keep(second)?;
                let value = self.value(memory, third, fourth)?;
                self.write(path, Some(value))?;
                Ok(Served::Done)
            }
            Import::FieldRemove => {
                let path = path(memory, first, second)?;
                self.keep(second)?;
                self.write(path, None)?;
                Ok(Served::Done)
            }
            Import::Answer => {
                let value = self.value(memory, first, second)?;
                self.write(FieldPath::default(), Some(value))?;
                Ok(Served::Done)
            }
            Import::Refuse => {
                self.reason = Some(text(memory, Part::Reason, first, second)?.to_owned());
                Ok(Served::Done)
            }
            Import::Log => {
                let level = LogLevel::of_number(first).ok_or(Failure::Number {
                    what: Part::Log,
                    number: first,
                })?;
                let line = text(memory, Part::Log, second, third)?;
                if let Some(services) = self.services {
                    services.log(self.plugin, level, line);
                }
                Ok(Served::Done)
            }
            Import::Clock => Ok(Served::Number(unix_milliseconds())),
            Import::Random => {
                let buffer = memory.at(Part::Buffer, first, second)?;
                getrandom::fill(buffer).map_err(|error| Failure::Engine {
                    message: error.to_string(),
                })?;
                Ok(Served::Done)
            }
            Import::Emit => {
                let topic = text(memory, Part::Topic, first, second)?.to_owned();
                if !self.grants.emit.contains(&topic) {
                    return Err(Failure::TopicNotGranted { topic });
                }
                self.keep(second)?;
                let value = self.value(memory, third, fourth)?;
                let kind = value.kind();
                let payload = value.into_json().ok_or(Failure::Value { kind })?;
                self.emitted.push((topic, payload));
                Ok(Served::Done)
            }
        }
    }
}

/// The pointer and the length in a cell.
fn halves(bits: u64) -> [u32; 2] {
    [bits, bits >> 32].map(|half| u32::try_from(half & 0xffff_ffff).unwrap_or_default())
}

fn path(memory: &mut GuestMemory<'_>, pointer: u32, length: u32) -> Result<FieldPath, Failure> {
    if length > MAX_PATH {
        return Err(PathError::TooLong.into());
    }
    Ok(FieldPath::parse(memory.text(
        Part::Path,
        pointer,
        length,
    )?)?)
}

fn text<'m>(
    memory: &'m mut GuestMemory<'_>,
    what: Part,
    pointer: u32,
    length: u32,
) -> Result<&'m str, Failure> {
    if length > MAX_TEXT {
        return Err(Failure::Pointer {
            what,
            pointer,
            length,
        });
    }
    memory.text(what, pointer, length)
}

/// Hands a field to the guest: numbers in the cell, all else in memory of its own.
fn show(value: Option<Value>, cell: u32, memory: &mut GuestMemory<'_>) -> Result<Served, Failure> {
    let kind = value.as_ref().map_or(Kind::Absent, Value::kind);
    let mut put = |bits: u64| -> Result<Served, Failure> {
        let place = memory.at(Part::Value, cell, CELL)?;
        place.copy_from_slice(&bits.to_le_bytes());
        Ok(Served::Kind(kind))
    };
    let bytes = match value {
        None | Some(Value::Null | Value::Opaque) => return Ok(Served::Kind(kind)),
        Some(Value::Boolean(value)) => return put(value.into()),
        Some(Value::Integer(value)) => return put(value.cast_unsigned()),
        Some(Value::Float(value)) => return put(value.to_bits()),
        Some(Value::Text(text)) => text.into_bytes(),
        Some(Value::Binary(bytes)) => bytes,
        Some(Value::List(elements)) => Json::Array(elements).to_string().into_bytes(),
        Some(Value::Map(map)) => Json::Object(map).to_string().into_bytes(),
    };
    Ok(Served::Bytes { kind, bytes, cell })
}

fn unix_milliseconds() -> i64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    since.map_or(0, |since| {
        i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
    })
}
