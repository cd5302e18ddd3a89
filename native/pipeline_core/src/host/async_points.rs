use std::sync::Arc;

use super::Host;
use super::report::Report;
use crate::hook::asynchronous::{AsyncChain, AsyncCore, AsyncFamily, Owned, RunError, RunLimits};
use crate::hook::{ContextFamily, HookError, PointName};

/// Async points (feature `async`).
impl<F: AsyncFamily> Host<F> {
    /// Runs the hooks of an async point around `core`; see [`AsyncChain::run_within`]. A point without hooks
    /// runs `core` alone.
    ///
    /// The run keeps to the chain it began with, whatever is loaded or unloaded while it waits.
    ///
    /// ```
    /// use pipeline_core::hook::asynchronous::{AsyncHook, RunLimits};
    /// use pipeline_core::hook::{ContextFamily, Flow};
    /// use pipeline_core::host::{Host, Plugin, PluginError, Registrar};
    /// use pipeline_core::plugin::Manifest;
    /// use semver::Version;
    ///
    /// struct Texts;
    /// impl ContextFamily for Texts {
    ///     type Context<'a> = String;
    ///     type Error = &'static str;
    /// }
    ///
    /// async fn trim(text: &mut String) -> Result<Flow, &'static str> {
    ///     *text = text.trim().to_owned();
    ///     Ok(Flow::Continue)
    /// }
    ///
    /// struct Trim;
    /// impl Plugin<Texts> for Trim {
    ///     fn manifest(&self) -> Manifest {
    ///         Manifest::new("trim", Version::new(1, 0, 0))
    ///     }
    ///
    ///     fn build(&self, registrar: &mut Registrar<Texts>) -> Result<(), PluginError> {
    ///         registrar.attach_async("execute_node", AsyncHook::before(trim));
    ///         Ok(())
    ///     }
    /// }
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let host = Host::new();
    /// host.load(Trim)?;
    /// let mut text = " hello ".to_owned();
    /// let core = async |text: &mut String| Ok(text.push('!'));
    /// host.run_async("execute_node", &RunLimits::new(), &mut text, core, &mut Vec::new()).await?;
    /// assert_eq!(text, "hello!");
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// As [`AsyncChain::run_within`].
    ///
    /// # Panics
    ///
    /// As [`AsyncChain::run`].
    pub async fn run_async(
        &self,
        point: impl PointName<F>,
        limits: &RunLimits,
        context: &mut Owned<F>,
        core: impl AsyncCore<F>,
        skipped: &mut Vec<HookError<F::Error>>,
    ) -> Result<(), RunError<F::Error>> {
        let chain = self
            .async_chain(point.as_str())
            .unwrap_or_else(|| Arc::new(AsyncChain::empty(point.to_name())));
        let report = Report::new(self.events(), skipped);
        let result = chain
            .run_within(limits, context, core, report.skipped)
            .await;
        if let Err(RunError::Hook(error)) = &result {
            report.failed(error);
        }
        result
    }
}

impl<F: ContextFamily> Host<F> {
    /// The chain of an async point as it is now, to keep; `None` when the point has no hooks.
    pub fn async_chain(&self, point: impl PointName<F>) -> Option<Arc<AsyncChain<F>>> {
        self.view
            .read(|view| view.chains.waiting.get(point.as_str()).cloned())
    }
}
