//! The hooks that Pipeline.Plugin ships, one file each.
