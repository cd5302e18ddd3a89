use super::Ended;
use crate::context::TermContext;
use crate::failure::Failure;
use crate::hook::{ConfigError, Cost, Description};
use rustler::Term;
use serde::de::DeserializeOwned;
use std::any::Any;
use std::time::Duration;

/// An around hook implemented in Rust.
///
/// ```no_run
/// use pipeline_term::rustler::Term;
/// use pipeline_term::serde::Deserialize;
/// use pipeline_term::{
///     ConfigError, Ended, Enter, Failure, Leave, NativeAround, TermContext, Value, register_arounds,
/// };
///
/// /// Answers with a fixed text where everything inside failed.
/// struct Fallback(FallbackConfig);
///
/// #[derive(Deserialize)]
/// #[serde(crate = "pipeline_term::serde", deny_unknown_fields)]
/// struct FallbackConfig {
///     text: String,
/// }
///
/// impl NativeAround for Fallback {
///     const NAME: &'static str = "fallback";
///     const DOC: &'static str = "Answers with a fixed text where everything inside failed.";
///     type Config = FallbackConfig;
///     type State = ();
///
///     fn configure(config: FallbackConfig) -> Result<Self, ConfigError> {
///         Ok(Self(config))
///     }
///
///     fn enter<'a>(&self, _context: &mut TermContext<'a>) -> Result<Enter<'a, ()>, Failure> {
///         Ok(Enter::Inside(()))
///     }
///
///     fn leave<'a>(
///         &self,
///         _state: &mut (),
///         ended: Ended<'a>,
///         context: &mut TermContext<'a>,
///     ) -> Result<Leave<'a>, Failure> {
///         match ended {
///             Ended::Value(_) => Ok(Leave::Pass),
///             Ended::Failed(_) => {
///                 let text = Value::from(&self.0.text).to_term(context.env());
///                 Ok(Leave::Value(text.map_err(Failure::of)?))
///             }
///         }
///     }
/// }
///
/// register_arounds!(Fallback);
/// ```
pub trait NativeAround: Sized + Send + Sync + 'static {
    /// The name that plugins give: `native: :retry`.
    const NAME: &'static str;
    /// Its purpose, in one line.
    const DOC: &'static str;
    /// How to configure it.
    const DESCRIPTION: Description = Description::NONE;
    /// The cost of each half: [`Cost::Light`] or [`Cost::Heavy`].
    const COST: Cost = Cost::Light;
    /// Its configuration; derive `Deserialize` with `deny_unknown_fields`, so that a misspelt field is
    /// refused.
    type Config: DeserializeOwned;
    /// Its state while the run is inside. Dropped when the run has left, or its process is gone.
    type State: Send + 'static;

    /// Makes the around; called when the plugin loads, on a stack of its own, and free to take its time.
    ///
    /// # Errors
    /// If the configuration makes no sense, naming the field.
    fn configure(config: Self::Config) -> Result<Self, ConfigError>;

    /// The way in: reads and changes the context, and goes in or answers.
    ///
    /// # Errors
    /// A [`Failure::Refused`] for the caller to see, anything else if the hook could not do its work.
    fn enter<'a>(&self, context: &mut TermContext<'a>) -> Result<Enter<'a, Self::State>, Failure>;

    /// The way out: looks at what came out, and says what comes of it. `context` is the one that went in;
    /// what is written to it counts for [`Leave::Again`] alone.
    ///
    /// # Errors
    /// As [`enter`](Self::enter). A failure here takes the place of one that came out.
    fn leave<'a>(
        &self,
        state: &mut Self::State,
        ended: Ended<'a>,
        context: &mut TermContext<'a>,
    ) -> Result<Leave<'a>, Failure>;
}

/// The decision of an around on the way in.
pub enum Enter<'a, S> {
    /// Goes in with what stands in the context.
    Inside(S),
    /// Stays out: what stands in the context is the result.
    Answer,
    /// Stays out: this is the result.
    AnswerWith(Term<'a>),
}

/// The decision of an around on the way out.
pub enum Leave<'a> {
    /// Nothing: the value, or the failure with all that belongs to it, goes on outwards.
    Pass,
    /// This is the result instead.
    Value(Term<'a>),
    /// Goes in again, after some time, with what stands in the context. No scheduler waits meanwhile. At most
    /// 1,000 times in one run; then the around fails.
    Again {
        /// How long the calling process waits before; milliseconds count, what is below is cut off.
        after: Duration,
    },
}

/// The state of an around, without its type.
pub(crate) type AnyState = Box<dyn Any + Send>;

/// A configured around without its type.
pub(crate) trait DynNativeAround: Send + Sync {
    fn enter<'a>(&self, context: &mut TermContext<'a>) -> Result<Enter<'a, AnyState>, Failure>;

    /// `state` is one that this around's `enter` has made; `None` if it is another's.
    fn leave<'a>(
        &self,
        state: &mut AnyState,
        ended: Ended<'a>,
        context: &mut TermContext<'a>,
    ) -> Option<Result<Leave<'a>, Failure>>;
}

impl<A: NativeAround> DynNativeAround for A {
    fn enter<'a>(&self, context: &mut TermContext<'a>) -> Result<Enter<'a, AnyState>, Failure> {
        Ok(match NativeAround::enter(self, context)? {
            Enter::Inside(state) => Enter::Inside(Box::new(state)),
            Enter::Answer => Enter::Answer,
            Enter::AnswerWith(value) => Enter::AnswerWith(value),
        })
    }

    fn leave<'a>(
        &self,
        state: &mut AnyState,
        ended: Ended<'a>,
        context: &mut TermContext<'a>,
    ) -> Option<Result<Leave<'a>, Failure>> {
        let state = state.downcast_mut::<A::State>()?;
        Some(NativeAround::leave(self, state, ended, context))
    }
}
