//! Guests that mean harm: each ends as a failure of its own call, and the context is as it was.

mod support;

use std::time::Duration;

use pipeline_wasm::{
    Access, Ending, Failure, FieldPath, Grants, Guest, ImportProblem, LoadError, PathError, Trap,
};
use serde_json::{Value, json};
use support::{IMPORTS, call, guest, module, with_manifest};

/// What a body does to a context that it may read and write whole.
#[track_caller]
fn failure(body: &str) -> Failure {
    let asks = json!({"read": [""], "write": [""], "fuel": 2_000_000, "memory": 1_048_576, "timeout_ms": 60_000});
    let parts =
        format!("{IMPORTS} (data (i32.const 0) \"/stars\") (data (i32.const 32) \"/title\")");
    let module = module(&asks, &parts, body);
    let mut context = json!({"stars": 4, "title": "Walls"});
    let failure = call(&module, &mut context).expect_err("a hostile guest fails");
    assert_eq!(context, json!({"stars": 4, "title": "Walls"}));
    failure
}

#[test]
fn an_endless_loop_uses_up_its_fuel() {
    assert_eq!(
        failure("(loop $again (br $again)) (i32.const 0)"),
        Failure::Fuel { limit: 2_000_000 }
    );
}

#[test]
fn an_endless_loop_uses_up_its_time() {
    let asks = json!({"fuel": u64::MAX, "timeout_ms": 5});
    let module = module(&asks, "", "(loop $again (br $again)) (i32.const 0)");
    let limit = Duration::from_millis(5);
    assert_eq!(
        call(&module, &mut json!({})),
        Err(Failure::Timeout { limit })
    );
}

#[test]
fn endless_requests_use_up_their_fuel() {
    let body = "(loop $again (drop (call $field_kind (i32.const 0) (i32.const 6))) (br $again)) (i32.const 0)";
    assert_eq!(failure(body), Failure::Fuel { limit: 2_000_000 });
}

#[test]
fn endless_recursion_traps_on_a_small_stack_too() {
    let module = module(
        &json!({}),
        "(func $deep (param i64 i64 i64 i64) (result i32)
           (call $deep (local.get 3) (local.get 2) (local.get 1) (local.get 0)))",
        "(call $deep (i64.const 1) (i64.const 2) (i64.const 3) (i64.const 4))",
    );
    let stack = std::thread::Builder::new().stack_size(320 * 1024);
    let ended = stack
        .spawn(move || call(&module, &mut json!({})))
        .unwrap()
        .join();
    assert_eq!(ended.unwrap(), Err(Failure::Trap(Trap::StackExhausted)));
}

#[test]
fn a_long_loop_needs_no_stack_of_the_host() {
    // Each instruction of the engine ends with a jump to the next; a build where that is a call would overflow here.
    let module = module(
        &json!({"timeout_ms": 60_000}),
        "(func $leaf (param i32) (result i32) (i32.xor (local.get 0) (i32.const 5)))",
        "(local $i i32)
         (loop $again
           (i32.store (i32.const 0) (call $leaf (i32.load (i32.const 0))))
           (br_if $again (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (i32.const 300000))))
         (i32.const 0)",
    );
    let stack = std::thread::Builder::new().stack_size(320 * 1024);
    let ended = stack
        .spawn(move || call(&module, &mut json!({})))
        .unwrap()
        .join();
    assert_eq!(ended.unwrap(), Ok(Ending::Continue));
}

#[test]
fn growing_without_end_uses_up_its_memory() {
    let body = "(loop $again (drop (memory.grow (i32.const 1))) (br $again)) (i32.const 0)";
    assert_eq!(failure(body), Failure::Memory { limit: 1_048_576 });
}

#[test]
fn what_the_host_keeps_for_a_guest_counts_as_its_memory() {
    // Two fields in turn, with texts of 32 KiB: each change is kept until the hook has succeeded.
    let body = "(i32.store (i32.const 68) (i32.const 0x7f00))
        (loop $again
          (call $field_put (i32.const 0) (i32.const 6) (i32.const 5) (i32.const 64))
          (call $field_put (i32.const 32) (i32.const 6) (i32.const 5) (i32.const 64))
          (br $again))
        (i32.const 0)";
    assert_eq!(failure(body), Failure::Memory { limit: 1_048_576 });
}

