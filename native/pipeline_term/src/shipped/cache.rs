use super::fields::fields;
use crate::around::{Ended, Enter, Leave, NativeAround};
use crate::context::{Path, TermContext};
use crate::failure::Failure;
use crate::hook::ConfigError;
use crate::owned_term::OwnedTerm;
use quick_cache::UnitWeighter;
use quick_cache::sync::Cache as Entries;
use rustler::{Encoder, Term};
use serde::Deserialize;
use std::num::{NonZeroU64, NonZeroUsize};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// `cache`: keeps results by the values of some fields, and answers with them while they are fresh. A failure is not
/// kept. Two runs that ask for the same at once both go inside.
///
/// What it keeps goes with the hook: an unloaded plugin leaves nothing behind.
struct Cache {
    fields: Vec<Path>,
    fresh: Duration,
    entries: Entries<Key, Entry>,
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
}

impl Cache {
    fn key(&self, context: &TermContext<'_>) -> Result<Key, Failure> {
        let values = self
            .fields
            .iter()
            // A list, so that a field that is not there differs from one that is nil.
            .map(|path| Ok(context.get(path)?.into_iter().collect()))
            .collect::<Result<Vec<Vec<Term<'_>>>, Failure>>()?;
        Ok(values.encode(context.env()).to_binary().as_slice().into())
    }

    fn find(&self, key: &Key) -> Option<Arc<OwnedTerm>> {
        let entry = self.entries.get(key)?;
        if entry.until.is_none_or(|until| Instant::now() < until) {
            return Some(entry.result);
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
    type Config = CacheConfig;
    /// What the result is to be kept under.
    type State = Key;

    fn configure(config: CacheConfig) -> Result<Self, ConfigError> {
        let most = config.max_entries.get();
        Ok(Self {
            fields: fields(config.field, config.fields)?,
            fresh: Duration::from_millis(config.ttl_ms.get()),
            entries: Entries::with_weighter(EXPECTED.min(most), most as u64, UnitWeighter),
        })
    }

    fn enter<'a>(&self, context: &mut TermContext<'a>) -> Result<Enter<'a, Key>, Failure> {
        let key = self.key(context)?;
        Ok(match self.find(&key) {
            Some(result) => Enter::AnswerWith(result.copy_to(context.env())),
            None => Enter::Inside(key),
        })
    }

    fn leave<'a>(
        &self,
        key: &mut Key,
        ended: Ended<'a>,
        _context: &mut TermContext<'a>,
    ) -> Result<Leave<'a>, Failure> {
        if let Ended::Value(result) = ended {
            let entry = Entry {
                result: Arc::new(OwnedTerm::new(result)),
                // Beyond what the clock can tell, it is good for ever.
                until: Instant::now().checked_add(self.fresh),
            };
            self.entries.insert(Arc::clone(key), entry);
        }
        Ok(Leave::Pass)
    }
}

crate::register_arounds!(Cache);
