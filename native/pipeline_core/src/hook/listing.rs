use std::time::Duration;

use super::attachment::in_order;
use super::circuit::{Admitted, Observer};
use super::{
    Attachment, Cause, ChainDescription, ChainError, Circuit, CircuitChange, HookDescription,
    HookError, HookKind, MAX_NESTING, OnError,
};
use crate::breaker::Transition;
use crate::plugin::{Name, PluginId};

/// A hook as far as it is listed.
pub(super) trait Listed {
    fn kind(&self) -> HookKind;
    fn on_error(&self) -> OnError;
    fn timeout(&self) -> Option<Duration>;
    fn circuit(&self) -> Option<&Circuit>;
}

/// The hooks of one point by name, in the order in which they run: what a chain tells of them.
pub(super) struct HookListing {
    point: Name,
    hooks: Vec<HookDescription>,
    /// Those of the hooks that have one, with their place among all.
    circuits: Vec<(usize, Circuit)>,
    observer: Option<Observer>,
}

impl HookListing {
    /// Of a point without hooks.
    pub(super) fn empty(point: impl Into<Name>) -> Self {
        Self {
            point: point.into(),
            hooks: Vec::new(),
            circuits: Vec::new(),
            observer: None,
        }
    }

    /// Orders hooks, and hands each to `take` in its turn. `dependencies` gives the ids that a plugin depends
    /// on directly.
    pub(super) fn order<'d, H: Listed>(
        point: impl Into<Name>,
        hooks: Vec<Attachment<H>>,
        dependencies: impl Fn(&PluginId) -> &'d [PluginId],
        mut take: impl FnMut(H),
    ) -> Result<Self, ChainError> {
        let mut listing = Self::empty(point);
        for attachment in in_order(&listing.point, hooks, H::kind, dependencies)? {
            let hook = attachment.hook;
            if let Some(circuit) = hook.circuit() {
                listing
                    .circuits
                    .push((listing.hooks.len(), circuit.clone()));
            }
            listing.hooks.push(HookDescription {
                kind: hook.kind(),
                plugin: attachment.plugin,
                priority: attachment.priority,
                on_error: hook.on_error(),
                timeout: hook.timeout(),
                circuit: hook.circuit().map(Circuit::settings),
            });
            take(hook);
        }
        let wrapping =
            |hook: &&HookDescription| matches!(hook.kind, HookKind::Around | HookKind::Replace);
        let count = listing.hooks.iter().filter(wrapping).count();
        if count > MAX_NESTING {
            return Err(ChainError::TooDeep {
                point: listing.point,
                count,
            });
        }
        Ok(listing)
    }

    pub(super) fn point(&self) -> &Name {
        &self.point
    }

    pub(super) fn hooks(&self) -> &[HookDescription] {
        &self.hooks
    }

    pub(super) fn describe(&self) -> ChainDescription {
        ChainDescription {
            point: self.point.clone(),
            hooks: self.hooks.clone(),
        }
    }

    /// The plugin that has the hook of this kind and place.
    pub(super) fn plugin(&self, kind: HookKind, index: usize) -> &PluginId {
        &self.hooks[self.first(kind) + index].plugin
    }

    pub(super) fn on_error(&self, kind: HookKind, index: usize) -> OnError {
        self.hooks[self.first(kind) + index].on_error
    }

    /// The error of one hook.
    #[cold]
    pub(super) fn error<E>(&self, kind: HookKind, index: usize, cause: Cause<E>) -> HookError<E> {
        HookError {
            plugin: self.plugin(kind, index).clone(),
            point: self.point.clone(),
            kind,
            index,
            cause,
        }
    }

    /// Asks the circuit of a hook, if it has one, for a call; an open one gives the cause that it is not
    /// called for.
    #[inline]
    pub(super) fn admit<'l, E>(
        &'l self,
        kind: HookKind,
        index: usize,
        circuit: Option<&'l Circuit>,
    ) -> Result<Admitted<'l>, Cause<E>> {
        match circuit {
            None => Ok(Admitted::FREELY),
            Some(circuit) => Admitted::ask(self, kind, index, circuit).ok_or(Cause::CircuitOpen),
        }
    }

    /// Where the hooks of a kind begin.
    fn first(&self, kind: HookKind) -> usize {
        self.hooks.partition_point(|hook| hook.kind < kind)
    }
}

