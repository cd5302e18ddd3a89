use super::{ConfigError, Cost, Description, Flow, Phase};
use crate::context::TermContext;
use crate::failure::Failure;
use serde::de::DeserializeOwned;

/// A hook implemented in Rust.
///
/// ```no_run
/// use pipeline_term::serde::Deserialize;
/// use pipeline_term::{ConfigError, Failure, Flow, NativeHook, Path, Phase, TermContext, register_hooks};
///
/// struct Shout {
///     field: Path,
/// }
///
/// #[derive(Deserialize)]
/// #[serde(crate = "pipeline_term::serde", deny_unknown_fields)]
/// struct ShoutConfig {
///     field: Path,
/// }
///
/// impl NativeHook for Shout {
///     const NAME: &'static str = "shout";
///     const DOC: &'static str = "Puts a text into capital letters.";
///     const PHASES: &'static [Phase] = &[Phase::Before, Phase::After];
///     type Config = ShoutConfig;
///
///     fn configure(config: ShoutConfig) -> Result<Self, ConfigError> {
///         Ok(Self { field: config.field })
///     }
///
///     fn run(&self, _phase: Phase, context: &mut TermContext<'_>) -> Result<Flow, Failure> {
///         let loud = context.text(&self.field)?.to_uppercase();
///         context.put(&self.field, &loud)?;
///         Ok(Flow::Continue)
///     }
/// }
///
/// register_hooks!(Shout);
/// ```
pub trait NativeHook: Sized + Send + Sync + 'static {
    /// The name that plugins give: `native: :redact`.
    const NAME: &'static str;
    /// Its purpose, in one line.
    const DOC: &'static str;
    /// How to configure it.
    const DESCRIPTION: Description = Description::NONE;
    /// The phases it serves.
    const PHASES: &'static [Phase];
    /// The cost of a call.
    const COST: Cost = Cost::Light;
    /// Its configuration; derive `Deserialize` with `deny_unknown_fields`, so that a misspelt field is
    /// refused.
    type Config: DeserializeOwned;

    /// Makes the hook; called when the plugin loads, on a stack of its own, and free to take its time.
    ///
    /// # Errors
    /// If the configuration makes no sense, naming the field.
    fn configure(config: Self::Config) -> Result<Self, ConfigError>;

    /// Whether [`is_long`](Self::is_long) is to be asked before each call, which costs some nanoseconds.
    /// Asked once, when the hook takes its place in a chain.
    fn scales(&self) -> bool {
        false
    }

    /// Whether a call on this context takes more than about a millisecond, as far as the sizes of what it
    /// reads tell. It then starts on a dirty scheduler. A hook is not interrupted, so this is the time to
    /// ask.
    fn is_long(&self, _context: &TermContext<'_>) -> bool {
        false
    }

    /// Reads and changes the context. [`Flow::Answer`] ends the before chain early, by [`Flow::Decline`] a
    /// replace hook leaves its place to the next one.
    ///
    /// # Errors
    /// A [`Failure::Refused`] for the caller to see, anything else if the hook could not do its work.
    fn run(&self, phase: Phase, context: &mut TermContext<'_>) -> Result<Flow, Failure>;
}

/// A configured hook without its type.
pub(crate) trait DynNativeHook: Send + Sync {
    fn run(&self, phase: Phase, context: &mut TermContext<'_>) -> Result<Flow, Failure>;
    fn scales(&self) -> bool;
    fn is_long(&self, context: &TermContext<'_>) -> bool;
}

impl<H: NativeHook> DynNativeHook for H {
    fn run(&self, phase: Phase, context: &mut TermContext<'_>) -> Result<Flow, Failure> {
        NativeHook::run(self, phase, context)
    }

    fn scales(&self) -> bool {
        NativeHook::scales(self)
    }

    fn is_long(&self, context: &TermContext<'_>) -> bool {
        NativeHook::is_long(self, context)
    }
}
