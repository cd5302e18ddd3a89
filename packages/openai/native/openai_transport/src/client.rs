use crate::failure::Failure;
use crate::options::Options;
use reqwest::{Client, redirect};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// A client for each time limit on connections, which is a property of a client. Each has a pool of its own.
static CLIENTS: Mutex<Vec<(u64, Client)>> = Mutex::new(Vec::new());

/// How many are kept. They are few, since they come from configurations.
const MOST: usize = 16;

/// How long an unused connection stays open.
const POOL_IDLE: Duration = Duration::from_mins(1);

/// The client with the time limit of these options. Proxies come from the environment.
pub(crate) fn client(options: &Options) -> Result<Client, Failure> {
    let mut clients = CLIENTS.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some((_, client)) = clients
        .iter()
        .find(|(limit, _)| *limit == options.connect_timeout)
    {
        return Ok(client.clone());
    }
    let client = Client::builder()
        .connect_timeout(options.connect())
        .pool_idle_timeout(POOL_IDLE)
        // A redirect would take the key to another server.
        .redirect(redirect::Policy::none())
        .build()
        .map_err(|error| Failure::of(error, options.connect_timeout))?;
    if clients.len() == MOST {
        clients.remove(0);
    }
    clients.push((options.connect_timeout, client.clone()));
    Ok(client)
}
