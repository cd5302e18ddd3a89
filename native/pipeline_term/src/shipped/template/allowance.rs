use crate::shipped::work_limit::WorkLimit;
use std::cell::Cell;
use std::panic::resume_unwind;
use std::time::Duration;

/// The work that a rendering may do: a unit for each byte of text that it takes out of a list or map, and
/// [`VISIT`] for each visit.
const UNITS: u64 = 32 * 1024 * 1024;
/// The units of a visit: some 2 million visits are allowed.
const VISIT: u64 = 16;
/// How long a rendering may take. Looked at whenever it visits an element or writes a value.
const TIME: Duration = Duration::from_secs(2);

thread_local! {
    static LEFT: Cell<Option<(u64, WorkLimit)>> = const { Cell::new(None) };
}

/// Thrown where a rendering has used up its allowance.
pub(super) struct UsedUp;

/// Renders with a fresh allowance. The rendering is one call on this thread.
pub(super) fn with_allowance<R>(render: impl FnOnce() -> R) -> R {
    // Reset also where it is thrown through.
    struct Reset;
    impl Drop for Reset {
        fn drop(&mut self) {
            LEFT.set(None);
        }
    }
    let _reset = Reset;
    LEFT.set(Some((UNITS, WorkLimit::new(TIME))));
    render()
}

/// Counts a visit to an element of so many bytes.
///
/// Throws [`UsedUp`] when nothing is left: `MiniJinja` walks a value without asking, and an error that an
/// iterator hands out does not end the walk.
pub(super) fn visit(bytes: usize) {
    if let Some((units, limit)) = LEFT.get() {
        let cost = u64::try_from(bytes)
            .unwrap_or(u64::MAX)
            .saturating_add(VISIT);
        let left = units.saturating_sub(cost);
        if left == 0 || limit.is_used_up() {
            // No panic: nothing is printed.
            resume_unwind(Box::new(UsedUp));
        }
        LEFT.set(Some((left, limit)));
    }
}
