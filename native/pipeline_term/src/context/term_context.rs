#![allow(clippy::inline_always, reason = "measured, see overlay.rs")]

use super::overlay::{Branch, Lookup, OverlayWrite, is_nil};
use super::{ContextError, Key, Kind, Path, Value, WorkMeter};
use crate::data::{Data, DataError};
use crate::vm::RawTerm;
use rustler::{Binary, Encoder, Env, Term};

/// The caller's term with a write overlay.
///
/// Reads come from the caller's map without copying it; writes are collected, seen by later reads, and put
/// into the map once, by [`finish`](Self::finish). On the way to a field, `nil` counts as a map that is not
/// there.
pub struct TermContext<'a> {
    env: Env<'a>,
    original: RawTerm<'a>,
    is_map: bool,
    root: Branch<'a>,
    journal: Option<Journal<'a>>,
    work: WorkMeter,
}

/// The writes that undo those since a checkpoint.
struct Journal<'a> {
    len: usize,
    replaced: Vec<(usize, OverlayWrite<'a>)>,
}

impl<'a> TermContext<'a> {
    /// Over `term`. Any term will do; one that is no map fails at the first read or write.
    pub fn new(env: Env<'a>, term: Term<'a>) -> Self {
        Self::with_work(env, term, WorkMeter::counted())
    }

    #[inline(always)]
    pub(crate) fn with_work(env: Env<'a>, term: Term<'a>, work: WorkMeter) -> Self {
        let original = RawTerm::of(term, env);
        Self {
            env,
            original,
            is_map: term.is_map(),
            root: Branch::over(original),
            journal: None,
            work,
        }
    }

    #[inline(always)]
    pub(crate) fn work(&self) -> &WorkMeter {
        &self.work
    }

