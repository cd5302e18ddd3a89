use std::fmt;

use semver::Version;
use serde::{Deserialize, Serialize};

use super::Identifier;
use crate::requirement::Requirement;

/// A demand for a plugin or a capability, and the way that led to it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Demand<N> {
    /// The source of the demand.
    pub by: Demander<N>,
    /// The version that is asked for.
    pub requirement: Option<Requirement>,
    /// Whether the demand holds only if the plugin is taken anyway.
    pub optional: bool,
    /// The way from the application to the source; empty if that is the application.
    pub path: Vec<PathStep<N>>,
}

/// The source of a [`Demand`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Demander<N> {
    /// The application, by a root of the request.
    Application,
    /// The lock on the plugin in question.
    Lock(Version),
    /// A plugin, in those of its versions that are possible and make the demand.
    Plugin {
        /// Its id.
        id: N,
        /// The versions, ascending.
        versions: Vec<Version>,
    },
    /// A capability that the plugin in question provides.
    Capability {
        /// Its name.
        capability: N,
        /// The versions of the plugin that provide it, ascending.
        versions: Vec<Version>,
    },
}

/// A step on the way from the application to the source of a [`Demand`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PathStep<N> {
    /// A plugin and what is required of it.
    Plugin(N, Option<Requirement>),
    /// A capability.
    Capability(N),
}

impl<N: Identifier> Demand<N> {
    /// The demand as a sentence about `object`, without the way to it.
    pub(super) fn sentence(&self, object: &dyn fmt::Display) -> String {
        let requirement = self
            .requirement
            .as_ref()
            .map(|requirement| format!(" {requirement}"))
            .unwrap_or_default();
        match &self.by {
            Demander::Application => format!("app needs {object}{requirement}"),
            Demander::Lock(version) => format!("the lock keeps {object} at {version}"),
            Demander::Capability {
                capability,
                versions,
            } => {
                format!(
                    "the capability {capability} is provided by {object} {}",
                    enumerated(versions)
                )
            }
            Demander::Plugin { id, versions } => {
                let needs = match (self.optional, versions.len()) {
                    (false, 1) => "needs",
                    (false, _) => "need",
                    (true, 1) => "works only with",
                    (true, _) => "work only with",
                };
                format!(
                    "{id} {} {needs} {object}{requirement}",
                    enumerated(versions)
                )
            }
        }
    }

    /// `app → blog ~> 1.0`, or nothing for the application itself.
    pub(super) fn way(&self) -> Option<String> {
        (!self.path.is_empty()).then(|| {
            let text = |step: &PathStep<N>| match step {
                PathStep::Plugin(id, None) => format!(" → {id}"),
                PathStep::Plugin(id, Some(requirement)) => format!(" → {id} {requirement}"),
                PathStep::Capability(capability) => format!(" → capability {capability}"),
            };
            let steps: Vec<String> = match self.path.as_slice() {
                [first, second, between @ .., last] if between.len() > 6 => {
                    vec![
                        text(first),
                        text(second),
                        format!(" → … {} more …", between.len()),
                        text(last),
                    ]
                }
                all => all.iter().map(text).collect(),
            };
            format!("app{}", steps.concat())
        })
    }
}

/// Ascending versions: all of a few, the ends of many.
pub(super) fn enumerated(versions: &[Version]) -> String {
    match versions {
        [first, .., last] if versions.len() > 6 => {
            format!("{first} to {last}, {} versions", versions.len())
        }
        _ => versions
            .iter()
            .map(Version::to_string)
            .collect::<Vec<_>>()
            .join(", "),
    }
}
