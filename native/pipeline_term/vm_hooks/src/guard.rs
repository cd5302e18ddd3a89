use crate::ending::Unspeakable;
use crate::reporter::Reporter;
use pipeline_term::rustler::Term;
use pipeline_term::serde::Deserialize;
use pipeline_term::{
    ConfigError, Ended, Enter, Failure, Leave, NativeAround, Path, Reason, TermContext, Value,
    register_arounds,
};
use std::time::Duration;

/// An around whose halves end as its configuration says.
struct Guard(GuardConfig);

#[derive(Deserialize)]
#[serde(crate = "pipeline_term::serde", deny_unknown_fields)]
struct GuardConfig {
    #[serde(default)]
    enter: EnterHow,
    #[serde(default)]
    leave: LeaveHow,
    /// Counted up on the way in, and each time that it goes in again.
    count: Path,
    /// Holds the process that is told when the state is dropped.
    test: Option<Path>,
}

/// The state between the halves.
struct GuardState {
    count: i64,
    _told: Option<StateDropNotice>,
}

/// Tells that the state is dropped.
struct StateDropNotice(Reporter);

impl Drop for StateDropNotice {
    fn drop(&mut self) {
        let Self(test) = *self;
        // From a thread of its own: a scheduler may send only for the process that it runs.
        std::thread::spawn(move || test.tell("dropped"));
    }
}

#[derive(Default, Deserialize)]
#[serde(crate = "pipeline_term::serde", rename_all = "snake_case")]
enum EnterHow {
    #[default]
    Inside,
    Answer,
    AnswerWith,
    Refuse,
    /// With an error whose message panics.
    FailBadly,
    Panic,
}

#[derive(Default, Deserialize)]
#[serde(crate = "pipeline_term::serde", rename_all = "snake_case")]
enum LeaveHow {
    #[default]
    Pass,
    /// Wraps what came out: the value, or what the failure is called and says.
    Value,
    Again,
    Refuse,
    /// With an error whose message panics.
    FailBadly,
    Panic,
}

impl Guard {
    fn count(&self, context: &mut TermContext<'_>) -> Result<i64, Failure> {
        let count = context.get_int(&self.0.count)?.unwrap_or(0) + 1;
        context.put(&self.0.count, count)?;
        Ok(count)
    }
}

impl NativeAround for Guard {
    const NAME: &'static str = "guard";
    const DOC: &'static str = "Ends as its configuration says.";
    type Config = GuardConfig;
    type State = GuardState;

    fn configure(config: GuardConfig) -> Result<Self, ConfigError> {
        Ok(Self(config))
    }

    fn enter<'a>(&self, context: &mut TermContext<'a>) -> Result<Enter<'a, GuardState>, Failure> {
        let count = self.count(context)?;
        match self.0.enter {
            EnterHow::Inside => {
                let test = self.0.test.as_ref();
                let told = test.map(|field| Reporter::in_field(context, field));
                Ok(Enter::Inside(GuardState {
                    count,
                    _told: told.transpose()?.map(StateDropNotice),
                }))
            }
            EnterHow::Answer => Ok(Enter::Answer),
            EnterHow::AnswerWith => Ok(Enter::AnswerWith(text(context, "instead")?)),
            EnterHow::Refuse => Err(Reason::new("not_in").into()),
            EnterHow::FailBadly => Err(Failure::of(Unspeakable)),
            EnterHow::Panic => panic!("enter panics"),
        }
    }

    fn leave<'a>(
        &self,
        state: &mut GuardState,
        ended: Ended<'a>,
        context: &mut TermContext<'a>,
    ) -> Result<Leave<'a>, Failure> {
        match self.0.leave {
            LeaveHow::Pass => Ok(Leave::Pass),
            LeaveHow::Value => Ok(Leave::Value(match ended {
                Ended::Value(_) => text(context, &format!("value after {}", state.count))?,
                Ended::Failed(failure) => {
                    let tag = failure.tag().map(|tag| tag.name().to_owned());
                    let told = format!("{:?} {tag:?} {:?}", failure.kind(), failure.message());
                    text(context, &told)?
                }
            })),
            LeaveHow::Again => {
                state.count = self.count(context)?;
                Ok(Leave::Again {
                    after: Duration::ZERO,
                })
            }
            LeaveHow::Refuse => Err(Reason::new("not_out").into()),
            LeaveHow::FailBadly => Err(Failure::of(Unspeakable)),
            LeaveHow::Panic => panic!("leave panics"),
        }
    }
}

fn text<'a>(context: &TermContext<'a>, text: &str) -> Result<Term<'a>, Failure> {
    Value::from(text)
        .to_term(context.env())
        .map_err(Failure::of)
}

register_arounds!(Guard);
