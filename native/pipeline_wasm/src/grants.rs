use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::{FieldPath, GuestManifest, LoadError, PathError};

/// What a guest may do, and how much. The same type says what it asks for, in its manifest.
///
/// ```
/// use pipeline_wasm::Grants;
///
/// let written = r#"{"read": ["/prompt", "/user/name"], "write": ["/prompt"], "log": true, "fuel": 5000000}"#;
/// let grants: Grants = serde_json::from_str(written)?;
/// let built = Grants::none().read("/prompt")?.read("/user/name")?.write("/prompt")?.log().fuel(5_000_000);
/// assert_eq!(grants, built);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Grants {
    /// The fields that it may look at, with all that is below each.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub read: Vec<FieldPath>,
    /// The fields that it may change, with all that is below each.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub write: Vec<FieldPath>,
    /// Whether it may write to the log.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub log: bool,
    /// Whether it may ask for the time.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub clock: bool,
    /// Whether it may ask for random bytes.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub random: bool,
    /// The events that it may emit.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub emit: Vec<String>,
    /// The fuel of a call: about one for each instruction. Without, 10,000,000.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fuel: Option<u64>,
    /// The memory of an instance, in bytes. Without, 16 MiB.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub memory: Option<usize>,
    /// The time of a call, in milliseconds. Without, 100.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timeout_ms: Option<u64>,
}

impl Grants {
    /// Nothing but to compute, within the limits that are there by default.
    pub fn none() -> Self {
        Self::default()
    }

    /// All that a guest asks for in its manifest. Show it to somebody before you grant it.
    ///
    /// # Errors
    ///
    /// [`LoadError`] if the module has no manifest that can be read.
    pub fn asked_by(module: &[u8]) -> Result<Self, LoadError> {
        Ok(GuestManifest::read(module)?.asks)
    }

    /// Lets it look at a field, written as a JSON pointer.
    ///
    /// # Errors
    ///
    /// [`PathError`] if that is no path.
    pub fn read(mut self, path: &str) -> Result<Self, PathError> {
        self.read.push(FieldPath::parse(path)?);
        Ok(self)
    }

    /// Lets it change a field, written as a JSON pointer.
    ///
    /// # Errors
    ///
    /// [`PathError`] if that is no path.
    pub fn write(mut self, path: &str) -> Result<Self, PathError> {
        self.write.push(FieldPath::parse(path)?);
        Ok(self)
    }

    /// Lets it write to the log.
    #[must_use]
    pub fn log(mut self) -> Self {
        self.log = true;
        self
    }

    /// Lets it ask for the time.
    #[must_use]
    pub fn clock(mut self) -> Self {
        self.clock = true;
        self
    }

    /// Lets it ask for random bytes.
    #[must_use]
    pub fn random(mut self) -> Self {
        self.random = true;
        self
    }

    /// Lets it emit an event.
    #[must_use]
    pub fn emit(mut self, topic: impl Into<String>) -> Self {
        self.emit.push(topic.into());
        self
    }

    /// Sets the fuel of a call.
    #[must_use]
    pub fn fuel(mut self, fuel: u64) -> Self {
        self.fuel = Some(fuel);
        self
    }

    /// Sets the memory of an instance, in bytes.
    #[must_use]
    pub fn memory(mut self, bytes: usize) -> Self {
        self.memory = Some(bytes);
        self
    }

    /// Sets the time of a call, in whole milliseconds.
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout_ms = Some(u64::try_from(timeout.as_millis()).unwrap_or(u64::MAX));
        self
    }

    /// Whether it may look at this field.
    pub fn may_read(&self, path: &FieldPath) -> bool {
        covers(&self.read, path)
    }

    /// Whether it may change this field.
    pub fn may_write(&self, path: &FieldPath) -> bool {
        covers(&self.write, path)
    }

    /// The fuel of a call.
    pub(crate) fn fuel_limit(&self) -> u64 {
        self.fuel.unwrap_or(10_000_000)
    }

    /// The memory of an instance.
    pub(crate) fn memory_limit(&self) -> usize {
        self.memory.unwrap_or(16 * 1024 * 1024)
    }

    /// The time of a call, in milliseconds.
    pub(crate) fn timeout_limit(&self) -> u64 {
        self.timeout_ms.unwrap_or(100)
    }

    /// What `asked` has beyond these grants.
    pub fn excess(&self, asked: &Self) -> Vec<Excess> {
        let fields = |granted: &[FieldPath], asked: &[FieldPath]| -> Vec<FieldPath> {
            let beyond = asked.iter().filter(|path| !covers(granted, path));
            beyond.cloned().collect()
        };
        let mut excess = Vec::new();
        excess.extend(
            fields(&self.read, &asked.read)
                .into_iter()
                .map(Excess::Read),
        );
        excess.extend(
            fields(&self.write, &asked.write)
                .into_iter()
                .map(Excess::Write),
        );
        let services = [
            (self.log, asked.log, Excess::Log),
            (self.clock, asked.clock, Excess::Clock),
            (self.random, asked.random, Excess::Random),
        ];
        excess.extend(
            services
                .into_iter()
                .filter_map(|(granted, asked, beyond)| (asked && !granted).then_some(beyond)),
        );
        let topics = asked.emit.iter().filter(|topic| !self.emit.contains(topic));
        excess.extend(topics.cloned().map(Excess::Emit));
        let fuel = asked.fuel.filter(|fuel| *fuel > self.fuel_limit());
        excess.extend(fuel.map(Excess::Fuel));
        let memory = asked.memory.filter(|memory| *memory > self.memory_limit());
        excess.extend(memory.map(Excess::Memory));
        let timeout = asked
            .timeout_ms
            .filter(|timeout| *timeout > self.timeout_limit());
        excess.extend(timeout.map(Excess::Timeout));
        excess
    }
}

fn covers(granted: &[FieldPath], path: &FieldPath) -> bool {
    granted.iter().any(|granted| granted.below(path).is_some())
}

/// Something that a guest asks for and was not granted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Excess {
    /// Looking at a field.
    Read(FieldPath),
    /// Changing a field.
    Write(FieldPath),
    /// Writing to the log.
    Log,
    /// Asking for the time.
    Clock,
    /// Asking for random bytes.
    Random,
    /// Emitting an event.
    Emit(String),
    /// So much fuel.
    Fuel(u64),
    /// So many bytes of memory.
    Memory(usize),
    /// So many milliseconds.
    Timeout(u64),
}

impl fmt::Display for Excess {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Read(path) => write!(f, "read of {path}"),
            Self::Write(path) => write!(f, "write of {path}"),
            Self::Log => f.write_str("log"),
            Self::Clock => f.write_str("clock"),
            Self::Random => f.write_str("random"),
            Self::Emit(topic) => write!(f, "emit of {topic:?}"),
            Self::Fuel(fuel) => write!(f, "fuel of {fuel}"),
            Self::Memory(bytes) => write!(f, "memory of {bytes} bytes"),
            Self::Timeout(timeout) => write!(f, "a timeout of {timeout} ms"),
        }
    }
}
