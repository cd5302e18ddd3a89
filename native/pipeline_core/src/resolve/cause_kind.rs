use std::fmt::Display;

use semver::Version;
use serde::{Deserialize, Serialize};

use super::Identifier;
use super::demand::enumerated;
use crate::did_you_mean::did_you_mean;

/// Why a plugin or capability cannot be had as it is asked for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CauseKind<N> {
    /// No release has the id.
    MissingPlugin {
        /// A known id that resembles it.
        suggestion: Option<N>,
    },
    /// No other plugin provides the capability.
    MissingCapability {
        /// Pre-releases that would provide it, which nobody has asked for.
        pre_releases: Vec<(N, Version)>,
        /// A provided capability that resembles it.
        suggestion: Option<N>,
    },
    /// Other plugins provide the capability, in versions that do not go with the rest.
    NoCommonProvider {
        /// The releases that provide it.
        providers: Vec<(N, Version)>,
    },
    /// There are releases, and none that is asked for.
    NoVersion {
        /// All versions, ascending.
        available: Vec<Version>,
    },
    /// Only pre-releases lie in the range, and the requirement names none.
    PreReleaseOnly {
        /// Those pre-releases, ascending.
        pre_releases: Vec<Version>,
        /// The newest that the demand accepts once it is locked: `~> 2.0` accepts 2.1.0-rc.1, but not
        /// 2.0.0-rc.1.
        lockable: Option<Version>,
    },
    /// Several ask for it, and no version serves them all.
    Disagreement {
        /// All versions, ascending.
        available: Vec<Version>,
    },
    /// Several ask for it, and the versions that serve them all are in trouble of their own.
    Narrowed {
        /// All versions, ascending.
        available: Vec<Version>,
        /// The versions that are left.
        left: Vec<Version>,
    },
}

impl<N: Identifier> CauseKind<N> {
    pub(super) fn is_of_capability(&self) -> bool {
        matches!(
            self,
            Self::MissingCapability { .. } | Self::NoCommonProvider { .. }
        )
    }

    pub(super) fn headline(&self, name: &N) -> String {
        match self {
            Self::MissingPlugin { suggestion } => format!(
                "No plugin has the id {name}.{}",
                did_you_mean(suggestion.as_ref())
            ),
            Self::MissingCapability {
                pre_releases,
                suggestion,
            } if pre_releases.is_empty() => format!(
                "No other plugin provides {name}.{}",
                did_you_mean(suggestion.as_ref())
            ),
            Self::MissingCapability { pre_releases, .. } => format!(
                "Only pre-releases provide {name} ({})",
                releases(pre_releases)
            ),
            Self::NoCommonProvider { providers } => format!(
                "No provider of {name} goes with the rest ({})",
                releases(providers)
            ),
            Self::NoVersion { available } => format!(
                "No version of {name} fits (available: {})",
                enumerated(available)
            ),
            Self::PreReleaseOnly { pre_releases, .. } => format!(
                "Only pre-releases of {name} fit ({})",
                enumerated(pre_releases)
            ),
            Self::Disagreement { available } => {
                format!("Conflict on {name} (available: {})", enumerated(available))
            }
            Self::Narrowed { available, left } => format!(
                "Only {name} {} is left (available: {})",
                enumerated(left),
                enumerated(available)
            ),
        }
    }

    /// A remedy, as the beginning of a sentence.
    pub(super) fn remedy(&self, name: &N) -> String {
        match self {
            Self::MissingPlugin { .. } => format!("Add {name}"),
            Self::MissingCapability { pre_releases, .. } => match pre_releases.first() {
                None => format!("Add a plugin that provides {name}"),
                Some((id, version)) => format!("Ask for {id} ~> {version} in the application"),
            },
            Self::NoCommonProvider { .. } => {
                format!("Relax one of these, or add another plugin that provides {name}")
            }
            Self::NoVersion { .. } => {
                format!("Relax the requirement, or add a version of {name} that fits")
            }
            Self::PreReleaseOnly {
                pre_releases,
                lockable,
            } => {
                let newest = pre_releases
                    .last()
                    .map(|newest| format!("Require ~> {newest}"));
                let lock = lockable
                    .as_ref()
                    .map(|version| format!("lock {name} to {version}"));
                newest
                    .into_iter()
                    .chain(lock)
                    .collect::<Vec<_>>()
                    .join(", or ")
            }
            Self::Disagreement { .. } | Self::Narrowed { .. } => "Relax one of these".to_owned(),
        }
    }
}

fn releases<N: Display>(releases: &[(N, Version)]) -> String {
    releases
        .iter()
        .map(|(id, version)| format!("{id} {version}"))
        .collect::<Vec<_>>()
        .join(", ")
}
