//! What guests do when they mean well.

mod support;

use std::sync::Arc;

use parking_lot::Mutex;
use pipeline_core::hook::{ContextFamily, OnError, Point};
use pipeline_core::host::Host;
use pipeline_core::plugin::PluginId;
use pipeline_wasm::{
    Ending, Failure, Fields, Grants, Guest, Isolation, LogLevel, Services, WasmPlugin,
};
use serde_json::{Value, json};
use support::{IMPORTS, call, guest, module, with_manifest};

struct Documents;
impl ContextFamily for Documents {
    type Context<'a> = Value;
    type Error = Failure;

    fn is_refusal(error: &Failure) -> bool {
        error.is_refusal()
    }
}

const PUBLISH: Point<Documents> = Point::new("publish");

/// Writes what it reads at `/from`, and its kind, below `/to`.
fn copying() -> Vec<u8> {
    let parts = format!(
        "{IMPORTS} (data (i32.const 0) \"/from\") (data (i32.const 16) \"/to/value\") (data (i32.const 32) \"/to/kind\")"
    );
    let body = "(local $kind i32)
        (local.set $kind (call $field_get (i32.const 0) (i32.const 5) (i32.const 64)))
        (if (i32.and (i32.ne (local.get $kind) (i32.const 0)) (i32.ne (local.get $kind) (i32.const 9)))
          (then (call $field_put (i32.const 16) (i32.const 9) (local.get $kind) (i32.const 64))))
        (i64.store (i32.const 64) (i64.extend_i32_u (local.get $kind)))
        (call $field_put (i32.const 32) (i32.const 8) (i32.const 3) (i32.const 64))
        (i32.const 0)";
    module(&json!({"read": ["/from"], "write": ["/to"]}), &parts, body)
}

#[test]
fn values_of_every_kind_come_back_as_they_went() {
    let module = copying();
    for (value, kind) in [
        (json!(null), 1),
        (json!(true), 2),
        (json!(false), 2),
        (json!(-7), 3),
        (json!(i64::MIN), 3),
        (json!(1.5), 4),
        (json!("grün"), 5),
        (json!(""), 5),
        (json!([1, "two", null]), 7),
        (json!({"a": {"b": [1]}}), 8),
    ] {
        let mut context = json!({"from": value});
        assert_eq!(call(&module, &mut context), Ok(Ending::Continue));
        assert_eq!(
            context,
            json!({"from": value, "to": {"value": value, "kind": kind}})
        );
    }
    let mut context = json!({});
    assert_eq!(call(&module, &mut context), Ok(Ending::Continue));
    assert_eq!(context, json!({"to": {"kind": 0}}));
}

#[test]
fn a_guest_sees_its_own_changes() {
    let parts = format!(
        "{IMPORTS} (data (i32.const 0) \"/a/b\") (data (i32.const 8) \"/seen\") (data (i32.const 16) \"/a\")"
    );
    let body = "
        (i64.store (i32.const 64) (i64.const 2))
        (call $field_put (i32.const 0) (i32.const 4) (i32.const 3) (i32.const 64))
        (drop (call $field_get (i32.const 16) (i32.const 2) (i32.const 64)))
        (call $field_remove (i32.const 16) (i32.const 2))
        (if (call $field_kind (i32.const 0) (i32.const 4)) (then unreachable))
        (call $field_put (i32.const 8) (i32.const 5) (i32.const 8) (i32.const 64))
        (i32.const 0)";
    let module = module(&json!({"read": [""], "write": [""]}), &parts, body);
    let mut context = json!({"a": {"b": 1, "c": 3}});
    assert_eq!(call(&module, &mut context), Ok(Ending::Continue));
    assert_eq!(context, json!({"seen": {"b": 2, "c": 3}}));
}

#[test]
fn an_answer_is_the_result() {
    let parts = format!("{IMPORTS} (data (i32.const 0) \"done\")");
    let body = "(i64.store (i32.const 64) (i64.const 0x400000000))
        (call $answer (i32.const 5) (i32.const 64)) (i32.const 1)";
    let module = module(&json!({"write": [""]}), &parts, body);
    let mut context = json!({"a": 1});
    assert_eq!(call(&module, &mut context), Ok(Ending::Answer));
    assert_eq!(context, json!("done"));
}

