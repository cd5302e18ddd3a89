use super::{Identifier, PluginTable, ResolveError};

/// Where a plugin stands that is not there.
const NOWHERE: u32 = u32::MAX;

/// The plugin that has an id, by the number of the name.
pub(super) struct PluginById(Vec<u32>);

impl PluginById {
    /// # Errors
    ///
    /// [`ResolveError::DuplicateId`] and [`ResolveError::AlreadyLoaded`].
    pub(super) fn new<N: Identifier>(table: &PluginTable<'_, N>) -> Result<Self, ResolveError<N>> {
        let mut places = vec![NOWHERE; table.names.len()];
        let to_order = table.to_order();
        // Those that are present first; of two with one id the later is taken.
        for plugin in (to_order..table.count()).chain(0..to_order) {
            let place = &mut places[table.name(plugin)];
            let other = std::mem::replace(place, u32::try_from(plugin).unwrap_or(NOWHERE));
            if other == NOWHERE || plugin >= to_order {
                continue;
            }
            let other = other as usize;
            let (id, version) = (table.id(plugin).clone(), table.version(plugin).clone());
            return Err(if other >= to_order {
                ResolveError::AlreadyLoaded {
                    id,
                    loaded: table.version(other).clone(),
                    version,
                }
            } else {
                ResolveError::DuplicateId {
                    id,
                    first: table.version(other).clone(),
                    second: version,
                }
            });
        }
        Ok(Self(places))
    }

    pub(super) fn get(&self, name: u32) -> Option<usize> {
        let place = self.0[name as usize];
        (place != NOWHERE).then_some(place as usize)
    }
}
