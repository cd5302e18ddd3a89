//! Replacements for parts of rustler that are unsafe or slow: a term of one word, values held by terms, and
//! calls that go on on another scheduler. All `unsafe` of this crate stands here.
#![allow(unsafe_code)]

use rustler::codegen_runtime::NifReturned;
use rustler::sys::{
    ErlNifEnv, ErlNifResourceDtor, ErlNifResourceFlags, ErlNifResourceType, ErlNifResourceTypeInit,
    ErlNifTerm, enif_alloc_resource, enif_get_map_value, enif_get_resource,
    enif_init_resource_type, enif_make_map_put, enif_make_resource, enif_release_resource,
};
use rustler::types::atom;
use rustler::{Env, Error, NifResult, Resource, SchedulerFlags, Term};
use std::ffi::{CStr, c_int, c_void};
use std::marker::PhantomData;
use std::mem::MaybeUninit;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::ptr::{null, null_mut};
use std::sync::atomic::{AtomicPtr, Ordering};

/// A term without its environment: one word, where rustler's has three.
///
/// The terms handed on in every run are made of these. Rustler's terms are written word by word and then
/// copied two words at a time, on which the processor stalls: three such copies were a fourth of the cost of
/// an empty run.
#[derive(Clone, Copy)]
pub(crate) struct RawTerm<'a> {
    term: ErlNifTerm,
    env: PhantomData<Env<'a>>,
}

impl<'a> RawTerm<'a> {
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
        // SAFETY: `of` made it a term of an environment of the lifetime `'a`, in which `Env` is invariant,
        // and each environment that the VM hands to a call has a lifetime of its own.
        unsafe { Term::new(env, self.term) }
    }
}

// Reads and writes of maps, which rustler has too, with a term of three words in a `Result`.
impl<'a> RawTerm<'a> {
    /// The value under `key` in this map; `None` if it is not a map.
    #[inline]
    pub(crate) fn get(self, env: Env<'a>, key: Self) -> Option<Self> {
        let mut value = MaybeUninit::uninit();
        // SAFETY: the terms are of `env`, see `within`.
        let found =
            unsafe { enif_get_map_value(env.as_c_arg(), self.term, key.term, value.as_mut_ptr()) };
        (found != 0).then(|| Self {
            // SAFETY: it is written if the answer is not 0.
            term: unsafe { value.assume_init() },
            env: PhantomData,
        })
    }

    /// This map with `value` under `key`; nothing if it is no map.
    #[inline]
    pub(crate) fn put(self, env: Env<'a>, key: Self, value: Self) -> Option<Self> {
        let mut map = MaybeUninit::uninit();
        // SAFETY: as in `get`.
        let made = unsafe {
            enif_make_map_put(
                env.as_c_arg(),
                self.term,
                key.term,
                value.term,
                map.as_mut_ptr(),
            )
        };
        (made != 0).then(|| Self {
            // SAFETY: as in `get`.
            term: unsafe { map.assume_init() },
            env: PhantomData,
        })
    }
}

/// A kind of value that terms hold: what rustler calls a resource, without its look-up by type in a hash map,
/// which was a fifth of an empty run. It has to be opened while the library loads.
pub(crate) struct ResourceType<T> {
    name: &'static CStr,
    opened: AtomicPtr<ErlNifResourceType>,
    holds: PhantomData<T>,
}

const NOT_LOADED: &str = "pipeline_term was not loaded: call pipeline_term::library!, or \
    rustler::init! with load = pipeline_term::load";