#[test]
fn a_guest_reads_its_configuration() {
    let parts = format!("{IMPORTS} (data (i32.const 0) \"/limit\")");
    let body = "(drop (call $config_get (i32.const 0) (i32.const 6) (i32.const 64)))
        (call $field_put (i32.const 0) (i32.const 6) (i32.const 3) (i32.const 64)) (i32.const 0)";
    let module = module(&json!({"write": ["/limit"]}), &parts, body);
    let guest = guest(&module).config(json!({"limit": 12}));
    let mut context = json!({});
    assert_eq!(guest.call(0, &mut context), Ok(Ending::Continue));
    assert_eq!(context, json!({"limit": 12}));
}

#[derive(Default)]
struct Heard {
    lines: Mutex<Vec<(PluginId, LogLevel, String)>>,
    events: Mutex<Vec<(String, Value)>>,
}

impl Services for Heard {
    fn log(&self, plugin: &PluginId, level: LogLevel, line: &str) {
        self.lines
            .lock()
            .push((plugin.clone(), level, line.to_owned()));
    }

    fn emit(&self, _plugin: &PluginId, topic: &str, payload: Value) {
        self.events.lock().push((topic.to_owned(), payload));
    }
}

#[test]
fn services_do_what_was_granted_and_events_wait_for_success() {
    let parts = "
        (import \"pipeline\" \"log\" (func $log (param i32 i32 i32)))
        (import \"pipeline\" \"emit\" (func $emit (param i32 i32 i32 i32)))
        (import \"pipeline\" \"clock\" (func $clock (result i64)))
        (import \"pipeline\" \"random\" (func $random (param i32 i32)))
        (import \"pipeline\" \"field_kind\" (func $field_kind (param i32 i32) (result i32)))
        (data (i32.const 0) \"published\") (data (i32.const 16) \"/fail\")";
    let body = "
        (call $log (i32.const 2) (i32.const 0) (i32.const 9))
        (if (i64.lt_s (call $clock) (i64.const 1700000000000)) (then unreachable))
        (call $random (i32.const 128) (i32.const 16))
        (if (i64.eqz (i64.or (i64.load (i32.const 128)) (i64.load (i32.const 136)))) (then unreachable))
        (i64.store (i32.const 64) (i64.const 7))
        (call $emit (i32.const 0) (i32.const 9) (i32.const 3) (i32.const 64))
        (if (call $field_kind (i32.const 16) (i32.const 5)) (then unreachable))
        (i32.const 0)";
    let asks = json!({"read": ["/fail"], "log": true, "clock": true, "random": true, "emit": ["published"]});
    let heard = Arc::new(Heard::default());
    let guest = guest(&module(&asks, parts, body)).services(heard.clone());
    assert!(guest.call(0, &mut json!({"fail": true})).is_err());
    assert_eq!(heard.lines.lock().len(), 1);
    assert!(heard.events.lock().is_empty());
    assert_eq!(guest.call(0, &mut json!({})), Ok(Ending::Continue));
    let line = (
        PluginId::from("guest"),
        LogLevel::Warning,
        "published".to_owned(),
    );
    assert_eq!(*heard.lines.lock(), [line.clone(), line]);
    assert_eq!(*heard.events.lock(), [("published".to_owned(), json!(7))]);
}

#[test]
fn an_event_outside_of_the_grant_is_a_failure() {
    let parts = "(import \"pipeline\" \"emit\" (func $emit (param i32 i32 i32 i32))) (data (i32.const 0) \"other\")";
    let body =
        "(call $emit (i32.const 0) (i32.const 5) (i32.const 1) (i32.const 64)) (i32.const 0)";
    let topic = "other".to_owned();
    let module = module(&json!({"emit": ["published"]}), parts, body);
    assert_eq!(
        call(&module, &mut json!({})),
        Err(Failure::TopicNotGranted { topic })
    );
}

#[test]
fn instances_stay_or_are_fresh() {
    let module = module(
        &json!({}),
        "",
        "(if (i32.load (i32.const 0)) (then (return (i32.const 1))))
         (i32.store (i32.const 0) (i32.const 1)) (i32.const 0)",
    );
    let twice = |guest: Guest| [0; 2].map(|hook| guest.call(hook, &mut json!({})).unwrap());
    assert_eq!(twice(guest(&module)), [Ending::Continue, Ending::Answer]);
    let fresh = guest(&module).isolation(Isolation::Run);
    assert_eq!(twice(fresh), [Ending::Continue, Ending::Continue]);
}

#[test]
fn one_guest_serves_many_threads() {
    let guest = guest(&copying());
    std::thread::scope(|scope| {
        for thread in 0..8 {
            let guest = &guest;
            scope.spawn(move || {
                for turn in 0..50 {
                    let text = format!("{thread} {turn}");
                    let mut context = json!({"from": text});
                    guest.call(0, &mut context).unwrap();
                    assert_eq!(context["to"]["value"], json!(text));
                }
            });
        }
    });
}

/// One hook of each kind that a chain has; each appends its letter to `/trail`, a list of numbers.
fn of_every_kind() -> Vec<u8> {
    let manifest = json!({
        "id": "every", "version": "1.0.0",
        "hooks": [
            {"kind": "around", "point": "publish"},
            {"kind": "before", "point": "publish"},
            {"kind": "replace", "point": "publish"},
            {"kind": "after", "point": "publish"}
        ],
        "asks": {"read": ["/trail", "/decline", "/rescue"], "write": ["/trail"]}
    });
    // The trail is an integer; each adds a digit.
    let parts = format!(
        r#"{IMPORTS} (data (i32.const 0) "/trail") (data (i32.const 16) "/decline") (data (i32.const 32) "/rescue")
        (func $mark (param $digit i64)
          (i64.store (i32.const 64) (i64.const 0))
          (drop (call $field_get (i32.const 0) (i32.const 6) (i32.const 64)))
          (i64.store (i32.const 64) (i64.add (i64.mul (i64.load (i32.const 64)) (i64.const 10)) (local.get $digit)))
          (call $field_put (i32.const 0) (i32.const 6) (i32.const 3) (i32.const 64)))
        (func (export "around_publish_enter") (result i32) (call $mark (i64.const 1)) (i32.const 0))
        (func (export "around_publish_leave") (param $failed i32) (result i32)
          (call $mark (i64.add (i64.const 5) (i64.extend_i32_u (local.get $failed))))
          (i32.and (local.get $failed) (i32.eq (call $field_kind (i32.const 32) (i32.const 7)) (i32.const 2))))
        (func (export "before_publish") (result i32) (call $mark (i64.const 2)) (i32.const 0))
        (func (export "replace_publish") (result i32) (call $mark (i64.const 3))
          (if (result i32) (call $field_kind (i32.const 16) (i32.const 8)) (then (i32.const 4)) (else (i32.const 0))))
        (func (export "after_publish") (result i32) (call $mark (i64.const 4)) (i32.const 0))"#
    );
    with_manifest(&manifest, &parts)
}

fn run(mut context: Value) -> Result<Value, String> {
    let module = of_every_kind();
    let host: Host<Documents> = Host::new();
    let grants = Grants::asked_by(&module).unwrap();
    host.load(WasmPlugin::from_bytes(&module, grants).unwrap())
        .unwrap();
    let ended = host.run(PUBLISH, &mut context, core, &mut Vec::new());
    ended
        .map(|()| context["trail"].clone())
        .map_err(|error| error.to_string())
}

fn core(context: &mut Value) -> Result<(), Failure> {
    if context["fails"] == json!(true) {
        let reason = "no core".to_owned();
        return Err(Failure::Failed { reason });
    }
    context["trail"] = json!(context["trail"].as_i64().unwrap() * 10 + 9);
    Ok(())
}

#[test]
fn hooks_of_every_kind_stand_in_a_chain() {
    assert_eq!(run(json!({})), Ok(json!(12345)));
    assert_eq!(run(json!({"decline": 1})), Ok(json!(123_945)));
}

#[test]
fn an_around_hears_of_a_failure_and_may_deal_with_it() {
    assert_eq!(
        run(json!({"decline": 1, "fails": true})),
        Err("failed: no core".to_owned())
    );
    let rescued = run(json!({"decline": 1, "fails": true, "rescue": true}));
    assert_eq!(rescued, Ok(json!(1236)));
}

#[test]
fn a_failing_guest_is_skipped_where_its_manifest_says_so() {
    let manifest = json!({
        "id": "guest", "version": "1.0.0",
        "hooks": [{"kind": "before", "point": "publish", "on_error": OnError::Skip}]
    });
    let module = with_manifest(
        &manifest,
        "(func (export \"before_publish\") (result i32) unreachable)",
    );
    let host: Host<Documents> = Host::new();
    host.load(WasmPlugin::from_bytes(&module, Grants::none()).unwrap())
        .unwrap();
    let mut skipped = Vec::new();
    host.run(PUBLISH, &mut json!({}), |_| Ok(()), &mut skipped)
        .unwrap();
    let [skipped] = skipped.as_slice() else {
        panic!("one hook is skipped")
    };
    assert!(
        skipped
            .to_string()
            .starts_with("the before hook of guest on publish failed: trapped: "),
        "{skipped}"
    );
}

#[test]
fn a_listener_reads_and_changes_nothing() {
    let manifest = json!({
        "id": "guest", "version": "1.0.0",
        "hooks": [{"kind": "listen", "point": "heard", "export": "hook"}],
        "asks": {"read": ["/a"], "write": ["/a"]}
    });
    let parts = |body: &str| {
        format!(
            "{IMPORTS} (data (i32.const 0) \"/a\") (func (export \"hook\") (result i32) {body})"
        )
    };
    let reads = with_manifest(
        &manifest,
        &parts("(drop (call $field_kind (i32.const 0) (i32.const 2))) (i32.const 0)"),
    );
    assert_eq!(call(&reads, &mut json!({})), Ok(Ending::Continue));
    let writes = with_manifest(
        &manifest,
        &parts("(call $field_remove (i32.const 0) (i32.const 2)) (i32.const 0)"),
    );
    let mut context = json!({"a": 1});
    assert!(matches!(
        call(&writes, &mut context),
        Err(Failure::ListenerChanged(_))
    ));
    assert_eq!(context, json!({"a": 1}));
}

#[test]
fn the_manifest_is_read_without_compiling() {
    let module = of_every_kind();
    let manifest = pipeline_wasm::GuestManifest::read(&module).unwrap();
    assert_eq!(manifest.plugin.id, PluginId::from("every"));
    assert_eq!(manifest.exports[0], "around_publish");
    assert!(
        Grants::none()
            .read("/trail")
            .unwrap()
            .excess(&manifest.asks)
            .len()
            == 3
    );
}

#[test]
fn a_context_that_does_not_take_a_change_keeps_all_it_had() {
    let parts = format!("{IMPORTS} (data (i32.const 0) \"/a\") (data (i32.const 8) \"/b/c\")");
    let body = "(call $field_remove (i32.const 0) (i32.const 2))
        (call $field_put (i32.const 8) (i32.const 4) (i32.const 1) (i32.const 64)) (i32.const 0)";
    let module = module(&json!({"write": [""]}), &parts, body);
    let mut context = json!({"a": 1, "b": 2});
    assert!(matches!(
        call(&module, &mut context),
        Err(Failure::Field(_))
    ));
    assert_eq!(context, json!({"a": 1, "b": 2}));
    let fields: &dyn Fields = &context;
    assert!(fields.field(&pipeline_wasm::FieldPath::default()).is_some());
}

#[test]
fn the_page_of_the_abi_shows_the_example() {
    let page = include_str!("../../../docs/sandbox-abi.md");
    let shown = page
        .split("```wat\n")
        .nth(1)
        .and_then(|rest| rest.split("```").next());
    assert_eq!(shown, Some(include_str!("../examples/star.wat")));
    let mut context = json!({"stars": 4});
    assert_eq!(
        call(&wat::parse_str(shown.unwrap()).unwrap(), &mut context),
        Ok(Ending::Continue)
    );
    assert_eq!(context, json!({"stars": 5}));
}
