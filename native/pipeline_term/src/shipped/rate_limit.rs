use super::counts::Counts;
use crate::context::{ContextError, Kind, Path, TermContext};
use crate::failure::Failure;
use crate::hook::{ConfigError, Description, Field, Flow, NativeHook, Phase};
use crate::reason::{Detail, Reason};
use crate::schedule::now;
use governor::clock::{Clock, DefaultClock};
use governor::{Quota, RateLimiter};
use rustler::{Atom, Binary, Term};
use serde::Deserialize;
use std::hash::{BuildHasher, Hash, RandomState};
use std::num::{NonZeroU32, NonZeroUsize};
use std::sync::atomic::{AtomicIsize, AtomicU64, Ordering};
use std::time::Duration;
use thiserror::Error;

/// `rate_limit`: refuses runs beyond a rate, by the generic cell rate algorithm; per value of a field if one
/// is named.
struct RateLimit {
    key: Option<Path>,
    limiter: RateLimiter<RateKey, Counts, DefaultClock>,
    counts: Counts,
    hashes: [RandomState; 2],
    /// Checks left until keys that have recovered are forgotten.
    until_sweep: AtomicIsize,
    /// When they were last forgotten because there were too many, in nanoseconds.
    swept: AtomicU64,
    /// Nanoseconds that have to pass until that is done again.
    pause: u64,
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
    /// How many keys are counted apart. Further ones share one count until others have recovered.
    #[serde(default = "hundred_thousand")]
    max_keys: NonZeroUsize,
}

fn hundred_thousand() -> NonZeroUsize {
    const { NonZeroUsize::new(100_000).unwrap() }
}

fn second() -> u64 {
    1000
}

/// The limiter counts nanoseconds in 64 bits.
const YEAR_MS: u64 = 365 * 24 * 3_600_000;

#[derive(Debug, Error)]
enum Mistake {
    #[error("limit in per_ms is more than one run per nanosecond; give a longer time")]
    Faster,
    #[error("no rate is counted over more than a year: expected at most {YEAR_MS}, found {0}")]
    Longer(u64),
    #[error("expected at most {MAX_KEYS} keys, found {0}")]
    MoreKeys(usize),
}

/// A sweep over so many takes some 30 ms, of a scheduler too.
const MAX_KEYS: usize = 1_000_000;

/// A key of more bytes than these is hashed on a dirty scheduler.
const LONG_KEY: usize = 64 * 1024;

/// The key that runs are counted under: two keyed hashes of the value, so that a key takes the same memory
/// whatever it is, and nobody finds two values that share one.
pub(super) type RateKey = [u64; 2];

#[derive(Hash)]
enum Counted<'a> {
    All,
    Atom(Atom),
    Int(i64),
    Bytes(&'a [u8]),
}