#[test]
fn traps_say_what_happened() {
    for (body, trap) in [
        ("unreachable", Trap::Unreachable),
        ("(i32.load (i32.const 70000))", Trap::MemoryOutOfBounds),
        (
            "(i32.div_u (i32.const 1) (i32.const 0))",
            Trap::DivisionByZero,
        ),
        (
            "(i32.div_s (i32.const 0x80000000) (i32.const -1))",
            Trap::IntegerOverflow,
        ),
        ("(i32.trunc_f32_s (f32.const nan))", Trap::BadConversion),
    ] {
        assert_eq!(failure(body), Failure::Trap(trap), "{body}");
    }
}

#[test]
fn a_call_through_a_table_goes_to_functions_of_its_type_only() {
    let parts = "(type $hook (func (result i32))) (table 2 funcref) (func $other) (elem (i32.const 1) $other)";
    for (index, trap) in [
        (0, Trap::NullCall),
        (1, Trap::BadSignature),
        (2, Trap::TableOutOfBounds),
    ] {
        let body = format!("(call_indirect (type $hook) (i32.const {index}))");
        let module = module(&json!({}), parts, &body);
        assert_eq!(call(&module, &mut json!({})), Err(Failure::Trap(trap)));
    }
}

#[test]
fn pointers_out_of_its_memory_are_refused_by_every_import() {
    let far = "(i32.const -1)";
    let end = "(i32.const 65535)";
    for body in [
        format!("(call $field_get {far} (i32.const 6) (i32.const 64))"),
        format!("(call $field_get (i32.const 0) (i32.const 6) {end})"),
        format!("(call $field_kind {end} (i32.const 2))"),
        format!("(call $config_get {far} (i32.const 1) (i32.const 0))"),
        format!("(call $field_put {far} (i32.const 6) (i32.const 3) (i32.const 0)) (i32.const 0)"),
        format!("(call $field_put (i32.const 0) (i32.const 6) (i32.const 3) {end}) (i32.const 0)"),
        format!("(call $field_remove {far} (i32.const 6)) (i32.const 0)"),
        format!("(call $answer (i32.const 3) {end}) (i32.const 0)"),
        format!("(call $refuse {far} (i32.const 6)) (i32.const 2)"),
        "(call $refuse (i32.const 0) (i32.const -1)) (i32.const 2)".to_owned(),
    ] {
        let failure = failure(&body);
        assert!(
            matches!(failure, Failure::Pointer { .. }),
            "{body}: {failure}"
        );
    }
}

#[test]
fn a_length_that_is_a_lie_is_refused() {
    // The cell says that a text of 4 GiB stands at 1.
    let body = "(i32.store (i32.const 64) (i32.const 1)) (i32.store (i32.const 68) (i32.const -1))
        (call $field_put (i32.const 0) (i32.const 6) (i32.const 5) (i32.const 64)) (i32.const 0)";
    assert_eq!(failure(body), Failure::Memory { limit: 1_048_576 });
    let body =
        "(i32.store (i32.const 64) (i32.const 1)) (i32.store (i32.const 68) (i32.const 65536))
        (call $field_put (i32.const 0) (i32.const 6) (i32.const 5) (i32.const 64)) (i32.const 0)";
    assert!(matches!(
        failure(body),
        Failure::Pointer { length: 65536, .. }
    ));
}

