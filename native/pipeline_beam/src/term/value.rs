use std::hash::{Hash, Hasher};

/// An Erlang term, as far as one can stand in a module attribute.
///
/// Nothing here touches the atom table of a VM: an atom is text. Of all values only one form is
/// used, so that equal terms compare equal: a bit string of whole bytes is a [`Binary`], a list that
/// ends in `[]` is a [`List`].
///
/// [`Binary`]: Term::Binary
/// [`List`]: Term::List
#[derive(Debug, Clone, PartialEq)]
pub enum Term {
    /// An atom's text, at most 255 characters.
    Atom(Box<str>),
    /// An integer that fits 64 bits.
    Integer(i64),
    /// A finite float.
    Float(f64),
    /// A binary.
    Binary(Box<[u8]>),
    /// A bit string that does not end on a byte.
    BitString {
        /// The bytes; unused low bits of the last are zero.
        bytes: Box<[u8]>,
        /// How many high bits of the last byte count: 1 to 7.
        last_bits: u8,
    },
    /// A proper list; a charlist is a list of integers, as in Erlang.
    List(Vec<Term>),
    /// A list with at least one element whose tail is no list.
    ImproperList(Vec<Term>, Box<Term>),
    /// A tuple.
    Tuple(Vec<Term>),
    /// A map, pairs in the order of the file, no key twice.
    Map(Vec<(Term, Term)>),
    /// An external fun: `&Module.name/arity`.
    ExternalFun {
        /// The module's atom, `Elixir.` prefix included.
        module: Box<str>,
        /// The function's atom.
        name: Box<str>,
        /// The number of arguments.
        arity: u8,
    },
}

impl Term {
    /// The integer of a sign and a little-endian magnitude, `None` where it does not fit 64 bits.
    pub(crate) fn integer(negative: bool, magnitude: &[u8]) -> Option<Self> {
        let end = magnitude
            .iter()
            .rposition(|byte| *byte != 0)
            .map_or(0, |last| last + 1);
        let mut bytes = [0; 16];
        bytes[..8]
            .get_mut(..end)?
            .copy_from_slice(&magnitude[..end]);
        let absolute = i128::from_le_bytes(bytes);
        let value = i64::try_from(if negative { -absolute } else { absolute });
        value.ok().map(Self::Integer)
    }

    /// The bit string of `bytes` whose last byte counts `last_bits` (1 to 8) bits, in its one form.
    pub(crate) fn bits(bytes: &[u8], last_bits: u8) -> Self {
        let mut bytes: Box<[u8]> = bytes.into();
        match bytes.last_mut() {
            Some(last) if last_bits < 8 => {
                *last &= !(0xff >> last_bits);
                Self::BitString { bytes, last_bits }
            }
            _ => Self::Binary(bytes),
        }
    }

    /// Whether a value stands under `key`, an atom, in this map.
    ///
    /// ```
    /// use pipeline_beam::Term;
    /// let map = Term::Map(vec![(Term::Atom("id".into()), Term::Integer(1))]);
    /// assert_eq!(map.get("id"), Some(&Term::Integer(1)));
    /// assert_eq!(map.get("name"), None);
    /// ```
    pub fn get(&self, key: &str) -> Option<&Term> {
        let Self::Map(pairs) = self else { return None };
        pairs.iter().find_map(|(found, value)| match found {
            Self::Atom(atom) if **atom == *key => Some(value),
            _ => None,
        })
    }
}

/// The decoder admits finite floats only; comparing them is an equivalence.
impl Eq for Term {}

impl Hash for Term {
    fn hash<H: Hasher>(&self, state: &mut H) {
        std::mem::discriminant(self).hash(state);
        match self {
            Self::Atom(text) => text.hash(state),
            Self::Integer(value) => value.hash(state),
            // Adding zero turns -0.0, which equals 0.0, into it.
            Self::Float(value) => (value + 0.0).to_bits().hash(state),
            Self::Binary(bytes) => bytes.hash(state),
            Self::BitString { bytes, last_bits } => (bytes, last_bits).hash(state),
            Self::List(items) | Self::Tuple(items) => items.hash(state),
            Self::ImproperList(items, tail) => (items, tail).hash(state),
            Self::Map(pairs) => pairs.hash(state),
            Self::ExternalFun {
                module,
                name,
                arity,
            } => (module, name, arity).hash(state),
        }
    }
}
