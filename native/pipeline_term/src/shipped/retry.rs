use crate::around::{Ended, Enter, FailureKind, InnerFailure, Leave, NativeAround};
use crate::context::TermContext;
use crate::failure::Failure;
use crate::hook::{ConfigError, Description, Field};
use serde::Deserialize;
use std::time::Duration;
use thiserror::Error;

/// `retry`: runs everything inside again when it failed, with pauses that double. A refusal is an answer, and
/// tried again only if `on` names it.
struct Retry(RetryConfig);

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RetryConfig {
    /// How often it is tried again, at most.
    #[serde(default = "two")]
    times: u32,
    /// The names of the failures that are tried again: modules of exceptions, atoms, first elements of
    /// tuples.
    on: Option<Vec<String>>,
    /// Milliseconds to the first time, twice as many to the next.
    #[serde(default)]
    delay_ms: u64,
    /// Milliseconds that no pause goes beyond.
    #[serde(default = "half_a_minute")]
    max_delay_ms: u64,
}

fn two() -> u32 {
    2
}

fn half_a_minute() -> u64 {
    30_000
}

#[derive(Debug, Error)]
enum Mistake {
    #[error("expected 1 to 1000, found {0}")]
    Times(u32),
    #[error("expected at least one name of a failure; leave it out to retry every failure")]
    Nothing,
    #[error("no pause is longer than an hour: expected at most 3600000, found {0}")]
    TooLong(u64),
}

const HOUR_MS: u64 = 3_600_000;

impl Retry {
    fn worth_it(&self, failure: &InnerFailure<'_>) -> bool {
        match &self.0.on {
            Some(names) => names.iter().any(|name| failure.is(name)),
            None => failure.kind() != FailureKind::Refused,
        }
    }

    /// The pause ahead of the next try, `done` of them having been.
    fn pause(&self, done: u32) -> Duration {
        let doubled = self.0.delay_ms.saturating_mul(1 << done.min(32));
        Duration::from_millis(doubled.min(self.0.max_delay_ms))
    }
}

impl NativeAround for Retry {
    const NAME: &'static str = "retry";
    const DOC: &'static str = "Runs everything inside again when it failed.";
    const DESCRIPTION: Description = Description {
        purpose: "Runs everything inside again when it failed, with pauses that double. The calling process waits. A refusal is an answer, and
tried again only if `on` names it.",
        fields: &[
            Field::optional(
                "times",
                "integer, 1 to 1,000",
                "2",
                "How often it is tried again, at most.",
            ),
            Field::optional(
                "on",
                "a list of names",
                "none",
                "The failures that are worth it: modules of exceptions, atoms, or first elements of tuples. Without it, all but refusals.",
            ),
            Field::optional(
                "delay_ms",
                "milliseconds, up to 3,600,000",
                "0",
                "The pause before the first retry; each next one is twice as long.",
            ),
            Field::optional(
                "max_delay_ms",
                "milliseconds, up to 3,600,000",
                "30_000",
                "The longest pause.",
            ),
        ],
        returns: "What the inside gave, or its last failure.",
        refuses: &[],
        example: "iex> {:ok, tries} = Agent.start_link(fn -> 1 end)
iex> core = fn _ -> if Agent.get_and_update(tries, &{&1, &1 + 1}) < 3, do: exit(:busy), else: :done end
iex> retry = {:native, :retry, %{times: 2, on: [:busy]}}
iex> Pipeline.Hook.Manager.run_hook(retry, %{}, kind: :around, core: core)
{:ok, :done}",
    };
    type Config = RetryConfig;
    /// How often it has tried again.
    type State = u32;

    fn configure(config: RetryConfig) -> Result<Self, ConfigError> {
        if !(1..=1000).contains(&config.times) {
            return Err(ConfigError::at("times", Mistake::Times(config.times)));
        }
        if config.on.as_ref().is_some_and(Vec::is_empty) {
            return Err(ConfigError::at("on", Mistake::Nothing));
        }
        for (field, value) in [
            ("delay_ms", config.delay_ms),
            ("max_delay_ms", config.max_delay_ms),
        ] {
            if value > HOUR_MS {
                return Err(ConfigError::at(field, Mistake::TooLong(value)));
            }
        }
        Ok(Self(config))
    }

    fn enter<'a>(&self, _context: &mut TermContext<'a>) -> Result<Enter<'a, u32>, Failure> {
        Ok(Enter::Inside(0))
    }

    fn leave<'a>(
        &self,
        done: &mut u32,
        ended: Ended<'a>,
        _context: &mut TermContext<'a>,
    ) -> Result<Leave<'a>, Failure> {
        match ended {
            Ended::Failed(failure) if *done < self.0.times && self.worth_it(&failure) => {
                let after = self.pause(*done);
                *done += 1;
                Ok(Leave::Again { after })
            }
            Ended::Failed(_) | Ended::Value(_) => Ok(Leave::Pass),
        }
    }
}

crate::register_arounds!(Retry);

#[cfg(test)]
mod tests {
    use super::{NativeAround, Retry, RetryConfig};

    fn retry(delay_ms: u64, max_delay_ms: u64) -> Retry {
        Retry(RetryConfig {
            times: 3,
            on: None,
            delay_ms,
            max_delay_ms,
        })
    }

    #[test]
    fn pauses_double_up_to_the_longest() {
        let pauses = |retry: Retry| [0, 1, 2, 40].map(|done| retry.pause(done).as_millis());
        assert_eq!(pauses(retry(10, 30)), [10, 20, 30, 30]);
        assert_eq!(pauses(retry(0, 30)), [0; 4]);
    }

    #[test]
    fn mistakes_name_their_field() {
        let error = |config| Retry::configure(config).err().unwrap().to_string();
        let none = RetryConfig {
            on: Some(Vec::new()),
            ..retry(0, 0).0
        };
        assert_eq!(
            error(none),
            "on: expected at least one name of a failure; leave it out to retry every failure"
        );
        let never = RetryConfig {
            times: 0,
            ..retry(0, 0).0
        };
        assert_eq!(error(never), "times: expected 1 to 1000, found 0");
        assert_eq!(
            error(retry(3_600_001, 0).0),
            "delay_ms: no pause is longer than an hour: expected at most 3600000, found 3600001"
        );
    }
}
