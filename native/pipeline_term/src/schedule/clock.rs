use std::sync::LazyLock;
use std::time::Instant;

/// A time in one word: nanoseconds since the clock was first read, from 1 on.
pub(crate) fn now() -> u64 {
    static START: LazyLock<Instant> = LazyLock::new(Instant::now);
    u64::try_from(START.elapsed().as_nanos()).unwrap_or(u64::MAX - 1) + 1
}
