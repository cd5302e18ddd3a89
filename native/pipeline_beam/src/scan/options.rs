use crate::limits::Limits;

/// Options of a [`scan`](crate::scan).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ScanOptions {
    /// Limits for each file.
    pub limits: Limits,
    /// Threads that read; 0 for one per core.
    pub threads: usize,
    /// Modules that one scan lists at most.
    pub files: usize,
    /// Directory entries that one scan looks at; an entry with a long path counts as several.
    pub entries: usize,
    /// Bytes of all manifests together, in external term format. The scan ends once they exceed it.
    pub manifest_bytes: usize,
}

impl Default for ScanOptions {
    fn default() -> Self {
        Self {
            limits: Limits::default(),
            threads: 0,
            files: 200_000,
            entries: 500_000,
            manifest_bytes: 32 << 20,
        }
    }
}

/// The progress of a scan, counted in modules: files and archive entries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// Modules read so far, this one included.
    pub done: usize,
    /// Modules to read in all.
    pub total: usize,
}
