//! What rustler has no safe form for: a term of one word, and a function of the VM's that can go on elsewhere. All
//! `unsafe` of this crate stands here.
#![allow(unsafe_code)]

use rustler::codegen_runtime::NifReturned;
use rustler::sys::{ErlNifEnv, ErlNifTerm};
use rustler::types::atom;
use rustler::{Env, SchedulerFlags, Term};
use std::ffi::{CStr, c_int};
use std::marker::PhantomData;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// A term without its environment: one word, where rustler's has three.
#[derive(Clone, Copy)]
pub(crate) struct Bare<'a> {
    term: ErlNifTerm,
    env: PhantomData<Env<'a>>,
}

impl<'a> Bare<'a> {
    /// `term`, copied into `env` if it is of another.
    #[inline]
    pub(crate) fn of(term: Term<'a>, env: Env<'a>) -> Self {
        Self {
            term: term.in_env(env).as_c_arg(),
            env: PhantomData,
        }
    }

    /// The term in the environment that it was made for.
    #[inline]
    pub(crate) fn within(self, env: Env<'a>) -> Term<'a> {
        // SAFETY: `of` made it a term of an environment of the lifetime `'a`, in which `Env` is invariant, and each
        // environment that the VM hands to a call has a lifetime of its own.
        unsafe { Term::new(env, self.term) }
    }
}

/// How a call ends.
pub(crate) enum Departure<'a> {
    /// With this value.
    Value(Term<'a>),
    /// As wrong arguments do, by `ArgumentError`.
    BadArgument,
    /// Not yet: `resume` goes on with these arguments on a dirty scheduler.
    Dirty([Term<'a>; RESUMED]),
}

/// How many arguments `resume` takes.
pub(crate) const RESUMED: usize = 5;

/// A function that the library exports, or one that goes on with its work.
pub(crate) trait Call<const ARITY: usize> {
    /// Runs on a scheduler of the VM. A panic raises `nif_panicked`, as in functions made by rustler.
    fn call<'a>(env: Env<'a>, arguments: [Term<'a>; ARITY]) -> Departure<'a>;
}

/// `C::call` as the VM calls it. Unlike what rustler makes of a function it takes no memory, and it can go on
/// elsewhere.
///
/// # Safety
/// To be called by the VM only, as a function of `ARITY` arguments.
pub(crate) unsafe extern "C" fn entry<const ARITY: usize, C: Call<ARITY>>(
    env: *mut ErlNifEnv,
    _argc: c_int,
    argv: *const ErlNifTerm,
) -> ErlNifTerm {
    let lifetime = ();
    // SAFETY: the environment of this call, which ends after `lifetime` does; nothing else has that lifetime.
    let env = unsafe { Env::new(&lifetime, env) };
    // SAFETY: the VM passes as many terms of `env` as the function was exported or scheduled with.
    let arguments = unsafe { &*argv.cast::<[ErlNifTerm; ARITY]>() }
        .map(|term| unsafe { Term::new(env, term) });
    let returned = match catch_unwind(AssertUnwindSafe(|| C::call(env, arguments))) {
        Ok(Departure::Value(term)) => return term.as_c_arg(),
        Ok(Departure::BadArgument) => NifReturned::BadArg,
        Ok(Departure::Dirty(arguments)) => NifReturned::Reschedule {
            fun_name: RESUME.to_owned(),
            flags: SchedulerFlags::DirtyCpu,
            fun: entry::<RESUMED, crate::segment::Resume>,
            args: arguments.map(|term| term.as_c_arg()).to_vec(),
        },
        Err(_) => NifReturned::Raise(atom::nif_panicked().as_c_arg()),
    };
    // SAFETY: the terms in it are of `env`, and it is the last thing that this call does.
    unsafe { returned.apply(env) }
}

/// The name that a run shows in a stack trace once it has moved.
const RESUME: &CStr = c"run_segment";

/// Exports a [`Call`] from the libraries that link this crate.
macro_rules! export {
    ($name:literal, $arity:literal, $scheduler:ident, $call:ty) => {
        $crate::inventory::submit! {
            $crate::rustler::Nif {
                name: $name.as_ptr(),
                arity: $arity,
                flags: $crate::rustler::SchedulerFlags::$scheduler as std::ffi::c_uint,
                raw_func: $crate::vm::entry::<$arity, $call>,
            }
        }
    };
}

pub(crate) use export;
