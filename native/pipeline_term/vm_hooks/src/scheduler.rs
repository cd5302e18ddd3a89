//! Which kind of thread of the VM's this is. The one file of this crate with `unsafe`.
#![allow(unsafe_code)]

use pipeline_term::rustler::sys::enif_thread_type;

pub(crate) fn scheduler() -> &'static str {
    // SAFETY: it may be called from any thread and touches nothing.
    match unsafe { enif_thread_type() } {
        1 => "normal",
        2 => "dirty",
        _ => "other",
    }
}
