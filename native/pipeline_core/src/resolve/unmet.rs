use semver::Version;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::places::Places;
use super::providers::Providers;
use super::suggestion::{Suggestions, did_you_mean};
use super::{Name, Need, Roster};
use crate::requirement::Requirement;

/// A dependency that what is there does not meet.
#[derive(Clone, Debug, PartialEq, Eq, Error, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Unmet<N: Name> {
    /// No plugin has the id.
    #[error(
        "{by} needs {id}{}, which is not there: load {id} as well, or leave {by} out.{}",
        spaced(.requirement.as_ref()),
        did_you_mean(.suggestion.as_ref())
    )]
    MissingPlugin {
        /// The plugin that declares the dependency.
        by: N,
        /// The plugin it needs.
        id: N,
        /// The version it asks for.
        requirement: Option<Requirement>,
        /// A known id that resembles it.
        suggestion: Option<N>,
    },
    /// No other plugin provides the capability.
    #[error(
        "{by} needs the capability {capability}, which no other plugin provides: load one that does, or leave {by} out.{}",
        did_you_mean(.suggestion.as_ref())
    )]
    MissingCapability {
        /// The plugin that declares the dependency.
        by: N,
        /// The capability it needs.
        capability: N,
        /// A provided capability that resembles it.
        suggestion: Option<N>,
    },
    /// The plugin is there in a version that the requirement does not accept. Also for optional dependencies.
    #[error(
        "{by} needs {id} {requirement}, but {id} {found} is there: load a version that matches, or relax the requirement in {by}."
    )]
    VersionMismatch {
        /// The plugin that declares the dependency.
        by: N,
        /// The plugin it depends on.
        id: N,
        /// The version it asks for.
        requirement: Requirement,
        /// The version that is there.
        found: Version,
    },
}

fn spaced(requirement: Option<&Requirement>) -> String {
    requirement
        .map(|requirement| format!(" {requirement}"))
        .unwrap_or_default()
}

/// One sentence on its own, several as a list.
pub(super) fn listed<N: Name>(unmet: &[Unmet<N>]) -> String {
    if let [only] = unmet {
        return only.to_string();
    }
    let mut list = format!("{} dependencies are not met:", unmet.len());
    for unmet in unmet {
        list.push_str("\n  ");
        list.push_str(&unmet.to_string());
    }
    list
}

/// All dependencies of the plugins to be ordered that nothing meets, and those of present ones that these would break: an
/// optional dependency can have been met by nothing so far.
pub(super) fn unmet<N: Name>(roster: &Roster<'_, N>, places: &Places) -> Vec<Unmet<N>> {
    let coming = roster.coming();
    let providers = Providers::new(roster);
    let mut search = Search::new(roster, &providers);
    let mut unmet = Vec::new();
    for plugin in 0..coming {
        for need in roster.needs(plugin) {
            if need.capability {
                if !need.optional && !providers.other_than(need.name as usize, roster.name(plugin))
                {
                    unmet.push(search.missing_capability(plugin, need));
                }
            } else if let Some(there) = places.get(need.name) {
                if !roster.accepts(need, there) {
                    unmet.extend(mismatch(roster, plugin, need, there));
                }
            } else if !need.optional {
                unmet.push(search.missing_plugin(plugin, need));
            }
        }
    }
    for plugin in coming..roster.count() {
        for need in roster.needs(plugin).iter().filter(|need| !need.capability) {
            if let Some(there) = places.get(need.name).filter(|&there| there < coming)
                && !roster.accepts(need, there)
            {
                unmet.extend(mismatch(roster, plugin, need, there));
            }
        }
    }
    unmet
}

fn mismatch<N: Name>(
    roster: &Roster<'_, N>,
    by: usize,
    need: &Need,
    there: usize,
) -> Option<Unmet<N>> {
    Some(Unmet::VersionMismatch {
        by: roster.id(by).clone(),
        id: roster.id(there).clone(),
        requirement: roster.requirement(need)?.clone(),
        found: roster.version(there).clone(),
    })
}

/// Looks for what was meant by names that nothing has, once there is one.
struct Search<'r, 'a, N> {
    roster: &'r Roster<'a, N>,
    providers: &'r Providers,
    ids: Option<Suggestions<'a, N>>,
    capabilities: Option<Suggestions<'a, N>>,
}

impl<'r, 'a, N: Name> Search<'r, 'a, N> {
    fn new(roster: &'r Roster<'a, N>, providers: &'r Providers) -> Self {
        Self {
            roster,
            providers,
            ids: None,
            capabilities: None,
        }
    }

    fn missing_plugin(&mut self, by: usize, need: &Need) -> Unmet<N> {
        let roster = self.roster;
        let ids = self.ids.get_or_insert_with(|| {
            let plugins = 0..roster.count();
            Suggestions::among(plugins.map(|plugin| (roster.name(plugin), roster.id(plugin))))
        });
        let id = roster.names[need.name as usize];
        Unmet::MissingPlugin {
            by: roster.id(by).clone(),
            id: id.clone(),
            requirement: roster.requirement(need).cloned(),
            suggestion: ids.closest(id, |name| name != roster.name(by)),
        }
    }

    fn missing_capability(&mut self, by: usize, need: &Need) -> Unmet<N> {
        let (roster, providers) = (self.roster, self.providers);
        let capabilities = self.capabilities.get_or_insert_with(|| {
            let names = providers.capabilities();
            Suggestions::among(names.map(|name| (name, roster.names[name])))
        });
        let capability = roster.names[need.name as usize];
        let helps = |name| providers.other_than(name, roster.name(by));
        Unmet::MissingCapability {
            by: roster.id(by).clone(),
            capability: capability.clone(),
            suggestion: capabilities.closest(capability, helps),
        }
    }
}
