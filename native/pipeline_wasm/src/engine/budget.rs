use std::time::{Duration, Instant};

use crate::{Failure, Grants};

/// Fuel that is given at once, so that the clock is read about once a millisecond.
const SLICE: u64 = 100_000;
/// What an import costs, beside the bytes that it moves.
const IMPORT: u64 = 200;
/// Bytes that are moved for one unit of fuel.
const BYTES: u64 = 16;

/// What is left of a call's fuel and time.
#[derive(Debug)]
pub(crate) struct Budget {
    fuel: u64,
    of_fuel: u64,
    timeout: Duration,
    started: Instant,
}

impl Budget {
    pub(crate) fn new(grants: &Grants) -> Self {
        Self {
            fuel: grants.fuel_limit(),
            of_fuel: grants.fuel_limit(),
            timeout: Duration::from_millis(grants.timeout_limit()),
            started: Instant::now(),
        }
    }

    /// The next slice of fuel, of at least what the next step needs.
    pub(super) fn slice(&mut self, needed: u64) -> Result<u64, Failure> {
        if self.started.elapsed() >= self.timeout {
            return Err(Failure::Timeout {
                limit: self.timeout,
            });
        }
        let slice = SLICE.max(needed).min(self.fuel);
        if slice < needed || slice == 0 {
            return Err(self.used_up());
        }
        self.fuel -= slice;
        Ok(slice)
    }

    /// Takes back what is left of a slice.
    pub(super) fn give_back(&mut self, fuel: u64) {
        self.fuel += fuel;
    }

    /// Pays for an import.
    pub(super) fn pay_import(&mut self, moved: u64) -> Result<(), Failure> {
        let left = self.fuel.checked_sub(IMPORT + moved / BYTES);
        self.fuel = left.ok_or_else(|| self.used_up())?;
        Ok(())
    }

    fn used_up(&self) -> Failure {
        Failure::Fuel {
            limit: self.of_fuel,
        }
    }
}
