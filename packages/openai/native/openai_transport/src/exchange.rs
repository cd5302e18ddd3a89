//! One request and its answer.

use crate::client::client;
use crate::failure::Failure;
use crate::mailbox::Mailbox;
use crate::options::{Method, Options};
use backon::{ExponentialBuilder, Retryable};
use bytes::Bytes;
use eventsource_stream::{EventStreamError, Eventsource};
use futures_util::StreamExt;
use reqwest::Response;
use reqwest::header::{HeaderMap, RETRY_AFTER};
use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, SystemTime};
use tokio::time::timeout;

/// The data of the event that ends a stream.
const DONE: &str = "[DONE]";

/// The body of an answer that is no success is for a message: so much of it will do.
const MOST_OF_AN_ERROR: usize = 64 * 1024;

const SHORTEST_PAUSE: Duration = Duration::from_millis(250);
const LONGEST_PAUSE: Duration = Duration::from_secs(8);

/// Makes the request and tells the caller what comes of it.
pub(crate) async fn exchange(options: Options, body: Bytes, caller: Arc<Mailbox>) {
    let whole = timeout(options.whole(), perform(&options, body, &caller)).await;
    let outcome = whole.unwrap_or(Err(Failure::Timeout("the request", options.timeout)));
    if let Err(failure) = outcome {
        caller.failed(&failure);
    }
}

async fn perform(options: &Options, body: Bytes, caller: &Mailbox) -> Result<(), Failure> {
    let client = client(options)?;
    // Only the way to the head is tried again: nothing is delivered before it.
    let response = (|| send(options, &client, body.clone()))
        .retry(
            ExponentialBuilder::default()
                .with_jitter()
                .with_min_delay(SHORTEST_PAUSE)
                .with_max_delay(LONGEST_PAUSE)
                .with_max_times(options.retries),
        )
        .when(|failure| {
            failure.is_transient()
                && failure
                    .retry_after()
                    .is_none_or(|pause| pause <= options.longest_pause())
        })
        .adjust(|failure, pause| pause.map(|pause| failure.retry_after().unwrap_or(pause)))
        .await?;

    if options.stream {
        caller.head();
        events(options, response, caller).await
    } else {
        let status = response.status().as_u16();
        let body = read(
            response,
            options.idle(),
            options.max_bytes,
            options.idle_timeout,
        )
        .await?;
        caller.response(status, &body, None);
        Ok(())
    }
}

async fn send(
    options: &Options,
    client: &reqwest::Client,
    body: Bytes,
) -> Result<Response, Failure> {
    let mut request = match options.method {
        Method::Get => client.get(&options.url),
        Method::Post => client.post(&options.url).body(body),
    };
    for (name, value) in &options.headers {
        request = request.header(name, value);
    }
    let response = within(
        options.first(),
        "the first token",
        options.first_timeout,
        request.send(),
    )
    .await?
    .map_err(|error| Failure::of(error, options.connect_timeout))?;
    if response.status().is_success() {
        return Ok(response);
    }
    Err(Failure::Status {
        status: response.status().as_u16(),
        retry_after: retry_after(response.headers()),
        body: start_of(response, options).await,
    })
}

/// Delivers the events, as fast as the caller takes them.
async fn events(options: &Options, response: Response, caller: &Mailbox) -> Result<(), Failure> {
    // The parser collects an event until it is whole, however long it is.
    let unparsed = Arc::new(AtomicUsize::new(0));
    let counter = unparsed.clone();
    let most = options.max_bytes;
    let pieces = response.bytes_stream().map(move |piece| {
        let piece = piece.map_err(|error| Failure::of(error, 0))?;
        if counter.fetch_add(piece.len(), Ordering::Relaxed) + piece.len() > most {
            return Err(Failure::TooLarge(most, "event"));
        }
        Ok(piece)
    });
    let mut events = std::pin::pin!(pieces.eventsource());
    let mut limit = (options.first(), "the first token", options.first_timeout);
    loop {
        let next = within(limit.0, limit.1, limit.2, events.next()).await?;
        limit = (options.idle(), "the next token", options.idle_timeout);
        unparsed.store(0, Ordering::Relaxed);
        match next {
            None => {
                return {
                    caller.end(false);
                    Ok(())
                };
            }
            Some(Err(EventStreamError::Transport(failure))) => return Err(failure),
            Some(Err(problem)) => return Err(Failure::Invalid(problem.to_string())),
            Some(Ok(event)) if event.data == DONE => {
                return {
                    caller.end(true);
                    Ok(())
                };
            }
            Some(Ok(event)) => {
                // The semaphore is never closed.
                if let Ok(permit) = caller.room.acquire().await {
                    permit.forget();
                }
                caller.event(&event.data);
            }
        }
    }
}

/// The body, if it has at most `most` bytes.
async fn read(
    mut response: Response,
    idle: Duration,
    most: usize,
    limit: u64,
) -> Result<Vec<u8>, Failure> {
    let mut body = Vec::new();
    loop {
        let piece = within(idle, "the next part of the answer", limit, response.chunk()).await?;
        match piece.map_err(|error| Failure::of(error, 0))? {
            None => return Ok(body),
            Some(piece) if body.len() + piece.len() > most => {
                return Err(Failure::TooLarge(most, "answer"));
            }
            Some(piece) => body.extend_from_slice(&piece),
        }
    }
}

/// As much of the body of a failure as there is and as a message needs.
async fn start_of(mut response: Response, options: &Options) -> Bytes {
    let mut body = Vec::new();
    while body.len() < MOST_OF_AN_ERROR {
        match timeout(options.idle(), response.chunk()).await {
            Ok(Ok(Some(piece))) => body.extend_from_slice(&piece),
            _ => break,
        }
    }
    body.truncate(MOST_OF_AN_ERROR);
    Bytes::from(body)
}

async fn within<T>(
    limit: Duration,
    what: &'static str,
    millis: u64,
    future: impl Future<Output = T>,
) -> Result<T, Failure> {
    timeout(limit, future)
        .await
        .map_err(|_| Failure::Timeout(what, millis))
}

/// Seconds or a date (RFC 9110, section 10.2.3).
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let value = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    if let Ok(seconds) = value.parse::<u64>() {
        return Some(Duration::from_secs(seconds));
    }
    let date = httpdate::parse_http_date(value).ok()?;
    Some(date.duration_since(SystemTime::now()).unwrap_or_default())
}
