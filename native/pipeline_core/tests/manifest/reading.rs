//! Manifests as they are written and read, one by one.

use pipeline_core::hook::{HookKind, OnError};
use pipeline_core::plugin::{
    Capability, CapabilityValue, DeclaredHook, Dependency, Manifest, PluginId,
};
use pipeline_core::registry::Provider;
use semver::Version;
use serde_json::json;

#[test]
fn a_manifest_is_read_as_it_was_written() {
    let manifest = Manifest::new(
        PluginId::text("openai"),
        "1.2.0-rc.1".parse::<Version>().unwrap(),
    )
    .capability(
        Capability::new("llm")
            .value("gpt")
            .value(CapabilityValue::symbol("stream"))
            .value(8192)
            .value(true),
    )
    .provides(
        "llm",
        Provider {
            priority: 3,
            default: true,
        },
    )
    .depends_on(Dependency::plugin("cache").requirement("~> 1.0").optional())
    .depends_on(Dependency::capability("http"))
    .hook(
        DeclaredHook::new(HookKind::Around, "execute_node")
            .priority(-1)
            .before("audit")
            .on_error(OnError::Skip),
    );
    let written = serde_json::to_value(&manifest).unwrap();
    assert_eq!(written["id"], json!({"text": "openai"}));
    assert_eq!(
        written["capabilities"][0]["values"],
        json!(["gpt", {"symbol": "stream"}, 8192, true])
    );
    assert_eq!(
        written["provides"],
        json!([{"type": "llm", "priority": 3, "default": true}])
    );
    assert_eq!(written["hooks"][0]["kind"], "around");
    assert_eq!(
        serde_json::from_value::<Manifest>(written).unwrap(),
        manifest
    );
}

#[test]
fn what_is_left_out_has_its_default() {
    let written =
        json!({"id": "a", "version": "1.0.0", "hooks": [{"kind": "before", "point": "run"}]});
    let read: Manifest = serde_json::from_value(written).unwrap();
    let hook = DeclaredHook::new(HookKind::Before, "run");
    assert_eq!(read, Manifest::new("a", Version::new(1, 0, 0)).hook(hook));
    assert_eq!(
        (read.hooks[0].priority, read.hooks[0].on_error),
        (50, OnError::Halt)
    );
}

#[track_caller]
fn assert_refused(written: serde_json::Value, message: &str) {
    let refused = serde_json::from_value::<Manifest>(written).unwrap_err();
    assert!(refused.to_string().contains(message), "{refused}");
}

#[test]
fn a_manifest_that_makes_no_sense_is_refused() {
    assert_refused(json!({"version": "1.0.0"}), "missing field `id`");
    assert_refused(
        json!({"id": "a", "version": "1.0"}),
        "unexpected end of input while parsing minor version number",
    );
    assert_refused(
        json!({"id": "a", "version": "1.0.0", "colour": 1}),
        "unknown field `colour`",
    );
    assert_refused(
        json!({"id": "a", "version": "1.0.0", "provides": [{"type": "llm", "prio": 1}]}),
        "unknown field `prio`",
    );
    assert_refused(
        json!({"id": "a", "version": "1.0.0", "dependencies": [{"plugin": "b", "capability": "c"}]}),
        "a dependency names both a plugin and a capability; declare two dependencies",
    );
    assert_refused(
        json!({"id": "a", "version": "1.0.0", "dependencies": [{}]}),
        "a dependency names neither a plugin nor a capability; give it one of `plugin` and `capability`",
    );
}
