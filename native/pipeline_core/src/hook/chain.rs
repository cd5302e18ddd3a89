use std::fmt;
use std::panic::resume_unwind;
use std::sync::Arc;

use super::callback::Callback;
use super::listing::HookListing;
use super::listing::tell_by_listing;
use super::policy::Policy;
use super::policy::RescueRef;
use super::step::{ChainStep, guarded, rescued};
use super::{
    Around, Attachment, Cause, ChainError, ContextFamily, Hook, HookError, HookKind, Replace,
    RunFailure,
};
use crate::plugin::{Name, PluginId};

/// An around or replace hook of a chain.
pub(super) struct WrappingHook<F: ContextFamily, H: ?Sized> {
    pub(super) hook: Arc<H>,
    /// The policy of its calls, if it has one.
    pub(super) policy: Option<Box<Policy<F>>>,
}

impl<F: ContextFamily, H: ?Sized> WrappingHook<F, H> {
    fn new(hook: Arc<H>, policy: Policy<F>) -> Self {
        let policy = policy.unless_plain();
        Self { hook, policy }
    }

    pub(super) fn rescue(&self) -> Option<RescueRef<F>> {
        self.policy.as_ref()?.rescue
    }
}

/// A before or after hook with what applies to its calls.
fn flat<F: ContextFamily>(
    step: Arc<dyn ChainStep<F>>,
    policy: &Policy<F>,
) -> Arc<dyn ChainStep<F>> {
    let step = rescued(step, policy.rescue);
    if policy.circuit.is_some() {
        guarded(step)
    } else {
        step
    }
}

/// The hooks of one point in the order in which they run:
///
/// ```text
/// around 1 ( around 2 ( … after hooks ( before hooks ( replace or base operation ) ) … ) )
/// ```
///
/// A chain does not change. A change of the hooks of a point builds another one.
///
/// ```
/// use pipeline_core::hook::{Attachment, Chain, ContextFamily, Flow, Hook};
///
/// struct Texts;
/// impl ContextFamily for Texts {
///     type Context<'a> = String;
///     type Error = &'static str;
/// }
///
/// let trim = Hook::<Texts>::before(|text: &mut String| {
///     *text = text.trim().to_owned();
///     Ok(Flow::Continue)
/// });
/// let mark = Hook::after(|text: &mut String| Ok(text.push('.')));
/// let hooks = vec![Attachment::new("trim", 1, trim), Attachment::new("mark", 2, mark)];
/// let chain = Chain::new("execute_node", hooks, |_| &[])?;
///
/// let mut text = " hello ".to_owned();
/// let mut skipped = Vec::new();
/// chain.run(&mut text, |text| Ok(text.make_ascii_uppercase()), &mut skipped)?;
/// assert_eq!(text, "HELLO.");
/// # Ok::<_, Box<dyn std::error::Error>>(())
/// ```
pub struct Chain<F: ContextFamily> {
    pub(super) listing: HookListing,
    pub(super) arounds: Vec<WrappingHook<F, dyn Around<F>>>,
    pub(super) befores: Vec<Arc<dyn ChainStep<F>>>,
    pub(super) replaces: Vec<WrappingHook<F, dyn Replace<F>>>,
    pub(super) afters: Vec<Arc<dyn ChainStep<F>>>,
}

impl<F: ContextFamily> Chain<F> {
    /// Orders hooks into a chain. `dependencies` gives the ids that a plugin depends on directly.
    ///
    /// # Errors
    ///
    /// [`ChainError`] when named constraints contradict each other, or too many hooks wrap each other.
    pub fn new<'d>(
        point: impl Into<Name>,
        hooks: Vec<Attachment<Hook<F>>>,
        dependencies: impl Fn(&PluginId) -> &'d [PluginId],
    ) -> Result<Self, ChainError> {
        let mut chain = Self::empty(point);
        let point = chain.point().clone();
        chain.listing = HookListing::order(point, hooks, dependencies, |hook| chain.push(hook))?;
        Ok(chain)
    }

    fn push(&mut self, Hook { call, policy }: Hook<F>) {
        match call {
            Callback::Around(hook) => self.arounds.push(WrappingHook::new(hook, policy)),
            Callback::Before(hook) => self.befores.push(flat(hook, &policy)),
            Callback::Replace(hook) => self.replaces.push(WrappingHook::new(hook, policy)),
            Callback::After(hook) => self.afters.push(flat(hook, &policy)),
        }
    }

    /// A chain without hooks.
    pub fn empty(point: impl Into<Name>) -> Self {
        Self {
            listing: HookListing::empty(point),
            arounds: Vec::new(),
            befores: Vec::new(),
            replaces: Vec::new(),
            afters: Vec::new(),
        }
    }

    tell_by_listing!();

    /// Kind and plugin of each hook, in the order: around, before, replace, after.
    pub fn hooks(&self) -> impl Iterator<Item = (HookKind, &PluginId)> {
        let hooks = self.listing.hooks().iter();
        hooks.map(|hook| (hook.kind, &hook.plugin))
    }

    /// Runs the hooks around `core` on `context`, which holds the result afterwards.
    ///
    /// Failures of hooks that are skipped are added to `skipped`, in the order in which they happened; so are
    /// hooks left out for their open [`Circuit`](super::Circuit). When the run fails, the context stands as
    /// the failure left it.
    ///
    /// # Errors
    ///
    /// [`RunFailure::Hook`] names the hook that failed; [`RunFailure::Core`] is the error of `core`.
    ///
    /// # Panics
    ///
    /// When `core` does, with its payload. A panic of a hook is an error.
    pub fn run<'c>(
        &self,
        context: &mut F::Context<'c>,
        mut core: impl FnMut(&mut F::Context<'c>) -> Result<(), F::Error>,
        skipped: &mut Vec<HookError<F::Error>>,
    ) -> Result<(), RunFailure<F::Error>> {
        if self.arounds.is_empty() && self.replaces.is_empty() {
            return self.run_inside(
                context,
                |context, _| core(context).map_err(RunFailure::Core),
                skipped,
            );
        }
        match self.run_arounds(0, context, &mut core, skipped) {
            Err(RunFailure::CorePanicked(payload)) => resume_unwind(payload),
            result => result,
        }
    }

    /// The error of one hook.
    #[cold]
    pub(super) fn error(
        &self,
        kind: HookKind,
        index: usize,
        cause: Cause<F::Error>,
    ) -> HookError<F::Error> {
        self.listing.error(kind, index, cause)
    }
}

impl<F: ContextFamily> fmt::Debug for Chain<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Chain")
            .field("point", self.point())
            .field("hooks", &self.hooks().collect::<Vec<_>>())
            .finish_non_exhaustive()
    }
}
