use std::time::Duration;

use tokio::time::{Instant, timeout, timeout_at};
use tokio_util::sync::CancellationToken;

use super::run_error::StopReason;
use super::token;

/// How long a run may take, and who can end it before.
///
/// ```
/// use std::time::Duration;
///
/// use pipeline_core::hook::ContextFamily;
/// use pipeline_core::hook::asynchronous::{AsyncChain, RunLimits, RunError};
///
/// # struct Texts;
/// # impl ContextFamily for Texts {
/// #     type Context<'a> = String;
/// #     type Error = &'static str;
/// # }
/// # #[tokio::main(flavor = "current_thread", start_paused = true)]
/// # async fn main() {
/// let chain = AsyncChain::<Texts>::empty("execute_node");
/// let limits = RunLimits::new().timeout(Duration::from_millis(100));
/// let forever = async |_: &mut String| std::future::pending().await;
/// let ended = chain.run_within(&limits, &mut String::new(), forever, &mut Vec::new()).await;
/// assert_eq!(
///     ended.unwrap_err().to_string(),
///     "the run on execute_node was not over in time: it had come to the base operation"
/// );
/// # }
/// ```
#[derive(Clone, Debug, Default)]
pub struct RunLimits {
    timeout: Option<Duration>,
    deadline: Option<Instant>,
    token: Option<CancellationToken>,
    grace: Duration,
}

impl RunLimits {
    /// No limits. The run has a token nevertheless; see [`cancellation`](super::cancellation).
    pub fn new() -> Self {
        Self::default()
    }

    /// How long a run may take from its beginning.
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = Some(timeout);
        self
    }

    /// When a run has to be over, in the clock of Tokio. With [`RunLimits::timeout`], the earlier of the two
    /// counts.
    #[must_use]
    pub fn deadline(mut self, deadline: Instant) -> Self {
        self.deadline = Some(deadline);
        self
    }

    /// A token by whose cancellation the run ends. Without one, a run inside another ends with that.
    #[must_use]
    pub fn token(mut self, token: CancellationToken) -> Self {
        self.token = Some(token);
        self
    }

    /// How long a run whose time is up may go on, so that hooks that look at
    /// [`cancellation`](super::cancellation) can come to an end of their own. A run that succeeds meanwhile
    /// has succeeded. Default: not at all.
    #[must_use]
    pub fn grace(mut self, grace: Duration) -> Self {
        self.grace = grace;
        self
    }

    fn ends(&self) -> Option<Instant> {
        // A timeout beyond what the clock can tell is none.
        let timeout = self
            .timeout
            .and_then(|timeout| Instant::now().checked_add(timeout));
        match (timeout, self.deadline) {
            (Some(timeout), Some(deadline)) => Some(timeout.min(deadline)),
            (timeout, deadline) => timeout.or(deadline),
        }
    }

    /// Runs a future within the limits.
    pub(super) async fn apply<T, E>(
        &self,
        run: impl Future<Output = Result<T, E>>,
    ) -> Result<Result<T, E>, StopReason> {
        let outer = self.token.clone().unwrap_or_else(token::cancellation);
        let inner = outer.child_token();
        // However this ends, also by being dropped.
        let _over = inner.clone().drop_guard();
        let mut run = std::pin::pin!(token::scope(inner.clone(), run));
        let stoppable = outer.run_until_cancelled(run.as_mut());
        let ended = match self.ends() {
            Some(deadline) => timeout_at(deadline, stoppable).await,
            None => Ok(stoppable.await),
        };
        let stop = match ended {
            Ok(Some(result)) => return Ok(result),
            Ok(None) => StopReason::Cancelled,
            Err(_) => StopReason::Deadline,
        };
        if !self.grace.is_zero() {
            inner.cancel();
            if let Ok(Ok(result)) = timeout(self.grace, run).await {
                return Ok(Ok(result));
            }
        }
        Err(stop)
    }
}