/// Circuits.
impl HookListing {
    pub(super) fn observe(&mut self, observer: impl Fn(&CircuitChange) + Send + Sync + 'static) {
        // A chain without circuits has nothing to tell.
        if !self.circuits.is_empty() {
            self.observer = Some(Box::new(observer));
        }
    }

    pub(super) fn circuits(&self) -> impl Iterator<Item = (HookKind, &PluginId, &Circuit)> {
        self.circuits.iter().map(|(at, circuit)| {
            let hook = &self.hooks[*at];
            (hook.kind, &hook.plugin, circuit)
        })
    }

    /// The circuit of the hook of this kind and place.
    pub(super) fn circuit(&self, kind: HookKind, index: usize) -> Option<&Circuit> {
        let place = self.first(kind) + index;
        let at = self.circuits.binary_search_by_key(&place, |(at, _)| *at);
        at.ok().map(|at| &self.circuits[at].1)
    }

    /// Closes those of a plugin, and says how many it has.
    pub(super) fn reset_circuits(&self, plugin: &PluginId) -> usize {
        let of_plugin = |(at, _): &&(usize, Circuit)| self.hooks[*at].plugin == *plugin;
        self.circuits
            .iter()
            .filter(of_plugin)
            .map(|(at, circuit)| {
                let kind = self.hooks[*at].kind;
                self.tell(kind, at - self.first(kind), circuit, circuit.reset());
            })
            .count()
    }

    /// Tells of a change, if there was one.
    pub(super) fn tell(
        &self,
        kind: HookKind,
        index: usize,
        circuit: &Circuit,
        moved: Option<Transition>,
    ) {
        if let (Some(Transition { from, to, reason }), Some(observer)) = (moved, &self.observer) {
            observer(&CircuitChange {
                plugin: self.plugin(kind, index).clone(),
                point: self.point.clone(),
                kind,
                index,
                from,
                to,
                reason,
                opened: circuit.opened(),
            });
        }
    }
}

/// The descriptions of the hooks of a point, in the field `listing`, whether they form a chain or listen,
/// and wait or not.
macro_rules! tell_by_listing {
    () => {
        /// The point whose hooks these are.
        pub fn point(&self) -> &$crate::plugin::Name {
            self.listing.point()
        }

        /// The hooks as data, in the order: around, before, replace, after; or listeners.
        pub fn describe(&self) -> $crate::hook::ChainDescription {
            self.listing.describe()
        }

        /// How many hooks there are.
        pub fn len(&self) -> usize {
            self.listing.hooks().len()
        }

        /// Whether there is none.
        pub fn is_empty(&self) -> bool {
            self.listing.hooks().is_empty()
        }

        /// The same hooks, with `tell` called when a run or a reset changes a circuit. A
        /// panic of `tell` is the caller's.
        #[must_use]
        pub fn on_circuit_change(
            mut self,
            tell: impl Fn(&$crate::hook::CircuitChange) + Send + Sync + 'static,
        ) -> Self {
            self.listing.observe(tell);
            self
        }

        /// The circuits of those hooks that have one, in the order of the hooks.
        pub fn circuits(
            &self,
        ) -> impl Iterator<
            Item = (
                $crate::hook::HookKind,
                &$crate::plugin::PluginId,
                &$crate::hook::Circuit,
            ),
        > {
            self.listing.circuits()
        }

        /// Closes the circuits of a plugin's hooks, whatever they have seen, and returns how many there are.
        pub fn reset_circuits(&self, plugin: &$crate::plugin::PluginId) -> usize {
            self.listing.reset_circuits(plugin)
        }
    };
}

pub(super) use tell_by_listing;