impl<T: Send + Sync + 'static> ResourceType<T> {
    pub(crate) const fn new(name: &'static CStr) -> Self {
        Self {
            name,
            opened: AtomicPtr::new(null_mut()),
            holds: PhantomData,
        }
    }

    /// Makes the type known to the VM for as long as it lives; `false` if it will not have it.
    ///
    /// The VM frees the types of a module that is purged, and unmaps its library, once nothing of them is left;
    /// a function on a dirty scheduler goes on meanwhile, and would make a value of a type that is gone. So one
    /// value of each type is never given back.
    pub(crate) fn open(&self, env: Env<'_>) -> bool {
        // Only an environment of a library that is being loaded lets types be made, and rustler knows which
        // one is.
        if env.register::<Loading>().is_err() {
            return false;
        }
        let functions = ErlNifResourceTypeInit {
            dtor: drop_held::<T> as *const ErlNifResourceDtor,
            stop: null(),
            down: null(),
            members: 1,
            dyncall: null(),
        };
        let mut tried = ErlNifResourceFlags::ERL_NIF_RT_CREATE;
        // SAFETY: the library is being loaded; the name ends in 0; `functions` is as long as NIF 2.16 has it
        // and names one member that is there.
        let opened = unsafe {
            enif_init_resource_type(
                env.as_c_arg(),
                self.name.as_ptr(),
                &raw const functions,
                ErlNifResourceFlags::ERL_NIF_RT_CREATE,
                &raw mut tried,
            )
        };
        self.opened.store(opened.cast_mut(), Ordering::Release);
        if opened.is_null() {
            return false;
        }
        // SAFETY: the type is open. What is in the place is never read: no term makes it known, and it is dropped
        // when it is released, which it is not.
        let kept = unsafe { enif_alloc_resource(opened, size_of::<T>()) };
        !kept.is_null()
    }

    /// A term that holds `value`; an error if the type is not open.
    pub(crate) fn hold<'a>(&self, env: Env<'a>, value: T) -> NifResult<Term<'a>> {
        // The VM aligns resources for words.
        const { assert!(align_of::<T>() <= align_of::<usize>()) };
        let opened = self.opened.load(Ordering::Acquire);
        if opened.is_null() {
            return Err(Error::RaiseTerm(Box::new(NOT_LOADED)));
        }
        // SAFETY: the memory is as large as asked for, aligned, and of nobody else. It is filled before a
        // term makes it known, and from then on the term counts as its only reference.
        unsafe {
            let place = enif_alloc_resource(opened, size_of::<T>());
            place.cast::<T>().write(value);
            let term = enif_make_resource(env.as_c_arg(), place);
            enif_release_resource(place);
            Ok(Term::new(env, term))
        }
    }

    /// The value that an argument of a call holds.
    #[inline]
    pub(crate) fn held<'a>(&self, argument: Term<'a>) -> Option<&'a T> {
        let opened = self.opened.load(Ordering::Relaxed);
        if opened.is_null() {
            return None;
        }
        let mut place = null();
        // SAFETY: the term is of its environment, and the type is open: its pointer is not dereferenced here,
        // and what holds of a value of this type was made by `hold`.
        let found = unsafe {
            enif_get_resource(
                argument.get_env().as_c_arg(),
                argument.as_c_arg(),
                opened,
                &raw mut place,
            )
        };
        // SAFETY: `hold` put a `T` there, which is shared and stays as long as a term does that holds it:
        // longer than the call whose argument it is.
        (found != 0).then(|| unsafe { &*place.cast::<T>() })
    }
}

/// Drops what a term held.
unsafe extern "C" fn drop_held<T>(_env: *mut ErlNifEnv, place: *mut c_void) {
    // SAFETY: the VM calls this once, when no term is left, with what `hold` has filled.
    let dropped = AssertUnwindSafe(|| unsafe { place.cast::<T>().drop_in_place() });
    // There is nobody to tell.
    let _ = catch_unwind(dropped);
}

/// Held by no term: registering it tells whether a library is being loaded.
struct Loading;

impl Resource for Loading {}

/// How a call ends.
#[repr(u8)]
pub(crate) enum CallResult<'a> {
    /// With this value.
    Value(RawTerm<'a>),
    /// As wrong arguments do, by `ArgumentError`.
    BadArgument,
    /// Not yet: `resume` goes on with these arguments on a dirty scheduler.
    Dirty([RawTerm<'a>; RESUMED]),
}

/// How many arguments `resume` takes.
pub(crate) const RESUMED: usize = 5;

/// A function that the library exports, or one that goes on with its work.
pub(crate) trait NifFunction<const ARITY: usize> {
    /// Runs on a scheduler of the VM. A panic raises `nif_panicked`, as in functions made by rustler.
    fn call<'a>(env: Env<'a>, arguments: [Term<'a>; ARITY]) -> CallResult<'a>;
}

/// `C::call` as the VM calls it. Unlike what rustler makes of a function it takes no memory, and it can go on
/// elsewhere.
///
/// # Safety
/// To be called by the VM only, as a function of `ARITY` arguments.
pub(crate) unsafe extern "C" fn entry<const ARITY: usize, C: NifFunction<ARITY>>(
    env: *mut ErlNifEnv,
    _argc: c_int,
    argv: *const ErlNifTerm,
) -> ErlNifTerm {
    let lifetime = ();
    // SAFETY: the environment of this call, which ends after `lifetime` does; nothing else has that lifetime.
    let env = unsafe { Env::new(&lifetime, env) };
    // SAFETY: the VM passes as many terms of `env` as the function was exported or scheduled with.
    let arguments =
        unsafe { &*argv.cast::<[ErlNifTerm; ARITY]>() }.map(|term| unsafe { Term::new(env, term) });
    let returned = match catch_unwind(AssertUnwindSafe(|| C::call(env, arguments))) {
        Ok(CallResult::Value(raw)) => return raw.term,
        Ok(CallResult::BadArgument) => NifReturned::BadArg,
        Ok(CallResult::Dirty(arguments)) => NifReturned::Reschedule {
            fun_name: RESUME.to_owned(),
            flags: SchedulerFlags::DirtyCpu,
            fun: entry::<RESUMED, crate::segment::Resume>,
            args: arguments.map(|raw| raw.term).to_vec(),
        },
        Err(_) => NifReturned::Raise(atom::nif_panicked().as_c_arg()),
    };
    // SAFETY: the terms in it are of `env`, and it is the last thing that this call does.
    unsafe { returned.apply(env) }
}

/// The name that a run shows in a stack trace once it has moved.
const RESUME: &CStr = c"run_segment";

/// Exports a [`NifFunction`] from the libraries that link this crate.
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
