//! Versions and requirements: what parses matches or not, and errors stay short.
#![no_main]

use libfuzzer_sys::fuzz_target;
use pipeline_core::requirement::{AllowPre, Requirement, parse_version};

fuzz_target!(|texts: (&str, &str)| {
    let (version, requirement) = texts;
    let version = parse_version(version).map_err(|error| error.to_string());
    let requirement = requirement.parse::<Requirement>().map_err(|error| error.to_string());
    match (version, requirement) {
        (Ok(version), Ok(requirement)) => {
            let matches = |allow_pre| requirement.matches(&version, allow_pre);
            // Leaving pre-releases out never makes more of them match.
            assert!(matches(AllowPre::Yes) || !matches(AllowPre::No));
        }
        (version, requirement) => {
            let length = |error: Result<(), String>| error.err().map_or(0, |error| error.len());
            assert!(length(version.map(drop)) < 10_000 && length(requirement.map(drop)) < 20_000);
        }
    }
});
