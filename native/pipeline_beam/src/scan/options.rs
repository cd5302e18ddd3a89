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
    /// Directory entries that are looked at before the scan refuses to look further; one with a long path counts as
    /// several.
    pub entries: usize,
    /// Bytes of all manifests together, in external term format. The scan ends where they are exceeded.
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

/// How far a scan has come, in modules: files and archive entries alike.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// Modules read so far, this one included.
    pub done: usize,
    /// Modules to read in all.
    pub total: usize,
}
