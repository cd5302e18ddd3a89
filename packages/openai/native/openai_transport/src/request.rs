//! The functions that start, feed and end a request.

use crate::exchange::exchange;
use crate::failure::Failure;
use crate::mailbox::Mailbox;
use crate::options::Options;
use bytes::Bytes;
use futures_util::FutureExt;
use pipeline_term::{Data, spawn};
use rustler::{Binary, Encoder, Env, LocalPid, Monitor, Reference, Resource, ResourceArc, Term};
use serde::Deserialize;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use tokio::task::AbortHandle;

rustler::atoms! { ok, error }

/// A request that runs. It ends when the last reference to it goes.
struct Request {
    task: AbortHandle,
    caller: Arc<Mailbox>,
}

#[rustler::resource_impl]
impl Resource for Request {
    const IMPLEMENTS_DOWN: bool = true;

    /// The caller is gone.
    fn down<'a>(&'a self, _env: Env<'a>, _pid: LocalPid, _monitor: Monitor) {
        self.task.abort();
    }
}

impl Drop for Request {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// `{:ok, request}`; its messages carry `reference`. `{:error, message}` if it cannot be started.
#[rustler::nif]
fn start_request<'a>(
    env: Env<'a>,
    options: Term<'a>,
    body: Binary<'a>,
    reference: Reference<'a>,
) -> Term<'a> {
    let options = match read(options) {
        Ok(options) => options,
        Err(message) => return (error(), message).encode(env),
    };
    let caller = Arc::new(Mailbox::new(env.pid(), reference.into()));
    let body = Bytes::copy_from_slice(body.as_slice());
    let mailbox = caller.clone();
    let started = spawn(async move {
        // A caller that waits is told of a panic too.
        let exchange = AssertUnwindSafe(exchange(options, body, mailbox.clone()));
        if exchange.catch_unwind().await.is_err() {
            mailbox.failed(&Failure::Network(
                "the transport failed; see the VM's log".into(),
            ));
        }
    });
    match started {
        Ok(task) => {
            let request = ResourceArc::new(Request { task, caller });
            // A caller that is gone already has dropped it.
            let _monitor = request.monitor(Some(env), &env.pid());
            (ok(), request).encode(env)
        }
        Err(problem) => (error(), problem.to_string()).encode(env),
    }
}

/// Says that the caller has taken one more event.
#[rustler::nif]
fn took_event(request: &Request) -> rustler::Atom {
    request.caller.room.add_permits(1);
    ok()
}

/// Ends the request, and its connection with it. Messages that were sent already are still in the mailbox, and none
/// follows.
#[rustler::nif]
fn cancel_request(request: &Request) -> rustler::Atom {
    // Aborting alone lets a step that runs at this moment go on until it waits.
    request.caller.close();
    request.task.abort();
    ok()
}

fn read(options: Term<'_>) -> Result<Options, String> {
    let data = Data::from_term(options).map_err(|problem| problem.to_string())?;
    Options::deserialize(data).map_err(|problem| problem.to_string())
}
