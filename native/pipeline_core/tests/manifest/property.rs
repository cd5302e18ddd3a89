//! A manifest is read as it was written.

use pipeline_core::plugin::Manifest;
use proptest::prelude::*;

use super::any::manifest;

proptest! {
    #[test]
    fn a_manifest_goes_out_and_in(manifest in manifest()) {
        let written = serde_json::to_string(&manifest).unwrap();
        let read: Manifest = serde_json::from_str(&written).unwrap();
        prop_assert_eq!(&read, &manifest);
        prop_assert_eq!(serde_json::to_string(&read).unwrap(), written);
    }
}
