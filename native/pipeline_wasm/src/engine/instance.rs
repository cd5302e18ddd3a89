use wasmi::{Error, Func, Memory, ResumableCall, Store, TrapCode, Val};

use super::compiled::Request;
use super::limiter::Limiter;
use super::{Budget, CELL, Compiled, GuestMemory, Import};
use crate::failure::Part;
use crate::{Failure, Kind, LoadError, Trap};

/// Serves the imports of a guest.
pub(crate) trait ImportServer {
    /// Does what the guest asks for.
    fn serve(
        &mut self,
        import: Import,
        arguments: &[u32],
        memory: &mut GuestMemory<'_>,
    ) -> Result<Served, Failure>;
}

/// The answer to a guest.
pub(crate) enum Served {
    /// Done, with nothing to say.
    Done,
    /// The kind of a value; the value stands in the cell.
    Kind(Kind),
    /// Bytes that the guest has to give memory for; where they are is put into the cell.
    Bytes {
        kind: Kind,
        bytes: Vec<u8>,
        cell: u32,
    },
    /// A number.
    Number(i64),
}

/// A module with a memory of its own. After a failure it is thrown away: nobody knows what state its memory is in.
pub(crate) struct Instance {
    store: Store<Limiter>,
    exports: wasmi::Instance,
    memory: Memory,
    alloc: Func,
}

impl Instance {
    pub(crate) fn new(compiled: &Compiled, memory: usize) -> Result<Self, LoadError> {
        let mut store = Store::new(compiled.module.engine(), Limiter::new(memory));
        store.limiter(|limiter| &mut limiter.limits);
        let exports = compiled
            .linker
            .instantiate_and_start(&mut store, &compiled.module)
            .map_err(|error| LoadError::Instance {
                message: error.to_string(),
            })?;
        let memory = exports.get_memory(&store, "memory");
        let memory = memory.ok_or(LoadError::NoMemory)?;
        let alloc = exports.get_func(&store, "pipeline_alloc");
        let alloc = alloc.ok_or_else(|| LoadError::NoFunction {
            name: "pipeline_alloc".to_owned(),
            expected: "(func (param i32) (result i32))".to_owned(),
        })?;
        Ok(Self {
            store,
            exports,
            memory,
            alloc,
        })
    }

    /// Calls one of its functions.
    pub(crate) fn call(
        &mut self,
        function: &str,
        argument: Option<u32>,
        budget: &mut Budget,
        server: &mut dyn ImportServer,
    ) -> Result<u32, Failure> {
        let function = self.exports.get_func(&self.store, function);
        let function = function.ok_or_else(|| Failure::Engine {
            message: "the function is gone".to_owned(),
        })?;
        self.drive(function, argument, budget, Some(server))
    }

    /// Runs a function to its end, by slices of fuel, and serves what it asks for.
    fn drive(
        &mut self,
        function: Func,
        argument: Option<u32>,
        budget: &mut Budget,
        mut server: Option<&mut dyn ImportServer>,
    ) -> Result<u32, Failure> {
        let argument = argument.map(|number| Val::I32(number.cast_signed()));
        let mut outcome = [Val::I32(0)];
        self.take_slice(budget, 0)?;
        let mut step = function.call_resumable(&mut self.store, argument.as_slice(), &mut outcome);
        loop {
            step = match step.map_err(|error| self.failure(&error))? {
                ResumableCall::Finished => {
                    self.return_slice(budget)?;
                    let [outcome] = outcome;
                    return Ok(outcome.i32().unwrap_or_default().cast_unsigned());
                }
                ResumableCall::OutOfFuel(call) => {
                    self.return_slice(budget)?;
                    self.take_slice(budget, call.required_fuel())?;
                    call.resume(&mut self.store, &mut outcome)
                }
                ResumableCall::HostTrap(call) => {
                    let request = call.host_error().downcast_ref::<Request>().copied();
                    let (Some(request), Some(server)) = (request, server.as_deref_mut()) else {
                        return Err(Failure::Reentrant);
                    };
                    self.return_slice(budget)?;
                    let answer = self.serve(request, budget, server)?;
                    self.take_slice(budget, 0)?;
                    call.resume(&mut self.store, answer.as_slice(), &mut outcome)
                }
            };
        }
    }

    fn serve(
        &mut self,
        Request { import, arguments }: Request,
        budget: &mut Budget,
        server: &mut dyn ImportServer,
    ) -> Result<Option<Val>, Failure> {
        let mut memory = GuestMemory::new(self.memory.data_mut(&mut self.store));
        let answer = server.serve(import, &arguments, &mut memory);
        budget.pay_import(memory.moved())?;
        Ok(match answer? {
            Served::Done => None,
            Served::Kind(kind) => Some(Val::I32(kind as i32)),
            Served::Number(number) => Some(Val::I64(number)),
            Served::Bytes { kind, bytes, cell } => {
                self.give(&bytes, cell, budget)?;
                Some(Val::I32(kind as i32))
            }
        })
    }

    /// Puts bytes into memory that the guest gives for them, and where they are into a cell.
    fn give(&mut self, bytes: &[u8], cell: u32, budget: &mut Budget) -> Result<(), Failure> {
        let limit = self.store.data().memory;
        let length = u32::try_from(bytes.len())
            .ok()
            .filter(|length| *length as usize <= limit);
        let length = length.ok_or(Failure::Memory { limit })?;
        let pointer = self.drive(self.alloc, Some(length), budget, None)?;
        let mut memory = GuestMemory::new(self.memory.data_mut(&mut self.store));
        memory
            .at(Part::Allocation, pointer, length)?
            .copy_from_slice(bytes);
        let place = memory.at(Part::Value, cell, CELL)?;
        place[..4].copy_from_slice(&pointer.to_le_bytes());
        place[4..].copy_from_slice(&length.to_le_bytes());
        budget.pay_import(memory.moved())
    }

    fn take_slice(&mut self, budget: &mut Budget, needed: u64) -> Result<(), Failure> {
        let slice = budget.slice(needed)?;
        self.store
            .set_fuel(slice)
            .map_err(|error| self.failure(&error))
    }

    fn return_slice(&mut self, budget: &mut Budget) -> Result<(), Failure> {
        let left = self
            .store
            .get_fuel()
            .map_err(|error| self.failure(&error))?;
        budget.give_back(left);
        Ok(())
    }

    fn failure(&self, error: &Error) -> Failure {
        Failure::Trap(match error.as_trap_code() {
            Some(TrapCode::UnreachableCodeReached) => Trap::Unreachable,
            Some(TrapCode::MemoryOutOfBounds) => Trap::MemoryOutOfBounds,
            Some(TrapCode::TableOutOfBounds) => Trap::TableOutOfBounds,
            Some(TrapCode::IndirectCallToNull) => Trap::NullCall,
            Some(TrapCode::BadSignature) => Trap::BadSignature,
            Some(TrapCode::IntegerDivisionByZero) => Trap::DivisionByZero,
            Some(TrapCode::IntegerOverflow) => Trap::IntegerOverflow,
            Some(TrapCode::BadConversionToInteger) => Trap::BadConversion,
            Some(TrapCode::StackOverflow) => Trap::StackExhausted,
            Some(TrapCode::GrowthOperationLimited | TrapCode::OutOfSystemMemory) => {
                let limit = self.store.data().memory;
                return Failure::Memory { limit };
            }
            Some(TrapCode::OutOfFuel) | None => {
                let message = error.to_string();
                return Failure::Engine { message };
            }
        })
    }
}
