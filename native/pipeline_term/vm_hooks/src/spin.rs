use crate::scheduler::scheduler;
use pipeline_term::serde::Deserialize;
use pipeline_term::{
    ConfigError, Failure, Flow, NativeHook, Path, Phase, TermContext, register_hooks,
};
use std::time::{Duration, Instant};

/// Keeps its scheduler for as long as a field says, and writes down which kind of scheduler that was.
struct Spin(SpinConfig);

#[derive(Deserialize)]
#[serde(crate = "pipeline_term::serde", deny_unknown_fields)]
struct SpinConfig {
    /// Where the microseconds stand; 0 if nothing does.
    micros: Path,
    /// Gets the kind of scheduler.
    on: Path,
}

impl NativeHook for Spin {
    const NAME: &'static str = "spin";
    const DOC: &'static str = "Keeps its scheduler.";
    const PHASES: &'static [Phase] = &[Phase::Before, Phase::After, Phase::Replace];
    type Config = SpinConfig;

    fn configure(config: SpinConfig) -> Result<Self, ConfigError> {
        Ok(Self(config))
    }

    fn run(&self, _phase: Phase, context: &mut TermContext<'_>) -> Result<Flow, Failure> {
        let started = Instant::now();
        let micros = context.get_int(&self.0.micros)?.unwrap_or(0);
        let time = Duration::from_micros(micros.unsigned_abs());
        while started.elapsed() < time {
            std::hint::spin_loop();
        }
        context.put(&self.0.on, scheduler())?;
        Ok(Flow::Continue)
    }
}

register_hooks!(Spin);
