use std::fmt::{Debug, Display};
use std::hash::Hash;

use semver::Version;

use crate::requirement::Requirement;

/// Names a plugin or capability: `String`, `&str`, or a type that keeps atoms and strings apart.
///
/// `Display` is what messages show; it takes no part in comparisons.
pub trait Identifier: Clone + Eq + Hash + Ord + Debug + Display {}

impl<T: Clone + Eq + Hash + Ord + Debug + Display> Identifier for T {}

/// A plugin in one version, as far as resolution looks at it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Node<N> {
    /// The plugin's id.
    pub id: N,
    /// Its version.
    pub version: Version,
    /// The capabilities it provides.
    pub capabilities: Vec<N>,
    /// Its dependencies.
    pub dependencies: Vec<Dependency<N>>,
}

impl<N> Node<N> {
    /// A plugin that provides nothing and needs nothing.
    pub fn new(id: N, version: Version) -> Self {
        Self {
            id,
            version,
            capabilities: Vec::new(),
            dependencies: Vec::new(),
        }
    }

    /// Adds a capability.
    #[must_use]
    pub fn provides(mut self, capability: N) -> Self {
        self.capabilities.push(capability);
        self
    }

    /// Adds a dependency.
    #[must_use]
    pub fn needs(mut self, dependency: Dependency<N>) -> Self {
        self.dependencies.push(dependency);
        self
    }
}

/// A plugin or capability that a plugin depends on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dependency<N> {
    /// The plugin or capability.
    pub target: Target<N>,
    /// Whether the plugin also works without it.
    pub optional: bool,
}

/// The object of a [`Dependency`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target<N> {
    /// The plugin of this id, in a version that the requirement accepts.
    Plugin(N, Option<Requirement>),
    /// Any other plugin that provides this capability.
    Capability(N),
}

impl<N> Dependency<N> {
    /// Requires a plugin.
    pub fn plugin(id: N, requirement: Option<Requirement>) -> Self {
        Self {
            target: Target::Plugin(id, requirement),
            optional: false,
        }
    }

    /// Requires a capability.
    pub fn capability(capability: N) -> Self {
        Self {
            target: Target::Capability(capability),
            optional: false,
        }
    }

    /// The same, but optional.
    #[must_use]
    pub fn optional(mut self) -> Self {
        self.optional = true;
        self
    }
}
