use semver::Version;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::capability_providers::CapabilityProviders;
use super::plugin_by_id::PluginById;
use super::{Identifier, NumberedDependency, PluginTable};
use crate::did_you_mean::{Suggestions, did_you_mean};
use crate::requirement::Requirement;

/// A dependency that what is there does not meet.
#[derive(Clone, Debug, PartialEq, Eq, Error, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Unmet<N: Identifier> {
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
pub(super) fn listed<N: Identifier>(unmet: &[Unmet<N>]) -> String {
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

/// All dependencies of the plugins to be ordered that nothing meets, and those of present ones that these
/// would break: an optional dependency can have been met by nothing so far.
pub(super) fn unmet<N: Identifier>(
    table: &PluginTable<'_, N>,
    plugins_by_id: &PluginById,
) -> Vec<Unmet<N>> {
    let to_order = table.to_order();
    let providers = CapabilityProviders::new(table);
    let mut search = SuggestionSearch::new(table, &providers);
    let mut unmet = Vec::new();
    for plugin in 0..to_order {
        for dependency in table.dependencies(plugin) {
            if dependency.capability {
                if !dependency.optional
                    && !providers.other_than(dependency.name as usize, table.name(plugin))
                {
                    unmet.push(search.missing_capability(plugin, dependency));
                }
            } else if let Some(there) = plugins_by_id.get(dependency.name) {
                if !table.accepts(dependency, there) {
                    unmet.extend(mismatch(table, plugin, dependency, there));
                }
            } else if !dependency.optional {
                unmet.push(search.missing_plugin(plugin, dependency));
            }
        }
    }
    for plugin in to_order..table.count() {
        for dependency in table
            .dependencies(plugin)
            .iter()
            .filter(|dependency| !dependency.capability)
        {
            if let Some(there) = plugins_by_id
                .get(dependency.name)
                .filter(|&there| there < to_order)
                && !table.accepts(dependency, there)
            {
                unmet.extend(mismatch(table, plugin, dependency, there));
            }
        }
    }
    unmet
}

fn mismatch<N: Identifier>(
    table: &PluginTable<'_, N>,
    by: usize,
    dependency: &NumberedDependency,
    there: usize,
) -> Option<Unmet<N>> {
    Some(Unmet::VersionMismatch {
        by: table.id(by).clone(),
        id: table.id(there).clone(),
        requirement: table.requirement(dependency)?.clone(),
        found: table.version(there).clone(),
    })
}

/// Looks for what was meant by names that nothing has, once there is one.
struct SuggestionSearch<'r, 'a, N> {
    table: &'r PluginTable<'a, N>,
    providers: &'r CapabilityProviders,
    ids: Option<Suggestions<'a, N>>,
    capabilities: Option<Suggestions<'a, N>>,
}

impl<'r, 'a, N: Identifier> SuggestionSearch<'r, 'a, N> {
    fn new(table: &'r PluginTable<'a, N>, providers: &'r CapabilityProviders) -> Self {
        Self {
            table,
            providers,
            ids: None,
            capabilities: None,
        }
    }

    fn missing_plugin(&mut self, by: usize, dependency: &NumberedDependency) -> Unmet<N> {
        let table = self.table;
        let ids = self.ids.get_or_insert_with(|| {
            let plugins = 0..table.count();
            Suggestions::among(plugins.map(|plugin| (table.name(plugin), table.id(plugin))))
        });
        let id = table.names[dependency.name as usize];
        Unmet::MissingPlugin {
            by: table.id(by).clone(),
            id: id.clone(),
            requirement: table.requirement(dependency).cloned(),
            suggestion: ids.closest(id, |name| name != table.name(by)),
        }
    }

    fn missing_capability(&mut self, by: usize, dependency: &NumberedDependency) -> Unmet<N> {
        let (table, providers) = (self.table, self.providers);
        let capabilities = self.capabilities.get_or_insert_with(|| {
            let names = providers.capabilities();
            Suggestions::among(names.map(|name| (name, table.names[name])))
        });
        let capability = table.names[dependency.name as usize];
        let helps = |name| providers.other_than(name, table.name(by));
        Unmet::MissingCapability {
            by: table.id(by).clone(),
            capability: capability.clone(),
            suggestion: capabilities.closest(capability, helps),
        }
    }
}
