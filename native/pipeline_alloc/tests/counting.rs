//! What is alive, in a program whose allocator counts. One test: another at the same time would be counted
//! with it.

use std::alloc::{Layout, alloc_zeroed, dealloc};
use std::sync::mpsc::channel;
use std::thread;

use pipeline_alloc::{Counting, Live, live};

#[global_allocator]
static ALLOCATOR: Counting = Counting;

fn main() {
    // What nextest asks first.
    if std::env::args().any(|argument| argument == "--list") {
        if !std::env::args().any(|argument| argument == "--ignored") {
            println!("counting: test");
        }
        return;
    }
    begins_when_it_is_asked_for();
    is_counted_by_size();
    follows_a_block_that_grows_and_shrinks();
    is_counted_zeroed_and_aligned();
    is_told_of_what_another_thread_frees();
    is_counted_with_more_threads_than_have_a_place();
}

#[track_caller]
fn more(before: Live, bytes: i64, blocks: i64) {
    assert_eq!(live() - before, Live { bytes, blocks });
}

fn begins_when_it_is_asked_for() {
    let earlier = Box::new([0_u8; 100]);
    assert_eq!(
        live(),
        Live {
            bytes: 0,
            blocks: 0
        }
    );
    drop(earlier);
    assert_eq!(
        live(),
        Live {
            bytes: -100,
            blocks: -1
        }
    );
}

fn is_counted_by_size() {
    let before = live();
    let one = Box::new([0_u64; 10]);
    let other = vec![1_u8; 33];
    more(before, 80 + 33, 2);
    drop(one);
    more(before, 33, 1);
    drop(other);
    more(before, 0, 0);
}

fn follows_a_block_that_grows_and_shrinks() {
    let before = live();
    let mut bytes = Vec::<u8>::with_capacity(10);
    bytes.reserve_exact(100_000);
    more(before, 100_000, 1);
    bytes.shrink_to(64);
    more(before, 64, 1);
    drop(bytes);
    more(before, 0, 0);
}

fn is_counted_zeroed_and_aligned() {
    let before = live();
    let layout = Layout::from_size_align(4096, 1024).unwrap();
    // SAFETY: the layout has a size, and the block is freed with it.
    unsafe {
        let block = alloc_zeroed(layout);
        assert!(!block.is_null());
        assert_eq!(block.align_offset(1024), 0);
        more(before, 4096, 1);
        dealloc(block, layout);
    }
    more(before, 0, 0);
}

fn is_told_of_what_another_thread_frees() {
    let before = live();
    let (send, receive) = channel::<Vec<u8>>();
    let thread = thread::spawn(move || receive.iter().map(|bytes| bytes.len()).sum::<usize>());
    for size in 1..=1000 {
        send.send(vec![0; size]).unwrap();
    }
    drop(send);
    assert_eq!(thread.join().unwrap(), 500_500);
    more(before, 0, 0);
}

fn is_counted_with_more_threads_than_have_a_place() {
    let before = live();
    let kept: Vec<Box<[u8; 24]>> = thread::scope(|scope| {
        let threads: Vec<_> = (0..100)
            .map(|_| scope.spawn(|| Box::new([7; 24])))
            .collect();
        threads
            .into_iter()
            .map(|thread| thread.join().unwrap())
            .collect()
    });
    let list = i64::try_from(kept.capacity() * size_of::<Box<[u8; 24]>>()).unwrap();
    more(before, 100 * 24 + list, 101);
    drop(kept);
    more(before, 0, 0);
}