    /// The environment that the context's terms live in.
    pub fn env(&self) -> Env<'a> {
        self.env
    }

    /// The value of a field; `None` if there is none.
    ///
    /// # Errors
    /// If the context, or something on the way to the field, is no map.
    #[inline]
    pub fn get(&self, path: &Path) -> Result<Option<Term<'a>>, ContextError> {
        self.check_map()?;
        let found = match path.atom() {
            Some(atom) => self.root.find_atom(atom, self.env),
            None => match path.keys() {
                [key] => self.root.find(key, self.env),
                keys => return self.get_inside(path, keys),
            },
        };
        Ok(match found {
            Lookup::Term(term) => Some(term.within(self.env)),
            Lookup::Int(number) => Some(number.encode(self.env)),
            Lookup::Nothing => None,
            Lookup::Branch(branch) => Some(branch.merged(self.env).within(self.env)),
        })
    }

    fn get_inside(&self, path: &Path, keys: &[Key]) -> Result<Option<Term<'a>>, ContextError> {
        let mut branch = &self.root;
        for (index, key) in keys.iter().enumerate() {
            match branch.find(key, self.env) {
                Lookup::Branch(inner) => branch = inner,
                Lookup::Nothing => return Ok(None),
                Lookup::Int(number) => return descend(number.encode(self.env), path, index + 1),
                Lookup::Term(term) => return descend(term.within(self.env), path, index + 1),
            }
        }
        Ok(Some(branch.merged(self.env).within(self.env)))
    }

    /// The value of a field that holds an integer; `None` if there is no field.
    ///
    /// # Errors
    /// As [`get`](Self::get), and if the field holds anything but an integer of 64 bits.
    #[inline(always)]
    pub fn get_int(&self, path: &Path) -> Result<Option<i64>, ContextError> {
        if let Some(atom) = path.atom()
            && self.is_map
        {
            match self.root.find_atom(atom, self.env) {
                Lookup::Int(number) => return Ok(Some(number)),
                Lookup::Term(term) => {
                    if let Ok(number) = term.within(self.env).decode() {
                        return Ok(Some(number));
                    }
                }
                Lookup::Branch(_) | Lookup::Nothing => {}
            }
        }
        self.get_other_int(path)
    }

    /// An integer that is not there, lies deeper, or is none.
    fn get_other_int(&self, path: &Path) -> Result<Option<i64>, ContextError> {
        let Some(term) = self.get(path)? else {
            return Ok(None);
        };
        match term.decode() {
            Ok(number) => Ok(Some(number)),
            Err(_) => Err(wrong_type(path, "an integer of at most 64 bits", term)),
        }
    }

    /// The text of a field, not copied; `None` if there is no field.
    ///
    /// # Errors
    /// As [`get`](Self::get), and if the field holds anything but a binary of valid UTF-8.
    pub fn get_text(&self, path: &Path) -> Result<Option<&'a str>, ContextError> {
        let Some(term) = self.get(path)? else {
            return Ok(None);
        };
        let bytes = self.bytes_of(path, term)?;
        match std::str::from_utf8(bytes) {
            Ok(text) => Ok(Some(text)),
            Err(_) => Err(wrong_type(path, "a string of valid UTF-8", term)),
        }
    }

    /// The bytes of a field, not copied; `None` if there is no field.
    ///
    /// # Errors
    /// As [`get`](Self::get), and if the field holds anything but a binary.
    pub fn get_bytes(&self, path: &Path) -> Result<Option<&'a [u8]>, ContextError> {
        self.get(path)?
            .map(|term| self.bytes_of(path, term))
            .transpose()
    }

    fn bytes_of(&self, path: &Path, term: Term<'a>) -> Result<&'a [u8], ContextError> {
        let binary = Binary::from_term(term).map_err(|_| wrong_type(path, "a string", term))?;
        self.work.add_bytes(binary.len());
        Ok(binary.as_slice())
    }

    /// How many bytes the binaries in these fields have, as far as that is more than `most`: for
    /// [`NativeHook::is_long`](crate::NativeHook::is_long). What is no binary counts for nothing.
    pub fn bytes_in(&self, paths: &[Path], most: usize) -> usize {
        let mut bytes = 0_usize;
        for path in paths {
            if let Ok(Some(term)) = self.get(path)
                && let Ok(binary) = Binary::from_term(term)
            {
                bytes = bytes.saturating_add(binary.len());
                if bytes > most {
                    break;
                }
            }
        }
        bytes
    }

    /// The text of a field that has to be there.
    ///
    /// # Errors
    /// As [`get_text`](Self::get_text), and if there is no field.
    pub fn text(&self, path: &Path) -> Result<&'a str, ContextError> {
        self.get_text(path)?
            .ok_or_else(|| ContextError::Missing { at: path.clone() })
    }

    /// A copy of a field as plain data; `None` if there is none.
    ///
    /// # Errors
    /// As [`get`](Self::get), and if the field holds what is no plain data.
    pub fn get_data(&self, path: &Path) -> Result<Option<Data>, ContextError> {
        self.work.add(WorkMeter::DATA);
        self.get(path)?
            .map(|term| Data::from_term(term).map_err(|source| no_term(path, source)))
            .transpose()
    }

    /// Writes a field; maps on the way to it that are not there are made.
    ///
    /// # Errors
    /// If the context, or something on the way to the field, is no map, or the value has no term.
    #[inline(always)]
    pub fn put<'v>(
        &mut self,
        path: &Path,
        value: impl Into<Value<'v, 'a>>,
    ) -> Result<(), ContextError> {
        match value.into() {
            Value::Int(number) => self.put_int(path, number),
            Value::Term(term) => self.put_term(path, RawTerm::of(term, self.env)),
            other => self.put_value(path, other),
        }
    }

    fn put_value(&mut self, path: &Path, value: Value<'_, 'a>) -> Result<(), ContextError> {
        match value {
            Value::Text(text) => self.work.add_bytes(text.len()),
            Value::Bytes(bytes) => self.work.add_bytes(bytes.len()),
            Value::Data(_) => self.work.add(WorkMeter::DATA),
            _ => {}
        }
        match value.to_term(self.env) {
            Ok(term) => self.put_term(path, RawTerm::of(term, self.env)),
            Err(source) => Err(no_term(path, source)),
        }
    }

    #[inline(always)]
    fn put_term(&mut self, path: &Path, term: RawTerm<'a>) -> Result<(), ContextError> {
        match path.atom() {
            Some(atom) if self.is_map && self.journal.is_none() => {
                self.root.put(atom, term);
                Ok(())
            }
            _ => self.write(path, OverlayWrite::Put(term)),
        }
    }

    #[inline(always)]
    fn put_int(&mut self, path: &Path, number: i64) -> Result<(), ContextError> {
        match path.atom() {
            Some(atom) if self.is_map && self.journal.is_none() => {
                self.root.put_int(atom, number);
                Ok(())
            }
            _ => self.write(path, OverlayWrite::Int(number)),
        }
    }

    /// Removes a field; nothing happens if there is none.
    ///
    /// # Errors
    /// If the context, or something on the way to the field, is no map.
    pub fn remove(&mut self, path: &Path) -> Result<(), ContextError> {
        match self.get(path)? {
            Some(_) => self.write(path, OverlayWrite::Removed),
            None => Ok(()),
        }
    }

    /// The context with all writes in it; the caller's own term if there were none.
    pub fn finish(&self) -> Term<'a> {
        self.written().within(self.env)
    }

    #[inline]
    pub(crate) fn written(&self) -> RawTerm<'a> {
        if self.root.len() == 0 {
            self.original
        } else {
            self.root.merged(self.env)
        }
    }

    /// Remembers the writes up to here, so that [`rollback`](Self::rollback) can return to them. Replaces an
    /// earlier checkpoint.
    pub fn checkpoint(&mut self) {
        self.journal = Some(Journal {
            len: self.root.len(),
            replaced: Vec::new(),
        });
    }

    /// Keeps the writes since the checkpoint and forgets it.
    pub fn commit(&mut self) {
        self.journal = None;
    }

    /// Undoes all writes since the checkpoint and forgets it; does nothing without one.
    pub fn rollback(&mut self) {
        let Some(journal) = self.journal.take() else {
            return;
        };
        for (index, slot) in journal.replaced.into_iter().rev() {
            self.root.restore(index, slot);
        }
        self.root.truncate(journal.len);
    }

    #[inline(always)]
    fn check_map(&self) -> Result<(), ContextError> {
        if self.is_map {
            Ok(())
        } else {
            Err(not_a_map(self.original.within(self.env)))
        }
    }

    fn write(&mut self, path: &Path, slot: OverlayWrite<'a>) -> Result<(), ContextError> {
        self.check_map()?;
        if let [key] = path.keys() {
            let index = self.journal.as_ref().and_then(|_| self.root.written(key));
            let replaced = self.root.set(key, slot);
            if let (Some(journal), Some(index), Some(replaced)) =
                (&mut self.journal, index, replaced)
            {
                journal.replaced.push((index, replaced));
            }
            return Ok(());
        }
        self.write_inside(path, path.keys(), slot)
    }

    fn write_inside(
        &mut self,
        path: &Path,
        keys: &[Key],
        slot: OverlayWrite<'a>,
    ) -> Result<(), ContextError> {
        let [parents @ .., last] = keys else {
            return Ok(());
        };
        if let (Some(journal), Some(first)) = (&mut self.journal, parents.first())
            && let Some(index) = self.root.written(first)
        {
            journal.replaced.push((index, self.root.slot(index)));
        }
        let mut branch = &mut self.root;
        for (index, key) in parents.iter().enumerate() {
            branch = branch
                .inside(key, self.env)
                .map_err(|term| no_fields(path, index + 1, term))?;
        }
        branch.set(last, slot);
        Ok(())
    }
}