#[test]
fn values_that_are_not_of_their_kind_are_refused() {
    for (kind, bits) in [(2, 2_u64), (7, 0x6_0000_0000), (8, 0x6_0000_0000)] {
        let body = format!(
            "(i64.store (i32.const 64) (i64.const {bits}))
             (call $field_put (i32.const 0) (i32.const 6) (i32.const {kind}) (i32.const 64)) (i32.const 0)"
        );
        assert!(matches!(failure(&body), Failure::Value { .. }), "{kind}");
    }
    for kind in [0, 9, 10, -1] {
        let body = format!(
            "(call $field_put (i32.const 0) (i32.const 6) (i32.const {kind}) (i32.const 64)) (i32.const 0)"
        );
        assert!(matches!(failure(&body), Failure::Number { .. }), "{kind}");
    }
}

#[test]
fn paths_that_are_none_are_refused() {
    let body = "(call $field_kind (i32.const 1) (i32.const 5))";
    assert_eq!(failure(body), Failure::Path(PathError::NoSlash));
    let body = "(call $field_kind (i32.const 0) (i32.const 60000))";
    assert_eq!(failure(body), Failure::Path(PathError::TooLong));
    let body = "(i32.store8 (i32.const 1) (i32.const 0xff)) (call $field_kind (i32.const 0) (i32.const 6))";
    assert!(matches!(failure(body), Failure::Text { .. }));
}

#[test]
fn a_hook_returns_what_the_page_says_only() {
    for status in [4, 5, -1] {
        let failure = failure(&format!("(i32.const {status})"));
        assert!(
            matches!(failure, Failure::Number { .. }),
            "{status}: {failure}"
        );
    }
}

#[test]
fn a_hook_that_fails_after_it_wrote_has_written_nothing() {
    let body = "(i64.store (i32.const 64) (i64.const 5))
        (call $field_put (i32.const 0) (i32.const 6) (i32.const 3) (i32.const 64))
        (call $field_remove (i32.const 32) (i32.const 6))
        (call $refuse (i32.const 0) (i32.const 6))";
    assert_eq!(
        failure(&format!("{body} unreachable")),
        Failure::Trap(Trap::Unreachable)
    );
    let reason = "/stars".to_owned();
    assert_eq!(
        failure(&format!("{body} (i32.const 2)")),
        Failure::Refused {
            reason: reason.clone()
        }
    );
    assert_eq!(
        failure(&format!("{body} (i32.const 3)")),
        Failure::Failed { reason }
    );
}

#[test]
fn nothing_but_what_is_granted_is_read_or_written() {
    let parts = format!("{IMPORTS} (data (i32.const 0) \"/user/role/user\")");
    let asks = json!({"read": ["/user/name"], "write": ["/user/name"]});
    let path = |text: &str| FieldPath::parse(text).unwrap();
    for (body, access, of) in [
        (
            "(call $field_kind (i32.const 0) (i32.const 10))",
            Access::Read,
            "/user/role",
        ),
        (
            "(call $field_kind (i32.const 0) (i32.const 5))",
            Access::Read,
            "/user",
        ),
        (
            "(call $field_kind (i32.const 0) (i32.const 0))",
            Access::Read,
            "",
        ),
        (
            "(call $field_remove (i32.const 0) (i32.const 10)) (i32.const 0)",
            Access::Write,
            "/user/role",
        ),
        (
            "(call $field_put (i32.const 0) (i32.const 5) (i32.const 1) (i32.const 64)) (i32.const 0)",
            Access::Write,
            "/user",
        ),
        (
            "(call $answer (i32.const 1) (i32.const 64)) (i32.const 1)",
            Access::Write,
            "",
        ),
    ] {
        let mut context = json!({"user": {"role": "admin", "name": "ada"}});
        let failure = call(&module(&asks, &parts, body), &mut context);
        let path = path(of);
        assert_eq!(failure, Err(Failure::NotGranted { access, path }), "{body}");
        assert_eq!(context, json!({"user": {"role": "admin", "name": "ada"}}));
    }
}

