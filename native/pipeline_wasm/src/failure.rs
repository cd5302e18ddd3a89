use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::{FieldError, FieldPath, Kind, PathError};

/// How a hook of a guest ends other than well. The context is as it was.
#[derive(Clone, Debug, PartialEq, Eq, Error, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Failure {
    /// It refused, for this reason: an answer to the caller.
    #[error("refused: {reason}")]
    Refused {
        /// The guest's own words.
        reason: String,
    },
    /// It says that it could not do its work.
    #[error("failed: {reason}")]
    Failed {
        /// The guest's own words.
        reason: String,
    },
    /// It reached for a field outside of its grant.
    #[error("may not {access} {path}; grant {access} of {path}, if it should")]
    NotGranted {
        /// Reading or writing.
        access: Access,
        /// The field.
        path: FieldPath,
    },
    /// It emitted an event outside of its grant.
    #[error("may not emit {topic:?}; grant emit of {topic:?}, if it should")]
    TopicNotGranted {
        /// The event.
        topic: String,
    },
    /// It used up its fuel.
    #[error("used up its fuel of {limit}; grant it more fuel, if it needs it")]
    Fuel {
        /// Its fuel.
        limit: u64,
    },
    /// It asked for more memory than it may have.
    #[error(
        "asked for more than its {limit} bytes of memory; grant it more memory, if it needs it"
    )]
    Memory {
        /// Its memory.
        limit: usize,
    },
    /// It took too long.
    #[error("was not done within {limit:?}; grant it a longer timeout, if it needs it")]
    Timeout {
        /// Its time.
        limit: Duration,
    },
    /// It trapped.
    #[error("trapped: {0}")]
    Trap(Trap),
    /// It gave a pointer and a length that reach out of its memory.
    #[error("gave {what} out of its memory: {length} bytes at {pointer}")]
    Pointer {
        /// What they are of.
        what: Part,
        /// The pointer.
        pointer: u32,
        /// The length.
        length: u32,
    },
    /// It gave a text that is not UTF-8.
    #[error("gave {what} that is not UTF-8")]
    Text {
        /// What it is of.
        what: Part,
    },
    /// It gave a path that is none.
    #[error("gave a path that is none: {0}")]
    Path(#[from] PathError),
    /// It gave a value that is not of the kind that it says.
    #[error("gave a value that is not {kind}")]
    Value {
        /// The kind.
        kind: Kind,
    },
    /// It gave a number that stands for nothing.
    #[error("gave {number} as {what}, which stands for nothing")]
    Number {
        /// What it is of.
        what: Part,
        /// The number.
        number: u32,
    },
    /// A listener changed something.
    #[error("changed {0}, but a listener changes nothing")]
    ListenerChanged(FieldPath),
    /// It imported something while it was asked for memory.
    #[error("called an import in pipeline_alloc, which only gives memory")]
    Reentrant,
    /// The context does not take what it wrote.
    #[error(transparent)]
    Field(#[from] FieldError),
    /// The engine refused the call.
    #[error("cannot be run: {message}")]
    Engine {
        /// What the engine says.
        message: String,
    },
}

impl Failure {
    /// Whether it is an answer to the caller, which a circuit does not count.
    pub fn is_refusal(&self) -> bool {
        matches!(self, Self::Refused { .. })
    }
}

/// What a guest does with a field.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Access {
    /// Looks at it.
    Read,
    /// Changes it.
    Write,
}

impl fmt::Display for Access {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Read => "read",
            Self::Write => "write",
        })
    }
}

/// The part of an import's arguments that is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Part {
    /// A path.
    Path,
    /// A value, or the cell that holds it.
    Value,
    /// The kind of a value.
    Kind,
    /// A reason.
    Reason,
    /// A line of a log, or its level.
    Log,
    /// The name of an event.
    Topic,
    /// A buffer to be filled.
    Buffer,
    /// Memory that was asked of it.
    Allocation,
    /// What a hook returned.
    Status,
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Path => "a path",
            Self::Value => "a value",
            Self::Kind => "the kind of a value",
            Self::Reason => "a reason",
            Self::Log => "a line for the log",
            Self::Topic => "the name of an event",
            Self::Buffer => "a buffer",
            Self::Allocation => "memory that it was asked for",
            Self::Status => "the result of a hook",
        })
    }
}

/// Why a guest trapped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Trap {
    /// `unreachable`: in most languages a panic, an abort or an assertion.
    #[error("it came to an instruction that says that it cannot be reached, as a panic does")]
    Unreachable,
    /// A load or store out of its memory.
    #[error("it read or wrote out of its memory")]
    MemoryOutOfBounds,
    /// An access out of its table.
    #[error("it reached out of its table of functions")]
    TableOutOfBounds,
    /// A call by reference to nothing.
    #[error("it called a function that is not there")]
    NullCall,
    /// A call by reference with another type.
    #[error("it called a function by another type than its own")]
    BadSignature,
    /// A division by zero.
    #[error("it divided by zero")]
    DivisionByZero,
    /// A result that does not fit.
    #[error("the result of its arithmetic does not fit")]
    IntegerOverflow,
    /// A float that is no integer.
    #[error("it made an integer of a float that is none")]
    BadConversion,
    /// Too many calls within each other.
    #[error("its calls are nested too deeply")]
    StackExhausted,
}
