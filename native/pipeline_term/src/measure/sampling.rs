/// Runs that are timed before only some are.
const FIRST: u64 = 64;
/// Of so many runs one is timed after that.
const EVERY: u64 = 64;

/// Whether the run before which `counted` were counted is timed, hook by hook.
#[inline]
pub(crate) fn is_sampled(counted: u64) -> bool {
    counted < FIRST || counted.is_multiple_of(EVERY)
}

#[cfg(test)]
mod tests {
    use super::is_sampled;

    #[test]
    fn the_first_runs_and_then_some() {
        assert_eq!((0..64_000).filter(|n| is_sampled(*n)).count(), 64 + 999);
    }
}