#[test]
fn an_import_within_pipeline_alloc_is_refused() {
    let manifest = json!({
        "id": "guest", "version": "1.0.0",
        "hooks": [{"kind": "before", "point": "publish", "export": "hook"}],
        "asks": {"read": [""]}
    });
    let wat = format!(
        r#"(module {IMPORTS} (memory (export "memory") 1)
          (func $ask (export "hook") (result i32) (call $field_get (i32.const 0) (i32.const 0) (i32.const 8)))
          (func (export "pipeline_alloc") (param i32) (result i32) (call $ask))
          (@custom "pipeline-plugin" {:?}))"#,
        manifest.to_string()
    );
    let module = wat::parse_str(wat).unwrap();
    assert_eq!(call(&module, &mut json!({"a": 1})), Err(Failure::Reentrant));
}

#[test]
fn memory_that_is_given_out_of_bounds_is_refused() {
    for given in [
        "(i32.const 65535)",
        "(i32.const -1)",
        "(loop $again (br $again)) (i32.const 0)",
    ] {
        let wat = format!(
            r#"(module {IMPORTS} (memory (export "memory") 1)
              (func (export "hook") (result i32) (call $field_get (i32.const 0) (i32.const 0) (i32.const 8)))
              (func (export "pipeline_alloc") (param i32) (result i32) {given})
              (@custom "pipeline-plugin" "{{\"id\": \"guest\", \"version\": \"1.0.0\", \"hooks\": [{{\"kind\": \"before\", \"point\": \"publish\", \"export\": \"hook\"}}], \"asks\": {{\"read\": [\"\"], \"fuel\": 1000000}}}}"))"#
        );
        let failure = call(&wat::parse_str(wat).unwrap(), &mut json!({"a": 1})).unwrap_err();
        assert!(
            matches!(
                failure,
                Failure::Pointer { .. } | Failure::Fuel { limit: 1_000_000 }
            ),
            "{failure}"
        );
    }
}

#[test]
fn a_guest_that_trapped_gets_a_new_memory() {
    // It counts its calls in its memory, and traps in the third.
    let module = module(
        &json!({}),
        "",
        "(i32.store (i32.const 0) (i32.add (i32.load (i32.const 0)) (i32.const 1)))
         (if (i32.eq (i32.load (i32.const 0)) (i32.const 3)) (then unreachable))
         (i32.const 0)",
    );
    let guest = guest(&module);
    let trapped: Vec<bool> = (0..6)
        .map(|_| guest.call(0, &mut json!({})).is_err())
        .collect();
    assert_eq!(trapped, [false, false, true, false, false, true]);
}

fn refused(module: &[u8], grants: Grants) -> LoadError {
    Guest::from_bytes(module, grants)
        .map(|_| ())
        .expect_err("the module is refused")
}

#[test]
fn imports_that_are_not_granted_or_not_there_are_listed() {
    let parts = r#"
        (import "pipeline" "log" (func (param i32 i32 i32)))
        (import "pipeline" "rpc" (func (param i32)))
        (import "wasi_snapshot_preview1" "fd_write" (func (param i32 i32 i32 i32) (result i32)))
        (import "pipeline" "field_get" (func (param i64) (result i32)))
        (import "pipeline" "field_put" (global i32))"#;
    let error = refused(&module(&json!({}), parts, "(i32.const 0)"), Grants::none());
    let name = |name: &str| name.to_owned();
    assert_eq!(
        error,
        LoadError::Imports(vec![
            ImportProblem::NotGranted {
                name: name("pipeline.log"),
                grant: name("log")
            },
            ImportProblem::Unknown {
                name: name("pipeline.rpc")
            },
            ImportProblem::Unknown {
                name: name("wasi_snapshot_preview1.fd_write")
            },
            ImportProblem::Type {
                name: name("pipeline.field_get"),
                expected: name("(func (param i32 i32 i32) (result i32))")
            },
            ImportProblem::Type {
                name: name("pipeline.field_put"),
                expected: name("(func (param i32 i32 i32 i32))")
            },
        ])
    );
    assert_eq!(
        error.to_string(),
        "it imports what it may not: pipeline.log (it has to ask for log, and be granted it), pipeline.rpc (there is no such \
         import), wasi_snapshot_preview1.fd_write (there is no such import), pipeline.field_get (its type is (func (param \
         i32 i32 i32) (result i32))), pipeline.field_put (its type is (func (param i32 i32 i32 i32)))"
    );
}

