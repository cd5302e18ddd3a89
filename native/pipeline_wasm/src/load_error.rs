use pipeline_core::hook::HookKind;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::Excess;

/// Why a module is not loaded.
#[derive(Clone, Debug, PartialEq, Eq, Error, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum LoadError {
    /// It is larger than a module may be.
    #[error("the module has {bytes} bytes; at most {limit} are taken")]
    TooLarge {
        /// Its size.
        bytes: usize,
        /// The limit.
        limit: usize,
    },
    /// Its manifest cannot be had.
    #[error(transparent)]
    Section(#[from] SectionProblem),
    /// It is no WebAssembly, or uses what is not taken: a start function, SIMD, several memories, too many functions.
    #[error("the module cannot be compiled: {message}")]
    Module {
        /// What the engine says.
        message: String,
    },
    /// It asks for more than it was granted.
    #[error("it asks for more than it was granted: {}; grant that, or use another plugin", list(.0))]
    AsksForMore(Vec<Excess>),
    /// It imports what it may not.
    #[error("it imports what it may not: {}", list(.0))]
    Imports(Vec<ImportProblem>),
    /// It exports no memory.
    #[error("it exports no memory; export one, called `memory`")]
    NoMemory,
    /// Its memory begins larger than it may become.
    #[error("its memory begins with {bytes} bytes, and {limit} are granted; grant more memory")]
    MemoryTooLarge {
        /// The size that it begins with.
        bytes: u64,
        /// The memory that is granted.
        limit: usize,
    },
    /// A function is missing, or has another type.
    #[error("it exports no function `{name}` of the type {expected}")]
    NoFunction {
        /// Its name.
        name: String,
        /// The type that it has to have.
        expected: String,
    },
    /// A hook has a kind that this host has no place for.
    #[error("its {kind} hook on {point} has no place in this host, whose points are all chains")]
    Kind {
        /// The kind.
        kind: HookKind,
        /// The point.
        point: String,
    },
    /// It cannot be instantiated.
    #[error("the module cannot be instantiated: {message}")]
    Instance {
        /// What the engine says.
        message: String,
    },
}

/// Why there is no manifest.
#[derive(Clone, Debug, PartialEq, Eq, Error, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum SectionProblem {
    /// It does not begin as a module does.
    #[error("this is no WebAssembly module of version 1; components are not taken")]
    NoModule,
    /// It ends in the middle of a section.
    #[error("the module ends in the middle of a section; it is cut off or damaged")]
    Malformed,
    /// It has no such section.
    #[error(
        "the module has no custom section `pipeline-plugin`, which holds the manifest of a plugin"
    )]
    Missing,
    /// It is larger than a manifest may be.
    #[error("the manifest has {bytes} bytes; at most {limit} are taken")]
    TooLarge {
        /// Its size.
        bytes: usize,
        /// The limit.
        limit: usize,
    },
    /// It does not say what a manifest says.
    #[error("the manifest in the section `pipeline-plugin` cannot be read: {message}")]
    Unreadable {
        /// What is wrong with it.
        message: String,
    },
}

/// Why an import is refused.
#[derive(Clone, Debug, PartialEq, Eq, Error, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum ImportProblem {
    /// It is there only for those that it is granted to.
    #[error("{name} (it has to ask for {grant}, and be granted it)")]
    NotGranted {
        /// The import.
        name: String,
        /// What to grant.
        grant: String,
    },
    /// There is no such import.
    #[error("{name} (there is no such import)")]
    Unknown {
        /// The import.
        name: String,
    },
    /// It has another type.
    #[error("{name} (its type is {expected})")]
    Type {
        /// The import.
        name: String,
        /// The type that it has.
        expected: String,
    },
}

fn list<T: ToString>(items: &[T]) -> String {
    let items: Vec<String> = items.iter().map(T::to_string).collect();
    items.join(", ")
}
