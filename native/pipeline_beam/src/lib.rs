//! Reads plugin manifests from BEAM files without loading them.
