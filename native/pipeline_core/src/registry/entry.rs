use std::fmt::{Debug, Display};
use std::hash::Hash;

use super::Provider;

/// An entry of a [`Registry`](super::Registry). It does not change while it is registered; it can be
/// replaced.
pub trait RegistryEntry: Send + Sync + 'static {
    /// Names the entry; unique in a registry.
    type Id: Clone + Debug + Display + Eq + Hash + Send + Sync + 'static;
    /// Names a capability or a provider type.
    type Key: Clone + Eq + Hash + Send + Sync + 'static;
    /// A value that a capability can be looked up by, beside its name.
    type Value: Clone + Eq + Hash + Send + Sync + 'static;

    /// The entry's name.
    fn id(&self) -> &Self::Id;

    /// Its capabilities, each with the values it is found by. One whose value is a list gives each element.
    fn capabilities(&self) -> impl Iterator<Item = (Self::Key, Vec<Self::Value>)>;

    /// The provider types it provides for, in the order of declaration.
    fn providers(&self) -> impl Iterator<Item = (Self::Key, Provider)>;
}
