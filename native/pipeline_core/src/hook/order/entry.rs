use crate::hook::HookKind;

/// One hook, as far as its place is concerned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OrderEntry<Id> {
    /// The plugin that the hook belongs to.
    pub plugin: Id,
    /// Hooks are ordered among those of their kind.
    pub kind: HookKind,
    /// Higher runs first.
    pub priority: i64,
    /// The hook's number in the order of registration.
    pub registration: u64,
    /// Plugins whose hooks this one stands just before.
    pub before: Vec<Id>,
    /// Plugins whose hooks this one stands just after.
    pub after: Vec<Id>,
}

impl<Id> OrderEntry<Id> {
    /// A hook without named constraints.
    pub fn new(plugin: Id, kind: HookKind, priority: i64, registration: u64) -> Self {
        Self {
            plugin,
            kind,
            priority,
            registration,
            before: Vec::new(),
            after: Vec::new(),
        }
    }

    /// Puts the hook just before those of the named plugins.
    #[must_use]
    pub fn before(mut self, plugins: impl IntoIterator<Item = Id>) -> Self {
        self.before.extend(plugins);
        self
    }

    /// Puts the hook just after those of the named plugins.
    #[must_use]
    pub fn after(mut self, plugins: impl IntoIterator<Item = Id>) -> Self {
        self.after.extend(plugins);
        self
    }

    pub(super) fn declares_constraints(&self) -> bool {
        !(self.before.is_empty() && self.after.is_empty())
    }
}
