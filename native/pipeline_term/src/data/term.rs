use super::{AtomName, Data, DataError};
use crate::deep_stack::with_stack_for_a_level;
use rustler::types::atom;
use rustler::types::tuple::{get_tuple, make_tuple};
use rustler::{Atom, Binary, Encoder, Env, MapIterator, Term, TermType};

/// How deep a term may be nested to be read as data: dirty schedulers have stacks of 328 KiB.
const MAX_DEPTH: usize = 32;
/// How many values a term may hold to be read as data. A term of two words can hold the same one over and
/// over, and a copy holds it as often.
const MAX_VALUES: usize = 250_000;
/// How many bytes of text and binaries, likewise.
const MAX_BYTES: usize = 16 * 1024 * 1024;

impl Data {
    /// Copies a term.
    ///
    /// # Errors
    /// When the term, or something in it, is no plain data, is nested more than 32 levels deep, or holds more
    /// than 250,000 values or 16 MiB of text.
    pub fn from_term(term: Term<'_>) -> Result<Self, DataError> {
        let mut room = Room {
            values: MAX_VALUES,
            bytes: MAX_BYTES,
        };
        read(term, MAX_DEPTH, &mut room)
    }

    /// Makes the term.
    ///
    /// # Errors
    /// For a float that is not finite, and for data made in Rust that is nested more than 32 levels deep.
    pub fn to_term<'a>(&self, env: Env<'a>) -> Result<Term<'a>, DataError> {
        write(self, env, MAX_DEPTH)
    }
}

/// The budget that is left for reading.
struct Room {
    values: usize,
    bytes: usize,
}

impl Room {
    fn value(&mut self) -> Result<(), DataError> {
        take(&mut self.values, 1).ok_or(DataError::TooMany(MAX_VALUES))
    }

    /// Checks that so many values could be read, before they are looked at.
    fn for_values(&self, count: usize) -> Result<(), DataError> {
        if count > self.values {
            return Err(DataError::TooMany(MAX_VALUES));
        }
        Ok(())
    }

    fn text(&mut self, bytes: usize) -> Result<(), DataError> {
        take(&mut self.bytes, bytes).ok_or(DataError::TooLong(MAX_BYTES))
    }
}

fn take(left: &mut usize, count: usize) -> Option<()> {
    *left = left.checked_sub(count)?;
    Some(())
}

fn read(term: Term<'_>, depth: usize, room: &mut Room) -> Result<Data, DataError> {
    room.value()?;
    let Some(below) = depth.checked_sub(1) else {
        return Err(DataError::TooDeep(MAX_DEPTH));
    };
    match term.get_type() {
        TermType::List | TermType::Tuple | TermType::Map => {
            with_stack_for_a_level(|| read_container(term, below, room))
        }
        TermType::Atom => read_atom(term),
        TermType::Integer => term
            .decode()
            .map(Data::Int)
            .map_err(|_| DataError::IntegerTooLarge),
        TermType::Float => term
            .decode()
            .map(Data::Float)
            .map_err(|_| DataError::NotFinite),
        TermType::Binary => read_binary(term, room),
        TermType::Fun => Err(DataError::NotPlain("a function")),
        TermType::Pid => Err(DataError::NotPlain("a process identifier")),
        TermType::Port => Err(DataError::NotPlain("a port")),
        TermType::Ref => Err(DataError::NotPlain("a reference")),
        TermType::Unknown => Err(DataError::NotPlain("a term of an unknown type")),
    }
}

fn read_container(term: Term<'_>, below: usize, room: &mut Room) -> Result<Data, DataError> {
    match term.get_type() {
        TermType::List => read_list(term, below, room),
        TermType::Tuple => {
            let elements = get_tuple(term).map_err(|_| DataError::NotPlain("a tuple"))?;
            elements
                .into_iter()
                .map(|element| read(element, below, room))
                .collect::<Result<_, _>>()
                .map(Data::Tuple)
        }
        _ => {
            room.for_values(term.map_size().unwrap_or(0))?;
            MapIterator::new(term)
                .into_iter()
                .flatten()
                .map(|(key, value)| Ok((read(key, below, room)?, read(value, below, room)?)))
                .collect::<Result<_, _>>()
                .map(Data::Map)
        }
    }
}

