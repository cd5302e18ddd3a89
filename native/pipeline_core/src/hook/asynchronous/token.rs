use tokio_util::sync::CancellationToken;

tokio::task_local! {
    static RUN: CancellationToken;
}

/// The token of the run that the caller is a hook of: cancelled when the run is over, however it ended.
///
/// It is for what dropping a future does not stop: tasks that a hook spawned, and blocking hooks. A run
/// without [`RunLimits`](super::RunLimits) has none, and neither has a spawned task, to which a hook hands
/// the token; outside of a run the token is one that nobody cancels.
///
/// ```
/// # use pipeline_core::hook::ContextFamily;
/// # struct Texts;
/// # impl ContextFamily for Texts {
/// #     type Context<'a> = String;
/// #     type Error = &'static str;
/// # }
/// use pipeline_core::hook::Flow;
/// use pipeline_core::hook::asynchronous::{AsyncHook, cancellation};
///
/// async fn spawns(_: &mut String) -> Result<Flow, &'static str> {
///     let over = cancellation();
///     tokio::spawn(async move { over.cancelled().await });
///     Ok(Flow::Continue)
/// }
///
/// let hook = AsyncHook::<Texts>::before(spawns);
/// assert!(!cancellation().is_cancelled());
/// ```
pub fn cancellation() -> CancellationToken {
    RUN.try_with(CancellationToken::clone).unwrap_or_default()
}

/// Runs a future as a part of the run that the token belongs to.
pub(super) fn scope<T>(
    token: CancellationToken,
    future: impl Future<Output = T>,
) -> impl Future<Output = T> {
    RUN.scope(token, future)
}

/// As [`scope`], for what does not wait.
pub(super) fn scoped<T>(token: CancellationToken, call: impl FnOnce() -> T) -> T {
    RUN.sync_scope(token, call)
}
