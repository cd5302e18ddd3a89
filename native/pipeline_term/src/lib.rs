//! Native hooks for Pipeline.Plugin.
