use std::fmt;
use std::panic::resume_unwind;
use std::sync::Arc;

use super::attachment::in_order;
use super::callback::Call;
use super::chain_error::{ChainError, MAX_NESTING};
use super::rescue::RescueRef;
use super::step::{Step, rescued};
use super::{
    Around, Attachment, Cause, ChainDescription, ContextFamily, Failure, Hook, HookDescription,
    HookError, Kind, OnError, Replace,
};
use crate::plugin::{Name, PluginId};

/// An around or replace hook of a chain.
pub(super) struct Wrap<F: ContextFamily, H: ?Sized> {
    pub(super) hook: Arc<H>,
    pub(super) rescue: Option<RescueRef<F>>,
}

/// The hooks of one point in the order in which they run:
///
/// ```text
/// around 1 ( around 2 ( … after hooks ( before hooks ( replace or base operation ) ) … ) )
/// ```
///
/// A chain does not change. Whoever changes the hooks of a point builds another one.
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
    pub(super) arounds: Box<[Wrap<F, dyn Around<F>>]>,
    pub(super) befores: Box<[Arc<dyn Step<F>>]>,
    pub(super) replaces: Box<[Wrap<F, dyn Replace<F>>]>,
    pub(super) afters: Box<[Arc<dyn Step<F>>]>,
    /// The hooks in the order above.
    listed: Vec<HookDescription>,
    point: Name,
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
        let point = point.into();
        let (mut arounds, mut befores) = (Vec::new(), Vec::new());
        let (mut replaces, mut afters) = (Vec::new(), Vec::new());
        let mut listed = Vec::with_capacity(hooks.len());
        for attachment in in_order(&point, hooks, Hook::kind, dependencies)? {
            listed.push(HookDescription {
                kind: attachment.hook.kind(),
                plugin: attachment.plugin,
                priority: attachment.priority,
                on_error: attachment
                    .hook
                    .rescue
                    .map_or(OnError::Halt, |_| OnError::Skip),
                timeout: None,
            });
            let Hook { call, rescue } = attachment.hook;
            match call {
                Call::Around(hook) => arounds.push(Wrap { hook, rescue }),
                Call::Before(hook) => befores.push(rescued(hook, rescue)),
                Call::Replace(hook) => replaces.push(Wrap { hook, rescue }),
                Call::After(hook) => afters.push(rescued(hook, rescue)),
            }
        }
        let count = arounds.len() + replaces.len();
        if count > MAX_NESTING {
            return Err(ChainError::TooDeep { point, count });
        }
        Ok(Self {
            arounds: arounds.into(),
            befores: befores.into(),
            replaces: replaces.into(),
            afters: afters.into(),
            listed,
            point,
        })
    }

    /// A chain without hooks.
    pub fn empty(point: impl Into<Name>) -> Self {
        Self {
            arounds: Box::default(),
            befores: Box::default(),
            replaces: Box::default(),
            afters: Box::default(),
            listed: Vec::new(),
            point: point.into(),
        }
    }

    /// The point whose hooks these are.
    pub fn point(&self) -> &Name {
        &self.point
    }

    /// Kind and plugin of each hook, in the order: around, before, replace, after.
    pub fn hooks(&self) -> impl Iterator<Item = (Kind, &PluginId)> {
        self.listed.iter().map(|hook| (hook.kind, &hook.plugin))
    }

    /// The chain as data.
    pub fn describe(&self) -> ChainDescription {
        ChainDescription {
            point: self.point.clone(),
            hooks: self.listed.clone(),
        }
    }

    /// How many hooks there are.
    pub fn len(&self) -> usize {
        self.listed.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.listed.is_empty()
    }

    /// Runs the hooks around `core` on `context`, which holds the result afterwards.
    ///
    /// Failures of hooks that are skipped are added to `skipped`, in the order in which they happened. When the run
    /// fails, the context stands as the failure left it.
    ///
    /// # Errors
    ///
    /// [`Failure::Hook`] names the hook that failed; [`Failure::Core`] is the error of `core`.
    ///
    /// # Panics
    ///
    /// When `core` does, with its payload. A panic of a hook is an error.
    pub fn run<'c>(
        &self,
        context: &mut F::Context<'c>,
        mut core: impl FnMut(&mut F::Context<'c>) -> Result<(), F::Error>,
        skipped: &mut Vec<HookError<F::Error>>,
    ) -> Result<(), Failure<F::Error>> {
        if self.arounds.is_empty() && self.replaces.is_empty() {
            return self.run_inside(
                context,
                |context, _| core(context).map_err(Failure::Core),
                skipped,
            );
        }
        match self.run_arounds(0, context, &mut core, skipped) {
            Err(Failure::CorePanicked(payload)) => resume_unwind(payload),
            result => result,
        }
    }

    /// The error of one hook.
    #[cold]
    pub(super) fn error(
        &self,
        kind: Kind,
        index: usize,
        cause: Cause<F::Error>,
    ) -> HookError<F::Error> {
        let before = self.listed.partition_point(|hook| hook.kind < kind);
        HookError {
            plugin: self.listed[before + index].plugin.clone(),
            point: self.point.clone(),
            kind,
            index,
            cause,
        }
    }
}

impl<F: ContextFamily> fmt::Debug for Chain<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Chain")
            .field("point", &self.point)
            .field("hooks", &self.hooks().collect::<Vec<_>>())
            .finish_non_exhaustive()
    }
}
