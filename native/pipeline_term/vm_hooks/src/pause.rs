use crate::reporter::Reporter;
use pipeline_term::serde::Deserialize;
use pipeline_term::{
    Changes, ConfigError, Data, Failure, Fields, Flow, NativeAsyncHook, Path, Phase, Reason,
    register_async_hooks, tokio,
};
use std::future::pending;

/// Waits as its configuration says, and ends so.
struct Pause {
    reads: [Path; 2],
    how: PauseEnding,
    /// Opens when as many wait as the configuration says.
    barrier: tokio::sync::Barrier,
}

#[derive(Deserialize)]
#[serde(crate = "pipeline_term::serde", deny_unknown_fields)]
struct PauseConfig {
    /// The process to tell, in the external term format.
    test: Path,
    /// The field to count up.
    count: Path,
    how: PauseEnding,
    #[serde(default)]
    meet: usize,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(crate = "pipeline_term::serde", rename_all = "snake_case")]
enum PauseEnding {
    /// Goes on once all have met.
    Continue,
    Answer,
    Decline,
    Remove,
    Refuse,
    Panic,
    /// Never ends.
    Forever,
}

/// Tells that a wait was dropped.
struct WaitDropNotice(Reporter);

impl Drop for WaitDropNotice {
    fn drop(&mut self) {
        self.0.tell("dropped");
    }
}

impl NativeAsyncHook for Pause {
    const NAME: &'static str = "pause";
    const DOC: &'static str = "Waits as its configuration says.";
    const PHASES: &'static [Phase] = &[Phase::Before, Phase::After, Phase::Replace];
    type Config = PauseConfig;

    fn configure(config: PauseConfig) -> Result<Self, ConfigError> {
        Ok(Self {
            reads: [config.test, config.count],
            how: config.how,
            barrier: tokio::sync::Barrier::new(config.meet),
        })
    }

    fn reads(&self) -> &[Path] {
        &self.reads
    }

    async fn run(&self, _phase: Phase, fields: Fields) -> Result<Changes, Failure> {
        let [test, count] = &self.reads;
        let test = match fields.get(test) {
            Some(Data::Bytes(bytes)) => Some(WaitDropNotice(Reporter::from_bytes(bytes)?)),
            _ => None,
        };
        if let Some(test) = &test {
            test.0.tell("began");
        }
        self.barrier.wait().await;
        let changes = Changes::none().put(count, fields.int(count)? + 1);
        match self.how {
            PauseEnding::Continue => Ok(changes),
            PauseEnding::Answer => Ok(changes.then(Flow::Answer)),
            PauseEnding::Decline => Ok(changes.then(Flow::Decline)),
            PauseEnding::Remove => Ok(changes.remove(count)),
            PauseEnding::Refuse => Err(Reason::new("no").into()),
            PauseEnding::Panic => panic!("this hook panics"),
            PauseEnding::Forever => pending().await,
        }
    }
}

register_async_hooks!(Pause);
