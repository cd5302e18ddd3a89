//! Hooks that wait, and the time they have: a run that is in time, a slow hook that is skipped, and a run
//! that is ended at its deadline and says what it had come to.

use std::error::Error;
use std::time::Duration;

use pipeline_core::hook::asynchronous::{AsyncHook, RunError, RunLimits, Running};
use pipeline_core::hook::{Cause, ContextFamily, Flow, OnError, Point};
use pipeline_core::host::{Host, Plugin, PluginError, Registrar};
use pipeline_core::plugin::Manifest;
use pipeline_core::semver::Version;

struct Questions;
impl ContextFamily for Questions {
    type Context<'a> = Vec<&'static str>;
    type Error = &'static str;
}

const ASK: Point<Questions> = Point::new("ask");
/// How long a hook may take on its own.
const OWN_TIME: Duration = Duration::from_millis(20);
/// How long a run may take.
const WHOLE_TIME: Duration = Duration::from_millis(60);

async fn look_up(answer: &mut Vec<&'static str>) -> Result<Flow, &'static str> {
    tokio::time::sleep(Duration::from_millis(1)).await;
    answer.push("looked up");
    Ok(Flow::Continue)
}

async fn never(_: &mut Vec<&'static str>) -> Result<Flow, &'static str> {
    std::future::pending().await
}

/// Looks something up ahead of the answer.
struct LookUp;
impl Plugin<Questions> for LookUp {
    fn manifest(&self) -> Manifest {
        Manifest::new("look_up", Version::new(1, 0, 0))
    }

    fn build(&self, registrar: &mut Registrar<Questions>) -> Result<(), PluginError> {
        registrar.attach_async(ASK, AsyncHook::before(look_up));
        Ok(())
    }
}

/// Never comes back. With a time of its own it is skipped, without one it takes the time of the run.
struct Stuck {
    skipped: bool,
}
impl Plugin<Questions> for Stuck {
    fn manifest(&self) -> Manifest {
        Manifest::new("stuck", Version::new(1, 0, 0))
    }

    fn build(&self, registrar: &mut Registrar<Questions>) -> Result<(), PluginError> {
        let hook = AsyncHook::before(never);
        let hook = if self.skipped {
            hook.timeout(OWN_TIME).on_error(OnError::Skip)
        } else {
            hook
        };
        registrar.attach_async(ASK, hook);
        Ok(())
    }
}

// Time stands still while something can run, and goes on at once when nothing can: the example takes none.
#[tokio::main(flavor = "current_thread", start_paused = true)]
async fn main() -> Result<(), Box<dyn Error>> {
    let host = Host::new();
    let limits = RunLimits::new().timeout(WHOLE_TIME);
    let core = async |answer: &mut Vec<&'static str>| {
        answer.push("answered");
        Ok(())
    };
    host.load(LookUp)?;

    let (mut answer, mut skipped) = (Vec::new(), Vec::new());
    host.run_async(ASK, &limits, &mut answer, core, &mut skipped)
        .await?;
    println!("in time: {}", answer.join(", "));
    assert_eq!(answer, ["looked up", "answered"]);
    assert!(skipped.is_empty());

    let stuck = host.load(Stuck { skipped: true })?;
    let mut answer = Vec::new();
    host.run_async(ASK, &limits, &mut answer, core, &mut skipped)
        .await?;
    println!("skipped: {}", skipped[0]);
    assert_eq!(answer, ["looked up", "answered"]);
    assert_eq!(skipped[0].cause, Cause::TimedOut(OWN_TIME));
    host.unload(&stuck)?;

    host.load(Stuck { skipped: false })?;
    let mut answer = Vec::new();
    let ended = host
        .run_async(ASK, &limits, &mut answer, core, &mut skipped)
        .await;
    let Err(error @ RunError::DeadlineExceeded { .. }) = &ended else {
        return Err("the run should have been ended at its deadline".into());
    };
    println!("ended: {error}");
    assert!(matches!(
        error,
        RunError::DeadlineExceeded { running: Running::Hook { plugin, .. }, .. } if *plugin == stuck
    ));
    // The work done before the deadline stands; the base operation did not run.
    assert_eq!(answer, ["looked up"]);
    Ok(())
}