fn read_atom(term: Term<'_>) -> Result<Data, DataError> {
    let found =
        AtomName::from_term(term).ok_or(DataError::NotPlain("a term of an unknown type"))?;
    Ok(match found.atom() {
        atom if atom == atom::nil() => Data::Nil,
        atom if atom == atom::true_() => Data::Bool(true),
        atom if atom == atom::false_() => Data::Bool(false),
        _ => Data::Atom(found),
    })
}

fn read_binary(term: Term<'_>, room: &mut Room) -> Result<Data, DataError> {
    let binary = Binary::from_term(term).map_err(|_| DataError::NotPlain("a bit string"))?;
    room.text(binary.len())?;
    Ok(match std::str::from_utf8(binary.as_slice()) {
        Ok(text) => Data::from(text),
        Err(_) => Data::Bytes(binary.as_slice().to_vec()),
    })
}

fn read_list(term: Term<'_>, below: usize, room: &mut Room) -> Result<Data, DataError> {
    let mut elements = Vec::new();
    let mut rest = term;
    while let Ok((head, tail)) = rest.list_get_cell() {
        elements.push(read(head, below, room)?);
        rest = tail;
    }
    if rest.is_empty_list() {
        Ok(Data::List(elements))
    } else {
        Err(DataError::ImproperList)
    }
}

fn write<'a>(data: &Data, env: Env<'a>, depth: usize) -> Result<Term<'a>, DataError> {
    let Some(below) = depth.checked_sub(1) else {
        return Err(DataError::TooDeep(MAX_DEPTH));
    };
    Ok(match data {
        Data::Nil => atom::nil().to_term(env),
        Data::Bool(value) => value.encode(env),
        Data::Int(value) => value.encode(env),
        Data::Float(value) if !value.is_finite() => return Err(DataError::NotFinite),
        Data::Float(value) => value.encode(env),
        Data::Atom(name) => name.encode(env),
        Data::Text(text) => text.encode(env),
        Data::Bytes(bytes) => binary_term(bytes, env),
        Data::List(_) | Data::Tuple(_) | Data::Map(_) => {
            return with_stack_for_a_level(|| write_container(data, env, below));
        }
    })
}

fn write_container<'a>(data: &Data, env: Env<'a>, below: usize) -> Result<Term<'a>, DataError> {
    let all = |elements: &[Data]| -> Result<Vec<Term<'a>>, DataError> {
        elements
            .iter()
            .map(|element| write(element, env, below))
            .collect()
    };
    match data {
        Data::List(elements) => Ok(all(elements)?.encode(env)),
        Data::Tuple(elements) => Ok(make_tuple(env, &all(elements)?)),
        Data::Map(entries) => entries
            .iter()
            .try_fold(Term::map_new(env), |map, (key, value)| {
                Ok(map
                    .map_put(write(key, env, below)?, write(value, env, below)?)
                    .unwrap_or(map))
            }),
        scalar => write(scalar, env, below),
    }
}

/// A binary of these bytes.
pub(crate) fn binary_term<'a>(bytes: &[u8], env: Env<'a>) -> Term<'a> {
    let mut binary = rustler::NewBinary::new(env, bytes.len());
    binary.as_mut_slice().copy_from_slice(bytes);
    binary.into()
}

/// The atom of a fixed name; only called with names that stand in the source, whose number is bounded.
pub(crate) fn fixed_atom<'a>(env: Env<'a>, name: &'static str) -> Term<'a> {
    Atom::from_str(env, name).map_or_else(|_| atom::error().to_term(env), |atom| atom.to_term(env))
}
