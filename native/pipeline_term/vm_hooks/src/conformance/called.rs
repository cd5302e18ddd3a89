use std::sync::{Arc, Mutex, PoisonError};

use pipeline_term::rustler::{self, Env};
use pipeline_term::{Data, DataError, Failure};

rustler::atoms! { called }

/// Tells the process that runs a chain that one of its native hooks was called: `{:called, name}`.
pub(super) fn call_from(env: Env<'_>, name: &Data) -> Result<(), Failure> {
    let told = name.to_term(env).map_err(Untold::Name).and_then(|name| {
        env.send(&env.pid(), (called(), name))
            .map_err(|_| Untold::Process)
    });
    told.map_err(Failure::of)
}

/// Why a call could not be told.
#[derive(Debug, thiserror::Error)]
enum Untold {
    #[error("the hook's name has no term: {0}")]
    Name(#[source] DataError),
    #[error("the process that runs the chain is not there")]
    Process,
}

/// The hooks called in a run of the core alone, in order; `None` is the base operation.
#[derive(Clone, Default)]
pub(super) struct Calls(Arc<Mutex<Vec<Option<Data>>>>);

impl Calls {
    pub(super) fn add(&self, name: Option<&Data>) {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(name.cloned());
    }

    pub(super) fn take(&self) -> Vec<Option<Data>> {
        std::mem::take(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