#[test]
fn a_start_function_is_refused() {
    let error = refused(
        &module(&json!({}), "(func $begin) (start $begin)", "(i32.const 0)"),
        Grants::none(),
    );
    assert!(
        matches!(&error, LoadError::Module { message } if message.contains("start")),
        "{error}"
    );
}

#[test]
fn what_is_asked_beyond_the_grants_is_listed() {
    let asks = json!({"read": ["/a", "/b/c"], "write": ["/a"], "log": true, "emit": ["x"], "fuel": 20_000_000});
    let error = refused(
        &module(&asks, "", "(i32.const 0)"),
        Grants::none().read("/b").unwrap(),
    );
    assert_eq!(
        error.to_string(),
        "it asks for more than it was granted: read of /a, write of /a, log, emit of \"x\", fuel of 20000000; grant that, \
         or use another plugin"
    );
}

#[test]
fn what_is_too_large_is_refused() {
    let pages = |pages: u32| {
        let wat = format!(
            r#"(module (memory (export "memory") {pages})
              (func (export "pipeline_alloc") (param i32) (result i32) (i32.const 0))
              (@custom "pipeline-plugin" "{{\"id\": \"guest\", \"version\": \"1.0.0\"}}"))"#
        );
        wat::parse_str(wat).unwrap()
    };
    let (bytes, limit) = (65536 * 65536, 65536);
    assert_eq!(
        refused(&pages(65536), Grants::none().memory(65536)),
        LoadError::MemoryTooLarge { bytes, limit }
    );
    let tables = module(&json!({}), "(table 100001 funcref)", "(i32.const 0)");
    assert!(matches!(
        refused(&tables, Grants::none()),
        LoadError::Instance { .. }
    ));
    let many = "(func)".repeat(10_001);
    assert!(matches!(
        refused(&module(&json!({}), &many, "(i32.const 0)"), Grants::none()),
        LoadError::Module { .. }
    ));
    let two = module(&json!({}), "(memory 1)", "(i32.const 0)");
    assert!(matches!(
        refused(&two, Grants::none()),
        LoadError::Module { .. }
    ));
}

#[test]
fn data_that_does_not_fit_is_refused_when_it_is_loaded() {
    let module = module(
        &json!({}),
        "(data (i32.const 65530) \"longer than that\")",
        "(i32.const 0)",
    );
    assert!(matches!(
        refused(&module, Grants::none()),
        LoadError::Instance { .. }
    ));
}

#[test]
fn exports_that_lack_are_named() {
    let manifest = json!({"id": "guest", "version": "1.0.0", "hooks": [{"kind": "around", "point": "publish"}]});
    let error = refused(
        &with_manifest(
            &manifest,
            "(func (export \"around_publish_enter\") (result i32) (i32.const 0))",
        ),
        Grants::none(),
    );
    assert_eq!(
        error.to_string(),
        "it exports no function `around_publish_leave` of the type (func (param i32) (result i32))"
    );
}

#[test]
fn what_is_no_module_is_refused() {
    let whole = module(&json!({}), "", "(i32.const 0)");
    for cut in 0..whole.len() {
        // Without its last section, which names its parts for debuggers, it is still whole.
        if let Ok(guest) = Guest::from_bytes(&whole[..cut], Grants::none()) {
            assert_eq!(guest.call(0, &mut Value::Null), Ok(Ending::Continue));
        }
    }
    for cut in 0..=8 {
        let error = refused(&whole[..cut], Grants::none());
        assert!(matches!(error, LoadError::Section(_)), "{error}");
    }
    for byte in 0..whole.len() {
        let mut changed = whole.clone();
        changed[byte] ^= 0x55;
        // It may still be a module; then its hook ends.
        if let Ok(guest) = Guest::from_bytes(&changed, Grants::none().fuel(100_000)) {
            let _: Result<_, _> = guest.call(0, &mut Value::Null);
        }
    }
}
