use crate::reporter::Reporter;
use pipeline_term::serde::Deserialize;
use pipeline_term::{
    Cancellation, ConfigError, Cost, Failure, Flow, NativeHook, Path, Phase, TermContext,
    register_hooks,
};
use std::time::Duration;

/// Holds its thread until it is cancelled; tells the test when it begins and when it ends.
struct Hold(HoldConfig);

#[derive(Deserialize)]
#[serde(crate = "pipeline_term::serde", deny_unknown_fields)]
struct HoldConfig {
    test: Path,
}

impl NativeHook for Hold {
    const NAME: &'static str = "hold";
    const DOC: &'static str = "Holds its thread until it is cancelled.";
    const PHASES: &'static [Phase] = &[Phase::Before, Phase::After, Phase::Replace];
    const COST: Cost = Cost::Blocking;
    type Config = HoldConfig;

    fn configure(config: HoldConfig) -> Result<Self, ConfigError> {
        Ok(Self(config))
    }

    fn run(&self, _phase: Phase, context: &mut TermContext<'_>) -> Result<Flow, Failure> {
        let test = Reporter::in_field(context, &self.0.test)?;
        test.tell("began");
        while !Cancellation::current().wait(Duration::from_mins(1)) {}
        test.tell("cancelled");
        Ok(Flow::Continue)
    }
}

register_hooks!(Hold);
