use pipeline_term::rustler::env::OwnedEnv;
use pipeline_term::rustler::{Atom, LocalPid};
use pipeline_term::{Failure, Path, TermContext};

/// The test that a hook tells what it sees.
#[derive(Clone, Copy)]
pub(crate) struct Reporter(LocalPid);

impl Reporter {
    /// From the field that holds its process.
    pub(crate) fn in_field(context: &TermContext<'_>, field: &Path) -> Result<Self, Failure> {
        let pid = context
            .get(field)?
            .and_then(|term| term.decode().ok())
            .ok_or_else(|| Failure::of("the field holds no process"))?;
        Ok(Self(pid))
    }

    /// From a process in the external term format, which plain data can hold.
    pub(crate) fn from_bytes(bytes: &[u8]) -> Result<Self, Failure> {
        OwnedEnv::new()
            .run(|env| {
                env.binary_to_term(bytes)
                    .and_then(|(term, _)| term.decode().ok())
            })
            .map(Self)
            .ok_or_else(|| Failure::of("the bytes are no process"))
    }

    /// Sends an atom.
    pub(crate) fn tell(self, what: &'static str) {
        let _ = OwnedEnv::new().send_and_clear(&self.0, |env| Atom::from_str(env, what).ok());
    }
}
