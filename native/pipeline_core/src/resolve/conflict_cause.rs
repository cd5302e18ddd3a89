use std::fmt;

use semver::Version;
use serde::{Deserialize, Serialize};

use super::demand::enumerated;
use super::{Demand, Identifier};
use crate::did_you_mean::did_you_mean;

/// A plugin or capability that cannot be had as it is asked for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ConflictCause<N> {
    /// No release has the id.
    MissingPlugin {
        /// The id.
        id: N,
        /// A known id that resembles it.
        suggestion: Option<N>,
        /// The demands for it.
        demands: Vec<Demand<N>>,
    },
    /// No other plugin provides the capability.
    MissingCapability {
        /// Its name.
        capability: N,
        /// Pre-releases that would provide it, which nobody has asked for.
        pre_releases: Vec<(N, Version)>,
        /// A provided capability that resembles it.
        suggestion: Option<N>,
        /// The demands for it.
        demands: Vec<Demand<N>>,
    },
    /// Other plugins provide the capability, in versions that do not go with the rest.
    NoCommonProvider {
        /// Its name.
        capability: N,
        /// The releases that provide it.
        providers: Vec<(N, Version)>,
        /// The demands for it.
        demands: Vec<Demand<N>>,
    },
    /// There are releases, and none that is asked for.
    NoVersion {
        /// The id.
        id: N,
        /// All versions, ascending.
        available: Vec<Version>,
        /// The demands for it.
        demands: Vec<Demand<N>>,
    },
    /// Only pre-releases lie in the range, and the requirement names none.
    PreReleaseOnly {
        /// The id.
        id: N,
        /// Those pre-releases, ascending.
        pre_releases: Vec<Version>,
        /// The newest that the demand accepts once it is locked: `~> 2.0` accepts 2.1.0-rc.1, but not
        /// 2.0.0-rc.1.
        lockable: Option<Version>,
        /// The demands for it.
        demands: Vec<Demand<N>>,
    },
    /// Several ask for it, and no version serves them all.
    Disagreement {
        /// The id.
        id: N,
        /// All versions, ascending.
        available: Vec<Version>,
        /// The demands for it.
        demands: Vec<Demand<N>>,
    },
    /// Several ask for it, and the versions that serve them all are in trouble of their own.
    Narrowed {
        /// The id.
        id: N,
        /// All versions, ascending.
        available: Vec<Version>,
        /// The versions that are left.
        left: Vec<Version>,
        /// The demands for it.
        demands: Vec<Demand<N>>,
    },
}

impl<N: Identifier> ConflictCause<N> {
    /// The id or capability it is about.
    pub fn name(&self) -> &N {
        match self {
            Self::MissingPlugin { id, .. }
            | Self::NoVersion { id, .. }
            | Self::PreReleaseOnly { id, .. }
            | Self::Disagreement { id, .. }
            | Self::Narrowed { id, .. } => id,
            Self::MissingCapability { capability, .. }
            | Self::NoCommonProvider { capability, .. } => capability,
        }
    }

    /// The demands for it.
    pub fn demands(&self) -> &[Demand<N>] {
        match self {
            Self::MissingPlugin { demands, .. }
            | Self::MissingCapability { demands, .. }
            | Self::NoCommonProvider { demands, .. }
            | Self::NoVersion { demands, .. }
            | Self::PreReleaseOnly { demands, .. }
            | Self::Disagreement { demands, .. }
            | Self::Narrowed { demands, .. } => demands,
        }
    }

