/// The stack that a deep call may use. Only pages that are touched take memory.
const SIZE: usize = 16 * 1024 * 1024;

/// Calls `f` on a stack of its own.
///
/// Dirty schedulers have stacks of 328 KiB, and crates that recurse are written for megabytes: a JSON Schema
/// validator goes as deep as the schema times the value, parsers of patterns and templates as deep as these
/// are nested. An overflow would take the VM with it. The change of stacks costs some microseconds.
pub(crate) fn on_deep_stack<R>(f: impl FnOnce() -> R) -> R {
    stacker::grow(SIZE, f)
}

/// Calls `f` on a stack of so many bytes, for a recursion whose depth is known to need more.
#[cfg(feature = "template")]
pub(crate) fn on_stack_of<R>(bytes: usize, f: impl FnOnce() -> R) -> R {
    stacker::grow(bytes, f)
}

/// The stack that has to be left for one more level of a recursion of our own; unoptimised, one took 12 KiB.
const RED_ZONE: usize = 64 * 1024;

/// Calls `f` where the stack is, and on a new one if little of that is left: for each level of a bounded
/// recursion that is rarely deep. Asking costs a nanosecond or two.
pub(crate) fn with_stack_for_a_level<R>(f: impl FnOnce() -> R) -> R {
    stacker::maybe_grow(RED_ZONE, SIZE, f)
}

#[cfg(test)]
mod tests {
    use super::{on_deep_stack, with_stack_for_a_level};
    use std::hint::black_box;

    fn dive(depth: usize) -> usize {
        let frame = black_box([depth; 128]);
        if depth == 0 {
            frame.len()
        } else {
            dive(depth - 1) + black_box(frame)[0] - depth
        }
    }

    #[test]
    fn a_call_may_go_deeper_than_its_thread_allows() {
        let small = std::thread::Builder::new()
            .stack_size(256 * 1024)
            .spawn(|| on_deep_stack(|| dive(2000)));
        assert_eq!(small.unwrap().join().unwrap(), 128);
    }

    fn dive_by_levels(depth: usize) -> usize {
        let frame = black_box([depth; 128]);
        if depth == 0 {
            return frame.len();
        }
        with_stack_for_a_level(|| dive_by_levels(depth - 1) + black_box(frame)[0] - depth)
    }

    #[test]
    fn a_recursion_finds_room_for_each_level() {
        let small = std::thread::Builder::new()
            .stack_size(256 * 1024)
            .spawn(|| dive_by_levels(2000));
        assert_eq!(small.unwrap().join().unwrap(), 128);
    }
}
