use rustler::Env;
use rustler::schedule::consume_timeslice;

/// The timeslice of a process on a scheduler, in nanoseconds: 1 ms, as the VM's documentation has it.
const TIMESLICE: u64 = 1_000_000;

/// Tells the VM that a call has kept a normal scheduler for so many nanoseconds. Less than a hundredth of a
/// time slice is not worth it.
pub(crate) fn report_timeslice(env: Env<'_>, time: u64) {
    let percent = time / (TIMESLICE / 100);
    if percent > 0 {
        // Whether the slice is used up is for callers that would stop there; the VM takes the process off by
        // itself.
        let _ = consume_timeslice(env, i32::try_from(percent.min(100)).unwrap_or(100));
    }
}
