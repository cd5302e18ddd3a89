use std::collections::BTreeMap;

use semver::Version;

use crate::requirement::Requirement;

/// A request to [`solve`](super::solve).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request<N> {
    /// The plugins that the application asks for.
    pub roots: Vec<Root<N>>,
    /// Plugins that, if they are taken at all, are taken in exactly this version. Among versions that differ
    /// in build metadata only, the one with the same metadata; if there is none, any.
    pub locked: BTreeMap<N, Version>,
    /// Versions that are running: each is kept where everything allows it. What a running plugin itself
    /// requires counts only if the plugin is asked for; to keep it, make it a root.
    pub loaded: BTreeMap<N, Version>,
}

/// A plugin that the application asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Root<N> {
    /// Its id.
    pub id: N,
    /// The versions that will do.
    pub requirement: Option<Requirement>,
}

impl<N> Request<N> {
    /// Asks for plugins, with nothing locked or loaded.
    pub fn new(roots: Vec<Root<N>>) -> Self {
        Self {
            roots,
            locked: BTreeMap::new(),
            loaded: BTreeMap::new(),
        }
    }
}

impl<N> Root<N> {
    /// Asks for a plugin.
    pub fn new(id: N, requirement: Option<Requirement>) -> Self {
        Self { id, requirement }
    }
}
