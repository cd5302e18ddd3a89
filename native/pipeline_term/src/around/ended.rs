use crate::data::AtomName;
use rustler::types::tuple::get_tuple;
use rustler::{Atom, Binary, Term};

rustler::atoms! { __struct__, message }

/// The result of the inside of an around.
#[derive(Clone, Copy)]
pub enum Ended<'a> {
    /// A value.
    Value(Term<'a>),
    /// A failure.
    Failed(InnerFailure<'a>),
}

/// How what is inside failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FailureKind {
    /// It raised.
    Error,
    /// It exited; a time limit that ran out exits with `:timeout`.
    Exit,
    /// It threw.
    Throw,
    /// A hook, or the base operation, refused: `throw {:hook_error, reason}`.
    Refused,
}

/// A failure of a hook inside, or of the base operation.
#[derive(Clone, Copy)]
pub struct InnerFailure<'a> {
    pub(super) kind: FailureKind,
    pub(super) reason: Term<'a>,
}

impl<'a> InnerFailure<'a> {
    /// How it failed.
    pub fn kind(&self) -> FailureKind {
        self.kind
    }

    /// The exception, or the term that was exited with, thrown, or refused with.
    pub fn reason(&self) -> Term<'a> {
        self.reason
    }

    /// The name of a failure: the module of an exception (`Elixir.RuntimeError`), a reason that is an atom
    /// (`timeout`), or the first element of one that is a tuple (`rate_limited`).
    pub fn tag(&self) -> Option<AtomName> {
        if let Ok(module) = self.reason.map_get(__struct__()) {
            AtomName::from_term(module)
        } else if self.reason.is_tuple() {
            get_tuple(self.reason)
                .ok()
                .and_then(|elements| elements.first().copied().and_then(AtomName::from_term))
        } else {
            AtomName::from_term(self.reason)
        }
    }

    /// Whether it is called `name`; of an exception both `RuntimeError` and `Elixir.RuntimeError` will do.
    pub fn is(&self, name: &str) -> bool {
        self.tag().is_some_and(|tag| {
            tag.name() == name || tag.name().strip_prefix("Elixir.") == Some(name)
        })
    }

    /// The message of an exception that keeps one as text, as most do.
    pub fn message(&self) -> Option<&'a str> {
        let text = self.reason.map_get(message()).ok()?;
        std::str::from_utf8(Binary::from_term(text).ok()?.as_slice()).ok()
    }
}

/// Keeps the atoms in reach of what decodes kinds.
pub(super) fn kind_of(atom: Atom) -> Option<FailureKind> {
    rustler::atoms! { error, exit, refused, throw }
    [
        (error(), FailureKind::Error),
        (exit(), FailureKind::Exit),
        (throw(), FailureKind::Throw),
        (refused(), FailureKind::Refused),
    ]
    .into_iter()
    .find(|(name, _)| *name == atom)
    .map(|(_, kind)| kind)
}
