use serde::{Deserialize, Serialize};

use crate::plugin::Name;

/// What a bus carries.
pub trait Event: Send + Sync + 'static {
    /// What subscribers know it by.
    fn name(&self) -> &str;
}

/// An event of any name.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Named<P> {
    /// What subscribers know it by.
    pub name: Name,
    /// What it is about.
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
