//! The writes to one map, and to the maps inside it.
//!
//! A vector searched from the front: a run writes a handful of fields, and comparing atoms costs less than
//! hashing them. The first few take no memory. Terms are made when they are written, since a later hook reads
//! terms; what waits for the end is the map, which would be copied at every write otherwise, and integers,
//! which hooks count with.
//!
//! The way of a read or write of one key is inlined by force, and the enums here have a tag of their
//! own (`repr(u8)`). Otherwise the tag goes into the spare values of a byte inside rustler's term, whose
//! neighbours are then copied in overlapping pieces, and the processor stalls on each: that was most of the
//! cost of a hook.
#![allow(clippy::inline_always, reason = "measured, see above")]

use super::Key;
use crate::vm::RawTerm;
use rustler::{Atom, Encoder, Env, Term};
use smallvec::SmallVec;

/// How many writes to a map take no memory.
const INLINE: usize = 4;

/// A map of the caller's, or one that does not exist yet, with the writes to it.
#[derive(Clone)]
pub(super) struct Branch<'a> {
    base: RawTerm<'a>,
    writes: SmallVec<[(Key, OverlayWrite<'a>); INLINE]>,
}

/// A write under a key.
#[derive(Clone)]
#[repr(u8)]
pub(super) enum OverlayWrite<'a> {
    Put(RawTerm<'a>),
    /// An integer that nobody has asked for as a term.
    Int(i64),
    Removed,
    /// Something inside the map under the key.
    Inside(Box<Branch<'a>>),
}

/// The value under a key, with the writes counted in.
#[repr(u8)]
pub(super) enum Lookup<'o, 'a> {
    Term(RawTerm<'a>),
    Int(i64),
    Branch(&'o Branch<'a>),
    Nothing,
}

impl<'a> Branch<'a> {
    /// Over `base`, which has to be a map.
    #[inline(always)]
    pub(super) fn over(base: RawTerm<'a>) -> Self {
        Self {
            base,
            writes: SmallVec::new(),
        }
    }

    pub(super) fn find(&self, key: &Key, env: Env<'a>) -> Lookup<'_, 'a> {
        match self.written(key).map(|index| &self.writes[index].1) {
            Some(slot) => slot.found(),
            None => self.found_in_base(env, key.raw(env)),
        }
    }

    /// As [`find`](Self::find), for an atom.
    #[inline(always)]
    pub(super) fn find_atom(&self, atom: Atom, env: Env<'a>) -> Lookup<'_, 'a> {
        let mut writes = self.writes.iter();
        match writes.find(|(key, _)| matches!(key, Key::Atom(written) if *written == atom)) {
            Some((_, slot)) => slot.found(),
            None => self.found_in_base(env, RawTerm::of(atom.to_term(env), env)),
        }
    }

    #[inline]
    fn found_in_base(&self, env: Env<'a>, key: RawTerm<'a>) -> Lookup<'_, 'a> {
        match self.base.get(env, key) {
            Some(term) => Lookup::Term(term),
            None => Lookup::Nothing,
        }
    }

    /// Where `key` stands among the writes.
    pub(super) fn written(&self, key: &Key) -> Option<usize> {
        self.writes.iter().position(|(written, _)| written == key)
    }

    /// Writes an integer and forgets what it replaced. Where one stands already only its word is written: a
    /// slot made on the stack and copied stalls the processor, see above.
    #[inline(always)]
    pub(super) fn put_int(&mut self, atom: Atom, number: i64) {
        match self.slot_of(atom) {
            Some(OverlayWrite::Int(old)) => *old = number,
            Some(slot) => *slot = OverlayWrite::Int(number),
            None => self
                .writes
                .push((Key::Atom(atom), OverlayWrite::Int(number))),
        }
    }

    /// Writes a term and forgets what it replaced.
    #[inline(always)]
    pub(super) fn put(&mut self, atom: Atom, term: RawTerm<'a>) {
        match self.slot_of(atom) {
            Some(OverlayWrite::Put(old)) => *old = term,
            Some(slot) => *slot = OverlayWrite::Put(term),
            None => self.writes.push((Key::Atom(atom), OverlayWrite::Put(term))),
        }
    }

    #[inline(always)]
    fn slot_of(&mut self, atom: Atom) -> Option<&mut OverlayWrite<'a>> {
        let mut writes = self.writes.iter_mut();
        writes
            .find(|(key, _)| matches!(key, Key::Atom(written) if *written == atom))
            .map(|(_, slot)| slot)
    }

    /// Writes `slot`, and returns what it replaced.
    pub(super) fn set(&mut self, key: &Key, slot: OverlayWrite<'a>) -> Option<OverlayWrite<'a>> {
        if let Some(index) = self.written(key) {
            Some(std::mem::replace(&mut self.writes[index].1, slot))
        } else {
            self.writes.push((key.clone(), slot));
            None
        }
    }

    /// The write at `index`, copied.
    pub(super) fn slot(&self, index: usize) -> OverlayWrite<'a> {
        self.writes[index].1.clone()
    }

    pub(super) fn len(&self) -> usize {
        self.writes.len()
    }

    /// Back to `len` writes, the one at `index` as it was.
    pub(super) fn restore(&mut self, index: usize, slot: OverlayWrite<'a>) {
        if let Some(write) = self.writes.get_mut(index) {
            write.1 = slot;
        }
    }

    pub(super) fn truncate(&mut self, len: usize) {
        self.writes.truncate(len);
    }

    /// The writes to the map under `key`, made if there are none; `Err` with the term there that is no map.
    pub(super) fn inside(&mut self, key: &Key, env: Env<'a>) -> Result<&mut Self, Term<'a>> {
        let base = match self.find(key, env) {
            Lookup::Branch(_) => None,
            Lookup::Nothing => Some(Term::map_new(env)),
            Lookup::Int(number) => return Err(number.encode(env)),
            Lookup::Term(raw) => match raw.within(env) {
                term if term.is_map() => Some(term),
                term if is_nil(term) => Some(Term::map_new(env)),
                term => return Err(term),
            },
        };
        if let Some(map) = base {
            let branch = Self::over(RawTerm::of(map, env));
            self.set(key, OverlayWrite::Inside(Box::new(branch)));
        }
        let index = self.written(key);
        match index.map(|index| &mut self.writes[index].1) {
            Some(OverlayWrite::Inside(branch)) => Ok(branch),
            _ => unreachable!("a branch was found or has just been written under this key"),
        }
    }

    /// The map with all writes in it. Recurses as deep as the longest path, which is bounded.
    pub(super) fn merged(&self, env: Env<'a>) -> RawTerm<'a> {
        let mut map = self.base;
        for (key, slot) in &self.writes {
            let value = match slot {
                OverlayWrite::Put(term) => *term,
                OverlayWrite::Int(number) => RawTerm::of(number.encode(env), env),
                // The write inside was refused.
                OverlayWrite::Inside(branch) if branch.writes.is_empty() => continue,
                OverlayWrite::Inside(branch) => branch.merged(env),
                OverlayWrite::Removed => {
                    if let Ok(without) = map.within(env).map_remove(key) {
                        map = RawTerm::of(without, env);
                    }
                    continue;
                }
            };
            // Nothing comes back for what is no map, and every branch stands over a map.
            map = map.put(env, key.raw(env), value).unwrap_or(map);
        }
        map
    }
}

impl<'a> OverlayWrite<'a> {
    #[inline(always)]
    fn found(&self) -> Lookup<'_, 'a> {
        match self {
            Self::Put(term) => Lookup::Term(*term),
            Self::Int(number) => Lookup::Int(*number),
            Self::Removed => Lookup::Nothing,
            Self::Inside(branch) => Lookup::Branch(branch),
        }
    }
}

/// Whether a term is `nil`, which stands for a map that is not there yet.
pub(super) fn is_nil(term: Term<'_>) -> bool {
    term.as_c_arg() == rustler::types::atom::nil().as_c_arg()
}
