//! The kinds of values that terms hold.

use crate::around::{ConfiguredAround, Visit};
use crate::blocking::{BackgroundRun, ConfiguredAsyncHook};
use crate::circuit::SegmentCircuit;
use crate::hook::ConfiguredHook;
use crate::segment::MeteredSegment;
use crate::vm::ResourceType;
use rustler::{Decoder, Env, Error, NifResult, Term};

/// Declares the kinds, and reads an argument as a reference to the value that it holds.
macro_rules! kinds {
    ($($kind:ident: $value:ty = $name:literal,)*) => {
        $(
            pub(crate) static $kind: ResourceType<$value> = ResourceType::new($name);

            impl<'a> Decoder<'a> for &'a $value {
                fn decode(term: Term<'a>) -> NifResult<Self> {
                    $kind.held(term).ok_or(Error::BadArg)
                }
            }
        )*

        /// To be called by a library that calls `rustler::init!` itself, while it loads:
        ///
        /// ```ignore
        /// rustler::init!("Elixir.My.Hooks", load = pipeline_term::load);
        /// ```
        ///
        /// [`library!`](crate::library) does it by itself. `false` if the VM refuses.
        pub fn load(env: Env<'_>, _info: Term<'_>) -> bool {
            $($kind.open(env))&&*
        }
    };
}

kinds! {
    SEGMENTS: MeteredSegment = c"pipeline_term_segment",
    HOOKS: ConfiguredHook = c"pipeline_term_hook",
    AROUNDS: ConfiguredAround = c"pipeline_term_around",
    VISITS: Visit = c"pipeline_term_visit",
    ASYNC_HOOKS: ConfiguredAsyncHook = c"pipeline_term_async_hook",
    BACKGROUND_RUNS: BackgroundRun = c"pipeline_term_background_run",
    CIRCUITS: SegmentCircuit = c"pipeline_term_circuit",
}
