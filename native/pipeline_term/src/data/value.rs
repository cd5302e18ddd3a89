use super::AtomName;

/// An owned term: everything that can be written down in a configuration.
///
/// Process identifiers, references, functions and integers beyond 64 bits are not plain data.
#[derive(Clone, Debug, PartialEq)]
pub enum Data {
    /// `nil`
    Nil,
    /// `true` or `false`
    Bool(bool),
    /// An integer of at most 64 bits.
    Int(i64),
    /// A float; the VM has no infinities and no NaN, and refuses to be given one.
    Float(f64),
    /// Any other atom.
    Atom(AtomName),
    /// A binary that is valid UTF-8.
    Text(String),
    /// A binary that is not.
    Bytes(Vec<u8>),
    /// A proper list.
    List(Vec<Data>),
    /// A tuple.
    Tuple(Vec<Data>),
    /// A map, its entries in no particular order.
    Map(Vec<(Data, Data)>),
}

impl Data {
    /// Its type, as an error message calls it: "a list".
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Nil => "nil",
            Self::Bool(_) => "a boolean",
            Self::Int(_) => "an integer",
            Self::Float(_) => "a float",
            Self::Atom(_) => "an atom",
            Self::Text(_) => "a string",
            Self::Bytes(_) => "a binary that is not UTF-8",
            Self::List(_) => "a list",
            Self::Tuple(_) => "a tuple",
            Self::Map(_) => "a map",
        }
    }

    /// How many bytes of text and binaries it holds.
    #[cfg(feature = "shipped")]
    pub(crate) fn text_bytes(&self) -> usize {
        match self {
            Self::Text(text) => text.len(),
            Self::Bytes(bytes) => bytes.len(),
            Self::List(elements) | Self::Tuple(elements) => {
                elements.iter().map(Self::text_bytes).sum()
            }
            Self::Map(entries) => entries
                .iter()
                .map(|(key, value)| key.text_bytes() + value.text_bytes())
                .sum(),
            _ => 0,
        }
    }

    /// How many values it is made of, itself among them.
    #[cfg(feature = "shipped")]
    pub(crate) fn values(&self) -> usize {
        match self {
            Self::List(elements) | Self::Tuple(elements) => {
                1 + elements.iter().map(Self::values).sum::<usize>()
            }
            Self::Map(entries) => entries
                .iter()
                .map(|(key, value)| key.values() + value.values())
                .sum::<usize>()
                .saturating_add(1),
            _ => 1,
        }
    }

    /// The text of a string or the name of an atom.
    pub fn name(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            Self::Atom(atom) => Some(atom.name()),
            _ => None,
        }
    }
}

impl From<&str> for Data {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<String> for Data {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl From<i64> for Data {
    fn from(number: i64) -> Self {
        Self::Int(number)
    }
}
