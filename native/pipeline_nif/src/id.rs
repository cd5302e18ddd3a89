use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use pipeline_beam::Escaped;
use rustler::{Atom, Decoder, Encoder, Env, Error, NifResult, Term};

rustler::atoms! { unknown_atom }

/// The id of a plugin or the name of a capability: an atom or a string. `:a` and `"a"` are different ids.
///
/// An atom is compared by its term, which never changes while the VM runs; its name is asked for only to be
/// shown.
#[derive(Clone, PartialEq, Eq)]
pub(crate) enum Id {
    Atom(Atom),
    Text(Arc<str>),
    /// An atom that the VM does not know, read from a file: `{:unknown_atom, name}`.
    Unknown(Arc<str>),
}

impl Id {
    fn name(&self) -> String {
        match self {
            // The VM has escaped backslashes and control characters in it already.
            Self::Atom(atom) => shown(format!("{atom:?}").trim_matches('\'')).replace(r"\\", r"\"),
            Self::Unknown(name) => shown(name),
            Self::Text(text) => format!("{text:?}"),
        }
    }
}

/// An atom's name as Elixir shows the name of a module. It may come from a file, and stands in messages.
fn shown(name: &str) -> String {
    let name = name.strip_prefix("Elixir.").unwrap_or(name);
    Escaped::new(name.as_bytes()).to_string()
}

impl Hash for Id {
    fn hash<H: Hasher>(&self, state: &mut H) {
        match self {
            Self::Atom(atom) => atom.as_c_arg().hash(state),
            Self::Text(text) | Self::Unknown(text) => text.hash(state),
        }
    }
}

impl PartialOrd for Id {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

/// By what is shown, so that an order is the same in every VM.
impl Ord for Id {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        if self == other {
            std::cmp::Ordering::Equal
        } else {
            self.name().cmp(&other.name())
        }
    }
}

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name())
    }
}

impl fmt::Debug for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl<'a> Decoder<'a> for Id {
    fn decode(term: Term<'a>) -> NifResult<Self> {
        if let Ok(atom) = Atom::from_term(term) {
            return Ok(Self::Atom(atom));
        }
        if let Ok((tag, name)) = term.decode::<(Atom, &str)>() {
            let unknown = tag == unknown_atom();
            return if unknown {
                Ok(Self::Unknown(name.into()))
            } else {
                Err(Error::BadArg)
            };
        }
        let text: &str = term.decode().map_err(|_| Error::BadArg)?;
        Ok(Self::Text(text.into()))
    }
}

impl Encoder for Id {
    fn encode<'a>(&self, env: Env<'a>) -> Term<'a> {
        match self {
            Self::Atom(atom) => atom.to_term(env),
            Self::Text(text) => (**text).encode(env),
            Self::Unknown(name) => (unknown_atom(), &**name).encode(env),
        }
    }
}
