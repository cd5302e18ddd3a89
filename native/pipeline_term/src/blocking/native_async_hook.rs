use super::{Changes, Fields};
use crate::context::Path;
use crate::failure::Failure;
use crate::hook::{ConfigError, Description, Phase};
use serde::de::DeserializeOwned;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

/// A hook that waits without a thread, on the library's Tokio runtime.
///
/// It is given copies of the fields that it names and says what to change, since its caller's terms cannot
/// wait with it. When its time is up or its caller dies it is dropped where it waits. It must not block: what
/// does is a [`NativeHook`](crate::NativeHook) of [`Cost::Blocking`](crate::Cost::Blocking).
///
/// ```no_run
/// use pipeline_term::serde::Deserialize;
/// use pipeline_term::{
///     NativeAsyncHook, Changes, ConfigError, Failure, Fields, Path, Phase, register_async_hooks, tokio,
/// };
/// use std::time::Duration;
///
/// /// Waits as long as a field says.
/// struct Pause {
///     reads: [Path; 1],
/// }
///
/// #[derive(Deserialize)]
/// #[serde(crate = "pipeline_term::serde", deny_unknown_fields)]
/// struct PauseConfig {
///     field: Path,
/// }
///
/// impl NativeAsyncHook for Pause {
///     const NAME: &'static str = "pause";
///     const DOC: &'static str = "Waits as many milliseconds as a field says.";
///     const PHASES: &'static [Phase] = &[Phase::Before];
///     type Config = PauseConfig;
///
///     fn configure(config: PauseConfig) -> Result<Self, ConfigError> {
///         Ok(Self { reads: [config.field] })
///     }
///
///     fn reads(&self) -> &[Path] {
///         &self.reads
///     }
///
///     async fn run(&self, _phase: Phase, fields: Fields) -> Result<Changes, Failure> {
///         let [field] = &self.reads;
///         let millis = u64::try_from(fields.int(field)?).map_err(Failure::of)?;
///         tokio::time::sleep(Duration::from_millis(millis)).await;
///         Ok(Changes::none().put(field, 0))
///     }
/// }
///
/// register_async_hooks!(Pause);
/// ```
pub trait NativeAsyncHook: Sized + Send + Sync + 'static {
    /// The name that plugins give.
    const NAME: &'static str;
    /// Its purpose, in one line.
    const DOC: &'static str;
    /// How to configure it.
    const DESCRIPTION: Description = Description::NONE;
    /// The phases it serves.
    const PHASES: &'static [Phase];
    /// Its configuration; derive `Deserialize` with `deny_unknown_fields`, so that a misspelt field is
    /// refused.
    type Config: DeserializeOwned;

    /// Makes the hook; called when the plugin loads, on a stack of its own, and free to take its time.
    ///
    /// # Errors
    /// If the configuration makes no sense, naming the field.
    fn configure(config: Self::Config) -> Result<Self, ConfigError>;

    /// The fields that it works on, which are copied for each run.
    fn reads(&self) -> &[Path];

    /// Does its work; an `async fn` will do.
    ///
    /// # Errors
    /// A [`Failure::Refused`] for the caller to see, anything else if the hook could not do its work.
    fn run(
        &self,
        phase: Phase,
        fields: Fields,
    ) -> impl Future<Output = Result<Changes, Failure>> + Send;
}

/// A run that is under way.
pub(crate) type ChangesFuture = Pin<Box<dyn Future<Output = Result<Changes, Failure>> + Send>>;

/// A configured async hook without its type.
pub(crate) trait DynAsyncHook: Send + Sync {
    fn reads(&self) -> &[Path];
    fn start(self: Arc<Self>, phase: Phase, fields: Fields) -> ChangesFuture;
}

impl<H: NativeAsyncHook> DynAsyncHook for H {
    fn reads(&self) -> &[Path] {
        NativeAsyncHook::reads(self)
    }

    fn start(self: Arc<Self>, phase: Phase, fields: Fields) -> ChangesFuture {
        // The hook's own code runs when this is first polled.
        Box::pin(async move { NativeAsyncHook::run(&*self, phase, fields).await })
    }
}
