use wasmi::{StoreLimits, StoreLimitsBuilder};

const MAX_TABLES: usize = 16;
const MAX_TABLE_ELEMENTS: usize = 100_000;

/// What an instance may grow to. Growing beyond that is a trap, so that the failure says what was too little.
#[derive(Debug)]
pub(super) struct Limiter {
    pub(super) memory: usize,
    pub(super) limits: StoreLimits,
}

impl Limiter {
    pub(super) fn new(memory: usize) -> Self {
        let limits = StoreLimitsBuilder::new()
            .memory_size(memory)
            .table_elements(MAX_TABLE_ELEMENTS)
            .instances(1)
            .tables(MAX_TABLES)
            .memories(1)
            .trap_on_grow_failure(true)
            .build();
        Self { memory, limits }
    }
}
