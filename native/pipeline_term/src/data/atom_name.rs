use rustler::{Atom, Encoder, Env, Term};
use std::fmt;

/// An atom together with its name, so that it can be shown and compared with text away from the VM's
/// functions.
#[derive(Clone)]
pub struct AtomName {
    atom: Atom,
    name: Box<str>,
}

impl AtomName {
    /// Reads an atom; `None` if the term is none.
    pub fn from_term(term: Term<'_>) -> Option<Self> {
        let atom = Atom::from_term(term).ok()?;
        // The NIF version built against reads Latin-1 names only; the printed form serves for the others.
        let name = term
            .atom_to_string()
            .unwrap_or_else(|_| format!("{atom:?}"));
        Some(Self {
            atom,
            name: name.into(),
        })
    }

    /// The atom.
    pub fn atom(&self) -> Atom {
        self.atom
    }

    /// Its name, without the colon.
    pub fn name(&self) -> &str {
        &self.name
    }
}

impl PartialEq for AtomName {
    fn eq(&self, other: &Self) -> bool {
        self.atom == other.atom
    }
}

impl fmt::Debug for AtomName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, ":{}", self.name)
    }
}

impl Encoder for AtomName {
    fn encode<'a>(&self, env: Env<'a>) -> Term<'a> {
        self.atom.to_term(env)
    }
}
