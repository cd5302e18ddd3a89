use pipeline_core::hook::HookKind;

/// When in a run a hook is called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// On the context, ahead of the base operation.
    Before,
    /// On the result.
    After,
    /// In place of the base operation: what it leaves in the context is the result.
    Replace,
}

impl Phase {
    /// The kind of hook that runs in it.
    #[inline]
    pub(crate) fn kind(self) -> HookKind {
        match self {
            Self::Before => HookKind::Before,
            Self::After => HookKind::After,
            Self::Replace => HookKind::Replace,
        }
    }

    /// The name that Elixir knows it by.
    pub fn name(self) -> &'static str {
        self.kind().name()
    }
}

/// The cost of a call, so that dispatch can start on the right scheduler.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cost {
    /// Microseconds on an ordinary context: cheaper than a change to a dirty scheduler.
    Light,
    /// More.
    Heavy,
    /// It waits, for a disk, a lock or a network: no scheduler may run it. It gets a thread of the library's
    /// runtime and works on a copy of the context; see [`Cancellation`](crate::Cancellation).
    Blocking,
    /// It waits without a thread: what a [`NativeAsyncHook`](crate::NativeAsyncHook) costs, and nothing else.
    Async,
}

impl Cost {
    /// The name that Elixir knows it by.
    pub fn name(self) -> &'static str {
        match self {
            Self::Light => "light",
            Self::Heavy => "heavy",
            Self::Blocking => "blocking",
            Self::Async => "async",
        }
    }
}
