use tokio_util::sync::CancellationToken;

tokio::task_local! {
    static RUN: CancellationToken;
}

/// The token of the run that the caller is a hook of: cancelled when the run is over, however it ended.
///
/// It is for what dropping a future does not stop: tasks that a hook spawned, and blocking hooks. A run without
/// [`Limits`](super::Limits) has none, and neither has a spawned task, to which a hook hands the token; outside of a
/// run the token is one that nobody cancels.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// use pipeline_core::hook::asynchronous::cancellation;
///
/// assert!(!cancellation().is_cancelled());
/// # }
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
