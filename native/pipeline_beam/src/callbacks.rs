use crate::atom_table::AtomTable;
use crate::error::ReadError;
use crate::exports::Export;

/// The functions that every plugin module exports, by name and arity.
pub const REQUIRED_CALLBACKS: &[(&str, u8)] = &[("__plugin__", 0)];

/// The module's name, and the indexes of the required callbacks in its atom table.
pub(crate) struct Names {
    pub(crate) module: String,
    callbacks: Vec<(&'static str, u32)>,
}

impl Names {
    /// # Errors
    /// [`ReadError::AtomTable`] if the table is damaged, empty, or the module's name is not UTF-8.
    pub(crate) fn new(atoms: AtomTable<'_>) -> Result<Self, ReadError> {
        let mut module = None;
        let mut callbacks = Vec::new();
        for (index, atom) in (1..).zip(atoms) {
            let atom = atom?;
            if module.is_none() {
                let name = std::str::from_utf8(atom).map_err(|_| ReadError::AtomTable)?;
                module = Some(name.to_owned());
            }
            let named = REQUIRED_CALLBACKS
                .iter()
                .filter(|(name, _)| name.as_bytes() == atom);
            callbacks.extend(named.map(|(name, _)| (*name, index)));
        }
        let module = module.ok_or(ReadError::AtomTable)?;
        Ok(Self { module, callbacks })
    }

    /// The required callbacks that are not among the exports.
    pub(crate) fn missing(&self, exports: impl Iterator<Item = Export>) -> Vec<(String, u8)> {
        let mut missing = REQUIRED_CALLBACKS.to_vec();
        for (index, exported) in exports {
            missing.retain(|(name, arity)| {
                exported != u32::from(*arity) || !self.callbacks.contains(&(name, index))
            });
        }
        missing
            .into_iter()
            .map(|(name, arity)| (name.to_owned(), arity))
            .collect()
    }
}
