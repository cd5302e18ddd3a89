use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use super::callback::{Call, CallFlat, CallWrap};
use super::limits::Limits;
use super::next::Inside;
use super::run_error::{Place, Stop};
use super::{AsyncCore, AsyncFamily, AsyncHook, Owned, RunError, Running};
use crate::hook::attachment::in_order;
use crate::hook::rescue::RescueRef;
use crate::hook::{
    Attachment, Cause, ChainDescription, ChainError, ContextFamily, Failure, HookDescription,
    HookError, Kind, MAX_NESTING, OnError,
};
use crate::plugin::{Name, PluginId};

/// One hook of a chain.
pub(super) struct Step<F: ContextFamily, H: ?Sized> {
    pub(super) hook: Arc<H>,
    pub(super) rescue: Option<RescueRef<F>>,
    pub(super) timeout: Option<Duration>,
}

/// The async hooks of one point in the order in which they run; see [`Chain`](crate::hook::Chain), which it equals but
/// for the waiting. An example stands in the [module documentation](super).
pub struct AsyncChain<F: ContextFamily> {
    point: Name,
    pub(super) arounds: Vec<Step<F, dyn CallWrap<F>>>,
    pub(super) befores: Vec<Step<F, dyn CallFlat<F>>>,
    pub(super) replaces: Vec<Step<F, dyn CallWrap<F>>>,
    pub(super) afters: Vec<Step<F, dyn CallFlat<F>>>,
    /// The hooks in the order above.
    listed: Vec<HookDescription>,
}

impl<F: ContextFamily> AsyncChain<F> {
    /// Orders hooks into a chain. `dependencies` gives the ids that a plugin depends on directly.
    ///
    /// # Errors
    ///
    /// [`ChainError`] when named constraints contradict each other, or too many hooks wrap each other.
    pub fn new<'d>(
        point: impl Into<Name>,
        hooks: Vec<Attachment<AsyncHook<F>>>,
        dependencies: impl Fn(&PluginId) -> &'d [PluginId],
    ) -> Result<Self, ChainError> {
        let mut chain = Self::empty(point);
        for attachment in in_order(&chain.point, hooks, AsyncHook::kind, dependencies)? {
            chain.push(attachment);
        }
        let count = chain.arounds.len() + chain.replaces.len();
        if count > MAX_NESTING {
            return Err(ChainError::TooDeep {
                point: chain.point,
                count,
            });
        }
        Ok(chain)
    }

    fn push(&mut self, attachment: Attachment<AsyncHook<F>>) {
        let AsyncHook {
            kind,
            call,
            rescue,
            timeout,
        } = attachment.hook;
        self.listed.push(HookDescription {
            kind,
            plugin: attachment.plugin,
            priority: attachment.priority,
            on_error: rescue.map_or(OnError::Halt, |_| OnError::Skip),
            timeout,
        });
        match (kind, call) {
            (Kind::Around, Call::Wrap(hook)) => self.arounds.push(Step {
                hook,
                rescue,
                timeout,
            }),
            (_, Call::Wrap(hook)) => self.replaces.push(Step {
                hook,
                rescue,
                timeout,
            }),
            (Kind::Before, Call::Flat(hook)) => self.befores.push(Step {
                hook,
                rescue,
                timeout,
            }),
            (_, Call::Flat(hook)) => self.afters.push(Step {
                hook,
                rescue,
                timeout,
            }),
        }
    }

    /// A chain without hooks.
    pub fn empty(point: impl Into<Name>) -> Self {
        Self {
            point: point.into(),
            arounds: Vec::new(),
            befores: Vec::new(),
            replaces: Vec::new(),
            afters: Vec::new(),
            listed: Vec::new(),
        }
    }

    /// The point whose hooks these are.
    pub fn point(&self) -> &Name {
        &self.point
    }

    /// The chain as data: its hooks in the order: around, before, replace, after.
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

    /// The error of one hook.
    #[cold]
    pub(super) fn error(
        &self,
        kind: Kind,
        index: usize,
        cause: Cause<F::Error>,
    ) -> HookError<F::Error> {
        HookError {
            plugin: self.plugin(kind, index).clone(),
            point: self.point.clone(),
            kind,
            index,
            cause,
        }
    }

    fn plugin(&self, kind: Kind, index: usize) -> &PluginId {
        let before = self.listed.partition_point(|hook| hook.kind < kind);
        &self.listed[before + index].plugin
    }
}

impl<F: AsyncFamily> AsyncChain<F> {
    /// Runs the hooks around `core` on `context`, which holds the result afterwards.
    ///
    /// Failures of hooks that are skipped are added to `skipped`, in the order in which they happened. When the run
    /// fails or its future is dropped, the context stands as that left it.
    ///
    /// # Errors
    ///
    /// [`RunError::Hook`] names the hook that failed; [`RunError::Core`] is the error of `core`.
    ///
    /// # Panics
    ///
    /// When `core` does, with its payload. A panic of a hook is an error. A hook with a timeout wants the clock of a
    /// Tokio runtime.
    pub async fn run(
        &self,
        context: &mut Owned<F>,
        core: impl AsyncCore<F>,
        skipped: &mut Vec<HookError<F::Error>>,
    ) -> Result<(), RunError<F::Error>> {
        let mut place = Place::default();
        self.run_at(context, core, skipped, &mut place)
            .await
            .map_err(RunError::or_panic)
    }

    /// As [`AsyncChain::run`], within limits. An example stands with [`Limits`].
    ///
    /// # Errors
    ///
    /// As [`AsyncChain::run`]; and [`RunError::DeadlineExceeded`] or [`RunError::Cancelled`], which name the hook that
    /// the run had come to.
    ///
    /// # Panics
    ///
    /// As [`AsyncChain::run`].
    pub async fn run_within(
        &self,
        limits: &Limits,
        context: &mut Owned<F>,
        core: impl AsyncCore<F>,
        skipped: &mut Vec<HookError<F::Error>>,
    ) -> Result<(), RunError<F::Error>> {
        let mut place = Place::default();
        let ended = limits
            .apply(self.run_at(context, core, skipped, &mut place))
            .await;
        let stop = match ended {
            Ok(result) => return result.map_err(RunError::or_panic),
            Err(stop) => stop,
        };
        let point = self.point.clone();
        let running = self.running(place);
        Err(match stop {
            Stop::Deadline => RunError::DeadlineExceeded { point, running },
            Stop::Cancelled => RunError::Cancelled { point, running },
        })
    }

    async fn run_at(
        &self,
        context: &mut Owned<F>,
        mut core: impl AsyncCore<F>,
        skipped: &mut Vec<HookError<F::Error>>,
        place: &mut Place,
    ) -> Result<(), Failure<F::Error>> {
        let inside = Inside {
            chain: self,
            core: &mut core,
            skipped,
            place,
        };
        inside.run_arounds(0, context).await
    }

    fn running(&self, place: Place) -> Running {
        match place {
            Place::Nothing => Running::Nothing,
            Place::Core => Running::Core,
            Place::Hook(kind, index) => Running::Hook {
                plugin: self.plugin(kind, index).clone(),
                kind,
                index,
            },
        }
    }
}

impl<F: ContextFamily> fmt::Debug for AsyncChain<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AsyncChain")
            .field("point", &self.point)
            .field("hooks", &self.listed)
            .finish_non_exhaustive()
    }
}
