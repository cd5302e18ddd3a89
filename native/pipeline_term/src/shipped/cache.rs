use super::fields::fields;
use crate::around::{Ended, Enter, Leave, NativeAround};
use crate::context::{Path, TermContext};
use crate::failure::Failure;
use crate::hook::{ConfigError, Description, Field};
use crate::owned_term::OwnedTerm;
use crate::schedule::report_timeslice;
use crate::term_size::size_of_copy;
use quick_cache::Weighter;
use quick_cache::sync::Cache as Entries;
use rustler::{Encoder, Term};
use serde::Deserialize;
use std::num::{NonZeroU64, NonZeroUsize};
use std::sync::Arc;
use std::time::{Duration, Instant};
use thiserror::Error;

/// `cache`: keeps results by the values of some fields, and answers with them while they are fresh. A failure
/// is not kept. Two runs that ask for the same at once both go inside.
///
/// Its entries go with the hook: an unloaded plugin leaves nothing behind.
struct Cache {
    fields: Vec<Path>,
    fresh: Duration,
    entries: Entries<Key, Entry, InBytes>,
    most_bytes: usize,
    /// The least weight of an entry: with no more than so many of these, `max_entries` holds.
    least_weight: u64,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct CacheConfig {
    field: Option<Path>,
    #[serde(default)]
    fields: Vec<Path>,
    /// Milliseconds that a result is good for.
    ttl_ms: NonZeroU64,
    /// How many results are kept; those asked for least go first.
    #[serde(default = "thousand")]
    max_entries: NonZeroUsize,
    /// Bytes that keys and results take together; those asked for least go first.
    #[serde(default = "mebibytes")]
    max_bytes: NonZeroUsize,
}

fn mebibytes() -> NonZeroUsize {
    const { NonZeroUsize::new(64 * 1024 * 1024).unwrap() }
}

fn thousand() -> NonZeroUsize {
    const { NonZeroUsize::new(1_000).unwrap() }
}

/// Entries that memory is taken for ahead; a limit may be far higher.
const EXPECTED: usize = 1_024;

/// The values of the fields in the external term format, which is the same for no two different values.
type Key = Arc<[u8]>;

#[derive(Clone)]
struct Entry {
    result: Arc<OwnedTerm>,
    until: Option<Instant>,
    /// The size of a copy of the result.
    bytes: u64,
    weight: u64,
}

/// Weighs entries by their bytes, but each as at least its part of the cache, so that both limits hold.
#[derive(Clone)]
struct InBytes;

impl Weighter<Key, Entry> for InBytes {
    fn weight(&self, _key: &Key, entry: &Entry) -> u64 {
        entry.weight
    }
}

/// How large a key or a result that is kept may be, and at most a fourth of the cache: a scheduler copies it
/// within a millisecond.
const MOST_KEPT: usize = 1024 * 1024;
/// The cache is split into parts with a lock each as long as each has this much, so that what may be kept
/// fits a part.
const PART: usize = 64 * 1024;

#[derive(Debug, Error)]
#[error("expected at most {most}, found {found}")]
struct TooMany {
    most: usize,
    found: usize,
}

const MAX_ENTRIES: usize = 10_000_000;
const MAX_BYTES: usize = 16 * 1024 * 1024 * 1024;

impl Cache {
    /// The most that is kept of one entry.
    fn most_kept(&self) -> usize {
        MOST_KEPT.min(self.most_bytes / 4)
    }

    /// The key of a run; none if it is too large to be one, or holds a function, whose size nobody knows.
    fn key(&self, context: &TermContext<'_>) -> Result<Option<Key>, Failure> {
        let values = self
            .fields
            .iter()
            // A list, so that a field that is not there differs from one that is nil.
            .map(|path| Ok(context.get(path)?.into_iter().collect()))
            .collect::<Result<Vec<Vec<Term<'_>>>, Failure>>()?;
        let values = values.encode(context.env());
        let key = size_of_copy(values, self.most_kept(), None);
        Ok(key.map(|_| values.to_binary().as_slice().into()))
    }