    fn headline(&self) -> String {
        match self {
            Self::MissingPlugin { id, suggestion, .. } => {
                format!(
                    "No plugin has the id {id}.{}",
                    did_you_mean(suggestion.as_ref())
                )
            }
            Self::MissingCapability {
                capability,
                pre_releases,
                suggestion,
                ..
            } => match pre_releases.as_slice() {
                [] => format!(
                    "No other plugin provides {capability}.{}",
                    did_you_mean(suggestion.as_ref())
                ),
                some => {
                    let some: Vec<String> = some
                        .iter()
                        .map(|(id, version)| format!("{id} {version}"))
                        .collect();
                    format!(
                        "Only pre-releases provide {capability} ({})",
                        some.join(", ")
                    )
                }
            },
            Self::NoCommonProvider {
                capability,
                providers,
                ..
            } => {
                let providers: Vec<String> = providers
                    .iter()
                    .map(|(id, version)| format!("{id} {version}"))
                    .collect();
                format!(
                    "What provides {capability} does not go with the rest ({})",
                    providers.join(", ")
                )
            }
            Self::NoVersion { id, available, .. } => {
                format!(
                    "No version of {id} fits (available: {})",
                    enumerated(available)
                )
            }
            Self::PreReleaseOnly {
                id, pre_releases, ..
            } => {
                format!(
                    "Only pre-releases of {id} fit ({})",
                    enumerated(pre_releases)
                )
            }
            Self::Disagreement { id, available, .. } => {
                format!("Conflict on {id} (available: {})", enumerated(available))
            }
            Self::Narrowed {
                id,
                available,
                left,
                ..
            } => {
                format!(
                    "Only {id} {} is left (available: {})",
                    enumerated(left),
                    enumerated(available)
                )
            }
        }
    }

    /// A remedy, as the beginning of a sentence.
    fn remedy(&self) -> String {
        match self {
            Self::MissingPlugin { id, .. } => format!("Add {id}"),
            Self::MissingCapability {
                capability,
                pre_releases,
                ..
            } => match pre_releases.first() {
                None => format!("Add a plugin that provides {capability}"),
                Some((id, version)) => format!("Ask for {id} ~> {version} in the application"),
            },
            Self::NoCommonProvider { capability, .. } => {
                format!("Relax one of these, or add another plugin that provides {capability}")
            }
            Self::NoVersion { id, .. } => {
                format!("Relax the requirement, or add a version of {id} that fits")
            }
            Self::PreReleaseOnly {
                id,
                pre_releases,
                lockable,
                ..
            } => {
                let newest = pre_releases
                    .last()
                    .map(|newest| format!("Require ~> {newest}"));
                let lock = lockable
                    .as_ref()
                    .map(|version| format!("lock {id} to {version}"));
                [newest, lock]
                    .into_iter()
                    .flatten()
                    .collect::<Vec<_>>()
                    .join(", or ")
            }
            Self::Disagreement { .. } | Self::Narrowed { .. } => "Relax one of these".to_owned(),
        }
    }

    /// Headline, demands in columns, and what to do; `removable` are plugins whose removal would help.
    pub(super) fn write(&self, f: &mut fmt::Formatter<'_>, removable: &[N]) -> fmt::Result {
        f.write_str(&self.headline())?;
        let object: &dyn fmt::Display = match self {
            Self::MissingCapability { capability, .. }
            | Self::NoCommonProvider { capability, .. } => &format!("the capability {capability}"),
            _ => self.name(),
        };
        let lines: Vec<(String, Option<String>)> = self
            .demands()
            .iter()
            .map(|demand| (demand.sentence(object), demand.way()))
            .collect();
        let with_way = lines.iter().filter(|(_, way)| way.is_some());
        let width = with_way
            .map(|(sentence, _)| sentence.chars().count())
            .max()
            .unwrap_or(0);
        for (sentence, way) in &lines {
            match way {
                None => write!(f, "\n  {sentence}")?,
                Some(way) => write!(f, "\n  {sentence:width$}   ({way})")?,
            }
        }
        let remedy = self.remedy();
        let removable: Vec<String> = removable
            .iter()
            .filter(|id| *id != self.name())
            .map(ToString::to_string)
            .collect();
        match removable.as_slice() {
            [] => write!(f, "\n{remedy}."),
            some => write!(f, "\n{remedy}, or remove {}.", some.join(" or ")),
        }
    }
}
