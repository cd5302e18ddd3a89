use pipeline_term::serde::Deserialize;
use pipeline_term::{
    ConfigError, Data, Detail, Failure, Flow, NativeHook, Path, Phase, Reason, TermContext,
    register_hooks,
};

/// Ends as its configuration says.
struct Ending(EndingConfig);

#[derive(Deserialize)]
#[serde(crate = "pipeline_term::serde", deny_unknown_fields)]
struct EndingConfig {
    how: HookEnding,
    /// Written before the end.
    trace: Option<Path>,
}

#[derive(Deserialize)]
#[serde(crate = "pipeline_term::serde", rename_all = "snake_case")]
enum HookEnding {
    Continue,
    Answer,
    Decline,
    Refuse,
    Fail,
    /// With an error whose message panics.
    FailBadly,
    Panic,
}

/// An error that has no message.
#[derive(Debug)]
pub(crate) struct Unspeakable;

impl std::error::Error for Unspeakable {}

impl std::fmt::Display for Unspeakable {
    fn fmt(&self, _: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        panic!("this error has no message")
    }
}

impl NativeHook for Ending {
    const NAME: &'static str = "ending";
    const DOC: &'static str = "Ends as its configuration says.";
    const PHASES: &'static [Phase] = &[Phase::Before, Phase::After, Phase::Replace];
    type Config = EndingConfig;

    fn configure(config: EndingConfig) -> Result<Self, ConfigError> {
        Ok(Self(config))
    }

    fn run(&self, _phase: Phase, context: &mut TermContext<'_>) -> Result<Flow, Failure> {
        if let Some(trace) = &self.0.trace {
            context.put(trace, true)?;
        }
        match self.0.how {
            HookEnding::Continue => Ok(Flow::Continue),
            HookEnding::Answer => Ok(Flow::Answer),
            HookEnding::Decline => Ok(Flow::Decline),
            HookEnding::Refuse => Err(Reason::new("no")
                .with(Detail::Data(Data::from("not today")))
                .into()),
            HookEnding::Fail => Err(Failure::of("the disk is full")),
            HookEnding::FailBadly => Err(Failure::of(Unspeakable)),
            HookEnding::Panic => panic!("this hook panics"),
        }
    }
}

register_hooks!(Ending);