    fn find(&self, key: &Key) -> Option<Entry> {
        let entry = self.entries.get(key)?;
        if entry.until.is_none_or(|until| Instant::now() < until) {
            return Some(entry);
        }
        // Only what is stale: another run may have put a new one in its place just now.
        self.entries
            .remove_if(key, |found| Arc::ptr_eq(&found.result, &entry.result));
        None
    }
}

impl NativeAround for Cache {
    const NAME: &'static str = "cache";
    const DOC: &'static str =
        "Answers with the result of an earlier run whose key fields were the same.";
    const DESCRIPTION: Description = Description {
        purpose: "Keeps results by the values of some fields, and answers with them while they are fresh. A failure is not kept. Two runs that
ask for the same at once both go inside. What is kept goes when the plugin is unloaded.

Keys or results of more than 1 MiB, or a fourth of `max_bytes`, and those that hold functions, whose size native code
cannot tell, are not kept.",
        fields: &[
            Field::optional(
                "field",
                "a key (an atom or a string), or a path: a list of up to 16 of them",
                "none",
                "The field that is part of the key. Give `field`, `fields` or both.",
            ),
            Field::optional(
                "fields",
                "a list of keys or paths",
                "[]",
                "More such fields.",
            ),
            Field::required(
                "ttl_ms",
                "milliseconds, at least 1",
                "How long a result is good for.",
            ),
            Field::optional(
                "max_entries",
                "integer, 1 to 10,000,000",
                "1_000",
                "How many results are kept; those asked for least go first.",
            ),
            Field::optional(
                "max_bytes",
                "bytes, up to 16 GiB",
                "67_108_864",
                "What keys and results may take together.",
            ),
        ],
        returns: "The earlier result, or what the inside gave.",
        refuses: &["Fails if the context, or something on the way to a field, is no map."],
        example: r#"iex> cache = {:native, :cache, %{field: :prompt, ttl_ms: 60_000}}
iex> manager = Pipeline.Hook.Manager.register(Pipeline.Hook.Manager.new(), :ask, cache, kind: :around)
iex> Pipeline.Hook.Manager.run(manager, :ask, %{prompt: "Hi"}, fn _ -> "first answer" end)
{:ok, "first answer"}
iex> Pipeline.Hook.Manager.run(manager, :ask, %{prompt: "Hi"}, fn _ -> "second answer" end)
{:ok, "first answer"}"#,
    };
    type Config = CacheConfig;
    /// The key to keep the result under, if it is kept.
    type State = Option<Key>;

    fn configure(config: CacheConfig) -> Result<Self, ConfigError> {
        for (field, found, most) in [
            ("max_entries", config.max_entries.get(), MAX_ENTRIES),
            ("max_bytes", config.max_bytes.get(), MAX_BYTES),
        ] {
            if found > most {
                return Err(ConfigError::at(field, TooMany { most, found }));
            }
        }
        let (entries, bytes) = (config.max_entries.get(), config.max_bytes.get());
        let expected = EXPECTED.min(entries).min(bytes / PART).max(1);
        Ok(Self {
            fields: fields(config.field, config.fields)?,
            fresh: Duration::from_millis(config.ttl_ms.get()),
            entries: Entries::with_weighter(expected, bytes as u64, InBytes),
            most_bytes: bytes,
            least_weight: bytes.div_ceil(entries) as u64,
        })
    }

    fn enter<'a>(&self, context: &mut TermContext<'a>) -> Result<Enter<'a, Option<Key>>, Failure> {
        let Some(key) = self.key(context)? else {
            return Ok(Enter::Inside(None));
        };
        Ok(match self.find(&key) {
            Some(entry) => {
                report_timeslice(context.env(), copying(entry.bytes));
                Enter::AnswerWith(entry.result.copy_to(context.env()))
            }
            None => Enter::Inside(Some(key)),
        })
    }

    fn leave<'a>(
        &self,
        key: &mut Option<Key>,
        ended: Ended<'a>,
        context: &mut TermContext<'a>,
    ) -> Result<Leave<'a>, Failure> {
        if let (Some(key), Ended::Value(result)) = (key, ended)
            && let Some(bytes) = size_of_copy(result, self.most_kept(), None)
        {
            let entry = Entry {
                result: Arc::new(OwnedTerm::new(result)),
                // Beyond what the clock can tell, it is good for ever.
                until: Instant::now().checked_add(self.fresh),
                bytes: bytes as u64,
                weight: self.least_weight.max((key.len() + bytes + OVERHEAD) as u64),
            };
            self.entries.insert(Arc::clone(key), entry);
            report_timeslice(context.env(), copying(bytes as u64));
        }
        Ok(Leave::Pass)
    }
}

/// Nanoseconds that copying so many bytes takes, about: a process that does it often has to give way to
/// others.
fn copying(bytes: u64) -> u64 {
    bytes.saturating_mul(4)
}

/// The overhead of an entry beside its key and result: an environment of its own.
const OVERHEAD: usize = 512;

crate::register_arounds!(Cache);
