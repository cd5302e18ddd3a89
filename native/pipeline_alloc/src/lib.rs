//! The memory of a native library, counted.
//!
//! What a library allocates in Rust, the VM knows nothing of: `:erlang.memory/0` leaves it out, and what the
//! operating system has given the process also holds what the allocator keeps for later. [`Counting`] counts
//! what is alive, to the byte; [`live`] tells. The count begins when it is first asked for; until then it
//! costs a load and a branch.
//!
//! ```
//! use pipeline_alloc::{Counting, live};
//!
//! #[global_allocator]
//! static ALLOCATOR: Counting = Counting;
//!
//! let before = live();
//! let kept = vec![0_u8; 1000];
//! assert_eq!((live() - before).bytes, 1000);
//! drop(kept);
//! assert_eq!(live(), before);
//! ```

// `counting` is the one file that may.
#![deny(unsafe_code)]

#[allow(unsafe_code)]
mod counting;
mod live;
mod tally;

pub use counting::Counting;
pub use live::{Live, live};
