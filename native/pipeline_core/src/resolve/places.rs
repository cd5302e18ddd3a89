use super::{Name, ResolveError, Roster};

/// Where a plugin stands that is not there.
const NOWHERE: u32 = u32::MAX;

/// The plugin that has an id, by the number of the name.
pub(super) struct Places(Vec<u32>);

impl Places {
    /// # Errors
    ///
    /// [`ResolveError::DuplicateId`] and [`ResolveError::AlreadyLoaded`].
    pub(super) fn new<N: Name>(roster: &Roster<'_, N>) -> Result<Self, ResolveError<N>> {
        let mut places = vec![NOWHERE; roster.names.len()];
        let coming = roster.coming();
        // Those that are present first; of two with one id the later is taken.
        for plugin in (coming..roster.count()).chain(0..coming) {
            let place = &mut places[roster.name(plugin)];
            let other = std::mem::replace(place, u32::try_from(plugin).unwrap_or(NOWHERE));
            if other == NOWHERE || plugin >= coming {
                continue;
            }
            let other = other as usize;
            let (id, version) = (roster.id(plugin).clone(), roster.version(plugin).clone());
            return Err(if other >= coming {
                ResolveError::AlreadyLoaded {
                    id,
                    loaded: roster.version(other).clone(),
                    version,
                }
            } else {
                ResolveError::DuplicateId {
                    id,
                    first: roster.version(other).clone(),
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
