//! Reading manifests and code from BEAM files.

use std::path::{Path, PathBuf};

use pipeline_beam::{
    Code, Digest, Escaped, FoundFile, Limits, ReadError, Scan, ScanOptions, read_code, scan,
};
use rustler::{Atom, Binary, Encoder, Env, Error, LocalPid, NifResult, Reference, Term};

use crate::background::{self, Encode, ReplyTo};
use crate::hook_order::list;
use crate::manifest;

rustler::atoms! { error, ok }

/// Scans on threads of its own. Sends `{reference, :progress, done, all}` on the way, and in the end
/// `{reference, :done, {found, unreadable}}`.
#[rustler::nif]
fn discover<'a>(reply_to: LocalPid, reference: Reference<'a>, paths: Term<'a>) -> NifResult<Atom> {
    let paths = list::<Binary>(paths)?;
    let paths: Vec<PathBuf> = paths.iter().map(|bytes| path_of(bytes)).collect();
    background::run(ReplyTo::new(reply_to, reference), move |reply_to| {
        scan(&paths, &ScanOptions::default(), |so_far| {
            // As often as a person can see it, not for each of many thousand files.
            if so_far.done == so_far.total || so_far.done % 64 == 0 {
                reply_to.progress(so_far.done, so_far.total);
            }
        })
    })?;
    Ok(ok())
}

/// A path of any bytes. A scan reports a path that is not UTF-8.
#[cfg(unix)]
fn path_of(bytes: &[u8]) -> PathBuf {
    use std::os::unix::ffi::OsStrExt;
    std::ffi::OsStr::from_bytes(bytes).into()
}

#[cfg(not(unix))]
fn path_of(bytes: &[u8]) -> PathBuf {
    String::from_utf8_lossy(bytes).into_owned().into()
}

/// Reads the code of a plugin that was found. Sends `{reference, :done, {:ok, module, [{path, module beside
/// it}]}}` or `{:error, reason, sentence}` in place of that.
#[rustler::nif]
fn read_plugin_code<'a>(
    reply_to: LocalPid,
    reference: Reference<'a>,
    path: &str,
    digest: Binary<'a>,
) -> NifResult<Atom> {
    let path = PathBuf::from(path);
    let digest = Digest::try_from(&*digest).map_err(|_| Error::BadArg)?;
    background::run(ReplyTo::new(reply_to, reference), move |_| {
        read_code(&path, &digest, &Limits::default())
    })?;
    Ok(ok())
}

/// `{[{path, module, manifest, [{missing callback, arity}], digest}], [{path, reason, sentence}]}`
impl Encode for Scan {
    fn encode<'a>(&self, env: Env<'a>) -> Term<'a> {
        let found: Vec<_> = self
            .found
            .iter()
            .map(|found| found_file(env, found))
            .collect();
        let unreadable: Vec<_> = self
            .unreadable
            .iter()
            .map(|(path, error)| {
                (path_term(env, path), reason(env, error), sentence(error)).encode(env)
            })
            .collect();
        (found, unreadable).encode(env)
    }
}

fn found_file<'a>(env: Env<'a>, FoundFile { path, found }: &FoundFile) -> Term<'a> {
    (
        path_term(env, path),
        manifest::atom(env, &found.module),
        manifest::encode(env, &found.manifest),
        &found.missing_callbacks,
        manifest::binary(env, &found.digest),
    )
        .encode(env)
}

impl Encode for Result<Code, ReadError> {
    fn encode<'a>(&self, env: Env<'a>) -> Term<'a> {
        match self {
            Ok(Code { module, beside }) => {
                let beside: Vec<_> = beside
                    .iter()
                    .map(|(path, module)| (path_term(env, path), manifest::binary(env, module)))
                    .collect();
                (ok(), manifest::binary(env, module), beside).encode(env)
            }
            Err(cause) => (error(), reason(env, cause), sentence(cause)).encode(env),
        }
    }
}

/// The path itself, by which the file can be opened; escaped where no string of Elixir could hold it.
fn path_term<'a>(env: Env<'a>, path: &Path) -> Term<'a> {
    match path.to_str() {
        Some(text) => text.encode(env),
        None => Escaped::path(path).to_string().encode(env),
    }
}

/// One of a fixed set, so no input makes atoms.
fn reason(env: Env<'_>, error: &ReadError) -> Option<Atom> {
    Atom::from_str(env, error.reason()).ok()
}

/// Some quote what they are about, say a pattern.
fn sentence(error: &ReadError) -> String {
    Escaped::new(error.to_string().as_bytes()).to_string()
}