impl<'a> Counted<'a> {
    fn of(path: &Path, term: Term<'a>) -> Result<Self, ContextError> {
        if let Ok(atom) = Atom::from_term(term) {
            Ok(Self::Atom(atom))
        } else if let Ok(number) = term.decode() {
            Ok(Self::Int(number))
        } else if let Ok(binary) = Binary::from_term(term) {
            Ok(Self::Bytes(binary.as_slice()))
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
    fn check(&self, counted: &Counted<'_>) -> Result<(), Duration> {
        // A sweep over the keys comes after as many checks as it left keys, so that callers who come once
        // each do not fill the memory, and the cost of a check stays constant on average.
        if self.until_sweep.fetch_sub(1, Ordering::Relaxed) == 1 {
            self.limiter.retain_recent();
            let next = isize::try_from(self.limiter.len())
                .unwrap_or(isize::MAX)
                .max(SWEEP);
            self.until_sweep.store(next, Ordering::Relaxed);
        }
        let key = [0, 1].map(|half| self.hashes[half].hash_one(counted));
        let mut checked = self.limiter.check_key(&key);
        if self.counts.took_others_in() && self.may_sweep() {
            self.limiter.retain_recent();
            if checked.is_err() {
                checked = self.limiter.check_key(&key);
            }
        }
        checked.map_err(|refused| refused.wait_time_from(DefaultClock::default().now()))
    }

    /// Whether the last sweep for want of room is long enough ago, so that a flood of keys does not make
    /// sweeps of all checks.
    fn may_sweep(&self) -> bool {
        let (swept, now) = (self.swept.load(Ordering::Relaxed), now());
        (swept == 0 || now.saturating_sub(swept) > self.pause)
            && self
                .swept
                .compare_exchange(swept, now, Ordering::Relaxed, Ordering::Relaxed)
                .is_ok()
    }
}

impl NativeHook for RateLimit {
    const NAME: &'static str = "rate_limit";
    const DOC: &'static str = "Refuses runs beyond a rate, per value of a field if one is named.";
    const DESCRIPTION: Description = Description {
        purpose: "Refuses runs beyond a rate, by the generic cell rate algorithm: up to `limit` runs at once, and then one each `per_ms / limit`
milliseconds. With `key`, each value of that field has a rate of its own.

A key takes the same memory whatever its length. Once `max_keys` are counted, those that have recovered are forgotten
first; if none has, further keys share one rate.",
        fields: &[
            Field::required(
                "limit",
                "integer, 1 to 4,294,967,295",
                "How many runs within `per_ms`.",
            ),
            Field::optional(
                "per_ms",
                "milliseconds, up to a year",
                "1000",
                "The time that `limit` is for.",
            ),
            Field::optional(
                "key",
                "a key (an atom or a string), or a path: a list of up to 16 of them",
                "none",
                "The field by whose value runs are counted: a string, an atom or an integer of at most 64 bits.",
            ),
            Field::optional(
                "max_keys",
                "integer, 1 to 1,000,000",
                "100_000",
                "How many keys have a count of their own: some 64 bytes each.",
            ),
        ],
        returns: "The context as it was.",
        refuses: &[
            "`{:rate_limited, %{retry_after_ms: milliseconds}}`: a run after that time passes, if none comes before.",
            "`{:missing_field, path}`: there is no field `key`.",
            "Fails if the field holds another type.",
        ],
        example: r#"iex> limit = {:native, :rate_limit, %{limit: 1, per_ms: 60_000, key: :user}}
iex> manager = Pipeline.Hook.Manager.register(Pipeline.Hook.Manager.new(), :ask, limit)
iex> Pipeline.Hook.Manager.run(manager, :ask, %{user: "ada"})
{:ok, %{user: "ada"}}
iex> {:error, {:rate_limited, %{retry_after_ms: millis}}} = Pipeline.Hook.Manager.run(manager, :ask, %{user: "ada"})
iex> millis in 1..60_000
true
iex> Pipeline.Hook.Manager.run(manager, :ask, %{user: "bob"})
{:ok, %{user: "bob"}}"#,
    };
    const PHASES: &'static [Phase] = &[Phase::Before];
    type Config = RateLimitConfig;

    fn configure(config: RateLimitConfig) -> Result<Self, ConfigError> {
        if config.per_ms > YEAR_MS {
            return Err(ConfigError::at("per_ms", Mistake::Longer(config.per_ms)));
        }
        let most = config.max_keys.get();
        if most > MAX_KEYS {
            return Err(ConfigError::at("max_keys", Mistake::MoreKeys(most)));
        }
        let quota = Quota::with_period(Duration::from_millis(config.per_ms) / config.limit.get())
            .ok_or_else(|| ConfigError::at("per_ms", Mistake::Faster))?
            .allow_burst(config.limit);
        let counts = Counts::new(most);
        Ok(Self {
            key: config.key,
            limiter: RateLimiter::new(quota, counts.clone(), DefaultClock::default()),
            counts,
            hashes: [RandomState::new(), RandomState::new()],
            until_sweep: AtomicIsize::new(SWEEP),
            swept: AtomicU64::new(0),
            // 10 ms, and ten times what a sweep takes.
            pause: 10_000_000 + 300 * most as u64,
        })
    }

    fn scales(&self) -> bool {
        self.key.is_some()
    }

    fn is_long(&self, context: &TermContext<'_>) -> bool {
        context.bytes_in(self.key.as_slice(), LONG_KEY) > LONG_KEY
    }

    fn run(&self, _phase: Phase, context: &mut TermContext<'_>) -> Result<Flow, Failure> {
        let key = match &self.key {
            None => Counted::All,
            Some(path) => match context.get(path)? {
                Some(term) => Counted::of(path, term)?,
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
    use super::{Counted, NativeHook, RateLimit, RateLimitConfig};
    use std::num::{NonZeroU32, NonZeroUsize};
    use std::time::Duration;

    fn limit(limit: u32, per_ms: u64) -> RateLimit {
        limit_of(limit, per_ms, 100_000)
    }

    fn limit_of(limit: u32, per_ms: u64, most: usize) -> RateLimit {
        RateLimit::configure(RateLimitConfig {
            limit: NonZeroU32::new(limit).unwrap(),
            per_ms,
            key: None,
            max_keys: NonZeroUsize::new(most).unwrap(),
        })
        .unwrap()
    }

    #[test]
    fn a_burst_up_to_the_limit_passes_and_the_next_run_is_told_to_wait() {
        let hourly = limit(2, 3_600_000);
        assert_eq!(hourly.check(&Counted::All), Ok(()));
        assert_eq!(hourly.check(&Counted::All), Ok(()));
        let wait = hourly.check(&Counted::All).unwrap_err();
        assert!(
            wait > Duration::from_mins(28) && wait <= Duration::from_mins(30),
            "{wait:?}"
        );
    }

    #[test]
    fn keys_are_counted_apart() {
        let hourly = limit(1, 3_600_000);
        assert_eq!(hourly.check(&Counted::Int(1)), Ok(()));
        assert_eq!(hourly.check(&Counted::Int(2)), Ok(()));
        assert!(hourly.check(&Counted::Int(1)).is_err());
    }

    #[test]
    fn keys_that_have_recovered_are_forgotten() {
        let quick = limit(1000, 1);
        for key in 0..20_000 {
            assert_eq!(quick.check(&Counted::Int(key)), Ok(()));
        }
        assert!(
            quick.limiter.len() <= 4096,
            "{} keys are kept",
            quick.limiter.len()
        );
    }

    #[test]
    fn keys_beyond_the_most_share_a_count() {
        let hourly = limit_of(1, 3_600_000, 2);
        assert_eq!(hourly.check(&Counted::Int(1)), Ok(()));
        assert_eq!(hourly.check(&Counted::Int(2)), Ok(()));
        assert_eq!(hourly.check(&Counted::Int(3)), Ok(()));
        assert!(hourly.check(&Counted::Int(4)).is_err());
        assert!(hourly.check(&Counted::Int(1)).is_err());
        assert_eq!(hourly.limiter.len(), 2);
    }

    #[test]
    fn keys_that_have_recovered_give_place_first() {
        let quick = limit_of(1, 1, 2);
        for key in 0..2 {
            assert_eq!(quick.check(&Counted::Int(key)), Ok(()));
        }
        let waited = std::time::Instant::now();
        while waited.elapsed() < Duration::from_millis(3) {}
        // The first finds no place and makes some.
        assert_eq!(quick.check(&Counted::Int(2)), Ok(()));
        assert_eq!(quick.check(&Counted::Int(3)), Ok(()));
        assert_eq!(quick.check(&Counted::Int(4)), Ok(()));
    }

    #[test]
    fn a_long_key_takes_no_more_than_a_short_one() {
        let hourly = limit(1, 3_600_000);
        let long = vec![b'x'; 1_000_000];
        assert_eq!(hourly.check(&Counted::Bytes(&long)), Ok(()));
        assert!(hourly.check(&Counted::Bytes(&long)).is_err());
        assert_eq!(hourly.check(&Counted::Bytes(&long[1..])), Ok(()));
    }
}
