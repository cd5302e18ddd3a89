use crate::limits::Limits;

/// How a [`scan`](crate::scan) goes about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ScanOptions {
    /// What one file may cost.
    pub limits: Limits,
    /// Threads that read; 0 for one per core.
    pub threads: usize,
    /// Modules that are listed before the scan refuses to list more.
    pub files: usize,
}

impl Default for ScanOptions {
    fn default() -> Self {
        Self {
            limits: Limits::default(),
            threads: 0,
            files: 200_000,
        }
    }
}

/// How far a scan has come, in modules: files and archive entries alike.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// Modules read so far, this one included.
    pub done: usize,
    /// Modules to read in all.
    pub total: usize,
}
