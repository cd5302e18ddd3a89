use serde::{Deserialize, Serialize};

use crate::plugin::Name;

/// An event on a bus.
pub trait Event: Send + Sync + 'static {
    /// The name that subscribers match.
    fn name(&self) -> &str;
}

/// An event of any name.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Named<P> {
    /// The name that subscribers match.
    pub name: Name,
    /// Its payload.
    pub payload: P,
}

impl<P> Named<P> {
    /// An event.
    pub fn new(name: impl Into<Name>, payload: P) -> Self {
        let name = name.into();
        Self { name, payload }
    }
}

impl<P: Send + Sync + 'static> Event for Named<P> {
    fn name(&self) -> &str {
        self.name.as_str()
    }
}