/// The value at the end of `path` inside `term`, to which its first `done` keys have led.
fn descend<'a>(
    mut term: Term<'a>,
    path: &Path,
    done: usize,
) -> Result<Option<Term<'a>>, ContextError> {
    for (index, key) in path.keys().iter().enumerate().skip(done) {
        if let Ok(inner) = term.map_get(key) {
            term = inner;
        } else if term.is_map() || is_nil(term) {
            return Ok(None);
        } else {
            return Err(no_fields(path, index, term));
        }
    }
    Ok(Some(term))
}

// Errors are made out of line, so that the reads and writes that succeed stay short.
#[cold]
fn not_a_map(term: Term<'_>) -> ContextError {
    ContextError::NotAMap {
        found: Kind::of(term),
    }
}

#[cold]
fn no_term(path: &Path, source: DataError) -> ContextError {
    ContextError::Data {
        at: path.clone(),
        source,
    }
}

#[cold]
fn no_fields(path: &Path, done: usize, term: Term<'_>) -> ContextError {
    ContextError::NoFields {
        at: path.first(done),
        found: Kind::of(term),
    }
}

#[cold]
fn wrong_type(path: &Path, expected: &'static str, term: Term<'_>) -> ContextError {
    ContextError::WrongType {
        at: path.clone(),
        expected,
        found: Kind::of(term),
    }
}
