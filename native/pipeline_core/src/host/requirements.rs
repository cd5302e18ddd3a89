use semver::Version;

use super::PluginError;

/// Tells which versions meet a requirement as manifests write it. Closures do.
pub trait Requirements: Send + Sync + 'static {
    /// Whether the version meets the requirement.
    ///
    /// # Errors
    ///
    /// What is wrong with the requirement.
    fn is_met(&self, version: &Version, requirement: &str) -> Result<bool, PluginError>;
}

impl<R> Requirements for R
where
    R: Fn(&Version, &str) -> Result<bool, PluginError> + Send + Sync + 'static,
{
    fn is_met(&self, version: &Version, requirement: &str) -> Result<bool, PluginError> {
        self(version, requirement)
    }
}
