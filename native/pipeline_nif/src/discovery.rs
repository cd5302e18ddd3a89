//! Reading manifests from BEAM files.

use std::path::PathBuf;

use pipeline_beam::{FoundFile, ReadError, Scan, ScanOptions, scan};
use rustler::{Atom, Encoder, Env, LocalPid, NifResult, Reference, Term};

use crate::background::{self, Encode, ReplyTo};
use crate::hook_order::list;
use crate::manifest;

rustler::atoms! { ok }

/// Scans on threads of its own. Sends `{reference, :progress, done, all}` on the way, and in the end
/// `{reference, :done, {found, unreadable}}`.
#[rustler::nif]
fn discover<'a>(reply_to: LocalPid, reference: Reference<'a>, paths: Term<'a>) -> NifResult<Atom> {
    let paths: Vec<PathBuf> = list::<&str>(paths)?
        .into_iter()
        .map(PathBuf::from)
        .collect();
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

/// `{[{path, module, manifest, [{missing callback, arity}]}], [{path, reason, sentence}]}`
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
            .map(|(path, error)| unreadable(env, path, error))
            .collect();
        (found, unreadable).encode(env)
    }
}

fn found_file<'a>(env: Env<'a>, FoundFile { path, found }: &FoundFile) -> Term<'a> {
    (
        path.to_string_lossy().as_ref(),
        manifest::atom(env, &found.module),
        manifest::encode(env, &found.manifest),
        &found.missing_callbacks,
    )
        .encode(env)
}

fn unreadable<'a>(env: Env<'a>, path: &std::path::Path, error: &ReadError) -> Term<'a> {
    // One of a fixed set, so no input makes atoms.
    let reason = Atom::from_str(env, error.reason());
    (
        path.to_string_lossy().as_ref(),
        reason.ok(),
        error.to_string(),
    )
        .encode(env)
}
