use crate::context::{ContextError, Kind, Path, TermContext};
use crate::failure::Failure;
use crate::hook::{ConfigError, Flow, NativeHook, Phase};
use crate::reason::{Detail, Reason};
use governor::clock::{Clock, DefaultClock};
use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter};
use rustler::{Atom, Binary, Term};
use serde::Deserialize;
use std::num::NonZeroU32;
use std::sync::atomic::{AtomicIsize, Ordering};
use std::time::Duration;
use thiserror::Error;

/// `rate_limit`: refuses runs beyond a rate, by the generic cell rate algorithm; per value of a field if one is named.
struct RateLimit {
    key: Option<Path>,
    limiter: DefaultKeyedRateLimiter<RateKey>,
    /// Checks left until keys that have recovered are forgotten.
    until_sweep: AtomicIsize,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RateLimitConfig {
    /// How many runs within `per_ms`; that many may come at once.
    limit: NonZeroU32,
    /// Milliseconds, at most a year's.
    #[serde(default = "second")]
    per_ms: u64,
    key: Option<Path>,
}

fn second() -> u64 {
    1000
}

/// The limiter counts nanoseconds in 64 bits.
const YEAR_MS: u64 = 365 * 24 * 3_600_000;

#[derive(Debug, Error)]
enum Mistake {
    #[error("limit in per_ms is more than one run per nanosecond; give a longer time")]
    TooFast,
    #[error("no rate is counted over more than a year: expected at most {YEAR_MS}, found {0}")]
    TooLong(u64),
}

/// What runs are counted under.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum RateKey {
    All,
    Atom(Atom),
    Int(i64),
    Bytes(Box<[u8]>),
}

impl RateKey {
    fn of(path: &Path, term: Term<'_>) -> Result<Self, ContextError> {
        if let Ok(atom) = Atom::from_term(term) {
            Ok(Self::Atom(atom))
        } else if let Ok(number) = term.decode() {
            Ok(Self::Int(number))
        } else if let Ok(binary) = Binary::from_term(term) {
            Ok(Self::Bytes(binary.as_slice().into()))
        } else {
            let expected = "a string, an atom or an integer of at most 64 bits";
            Err(ContextError::WrongType {
                at: path.clone(),
                expected,
                found: Kind::of(term),
            })
        }
    }
}

/// How many checks pass between two sweeps, at least.
const SWEEP: isize = 1024;

impl RateLimit {
    /// Counts a run; `Err` with the time until the next one is allowed.
    fn check(&self, key: &RateKey) -> Result<(), Duration> {
        // A sweep over the keys comes after as many checks as it left keys, so that callers who come once each do not
        // fill the memory, and the cost of a check stays constant on average.
        if self.until_sweep.fetch_sub(1, Ordering::Relaxed) == 1 {
            self.limiter.retain_recent();
            let next = isize::try_from(self.limiter.len())
                .unwrap_or(isize::MAX)
                .max(SWEEP);
            self.until_sweep.store(next, Ordering::Relaxed);
        }
        self.limiter
            .check_key(key)
            .map_err(|refused| refused.wait_time_from(DefaultClock::default().now()))
    }
}

impl NativeHook for RateLimit {
    const NAME: &'static str = "rate_limit";
    const DOC: &'static str = "Refuses runs beyond a rate, per value of a field if one is named.";
    const PHASES: &'static [Phase] = &[Phase::Before];
    type Config = RateLimitConfig;

    fn configure(config: RateLimitConfig) -> Result<Self, ConfigError> {
        if config.per_ms > YEAR_MS {
            return Err(ConfigError::at("per_ms", Mistake::TooLong(config.per_ms)));
        }
        let quota = Quota::with_period(Duration::from_millis(config.per_ms) / config.limit.get())
            .ok_or_else(|| ConfigError::at("per_ms", Mistake::TooFast))?
            .allow_burst(config.limit);
        Ok(Self {
            key: config.key,
            limiter: RateLimiter::keyed(quota),
            until_sweep: AtomicIsize::new(SWEEP),
        })
    }

    fn run(&self, _phase: Phase, context: &mut TermContext<'_>) -> Result<Flow, Failure> {
        let key = match &self.key {
            None => RateKey::All,
            Some(path) => match context.get(path)? {
                Some(term) => RateKey::of(path, term)?,
                None => return Err(Reason::new("missing_field").with(path).into()),
            },
        };
        self.check(&key).map_err(|wait| {
            // Rounded up: a caller who waits this long gets through.
            let millis = i64::try_from(wait.as_nanos().div_ceil(1_000_000)).unwrap_or(i64::MAX);
            let detail = Detail::Map(vec![("retry_after_ms", Detail::Data(millis.into()))]);
            Failure::from(Reason::new("rate_limited").with(detail))
        })?;
        Ok(Flow::Continue)
    }
}

crate::register_hooks!(RateLimit);

#[cfg(test)]
mod tests {
    use super::{NativeHook, RateKey, RateLimit, RateLimitConfig};
    use std::num::NonZeroU32;
    use std::time::Duration;

    fn limit(limit: u32, per_ms: u64) -> RateLimit {
        RateLimit::configure(RateLimitConfig {
            limit: NonZeroU32::new(limit).unwrap(),
            per_ms,
            key: None,
        })
        .unwrap()
    }

    #[test]
    fn a_burst_up_to_the_limit_passes_and_the_next_run_is_told_to_wait() {
        let hourly = limit(2, 3_600_000);
        assert_eq!(hourly.check(&RateKey::All), Ok(()));
        assert_eq!(hourly.check(&RateKey::All), Ok(()));
        let wait = hourly.check(&RateKey::All).unwrap_err();
        assert!(
            wait > Duration::from_mins(28) && wait <= Duration::from_mins(30),
            "{wait:?}"
        );
    }

    #[test]
    fn keys_are_counted_apart() {
        let hourly = limit(1, 3_600_000);
        assert_eq!(hourly.check(&RateKey::Int(1)), Ok(()));
        assert_eq!(hourly.check(&RateKey::Int(2)), Ok(()));
        assert!(hourly.check(&RateKey::Int(1)).is_err());
    }

    #[test]
    fn keys_that_have_recovered_are_forgotten() {
        let quick = limit(1000, 1);
        for key in 0..20_000 {
            assert_eq!(quick.check(&RateKey::Int(key)), Ok(()));
        }
        assert!(
            quick.limiter.len() <= 4096,
            "{} keys are kept",
            quick.limiter.len()
        );
    }
}
