//! Nothing of a context is seen or changed that was not granted: random grants, contexts and paths against an oracle of
//! plain texts.

mod support;

use std::sync::LazyLock;

use pipeline_wasm::{Access, Failure, Grants, Guest};
use proptest::prelude::{Just, Strategy, any, prop, prop_oneof, proptest};
use proptest::{prop_assert, prop_assert_eq};
use serde_json::{Value, json};
use support::{IMPORTS, module};

/// Does to the path in its configuration what that says: reads it (1), puts null there (2), removes it (3), and writes
/// what it read to `/out`.
static PROBE: LazyLock<Vec<u8>> = LazyLock::new(|| {
    let parts = format!(
        "{IMPORTS} (data (i32.const 0) \"/path\") (data (i32.const 8) \"/what\") (data (i32.const 16) \"/out\")"
    );
    let body = "(local $path i32) (local $length i32) (local $what i64) (local $kind i32)
        (drop (call $config_get (i32.const 8) (i32.const 5) (i32.const 64)))
        (local.set $what (i64.load (i32.const 64)))
        (drop (call $config_get (i32.const 0) (i32.const 5) (i32.const 64)))
        (local.set $path (i32.load (i32.const 64)))
        (local.set $length (i32.load (i32.const 68)))
        (if (i64.eq (local.get $what) (i64.const 1))
          (then
            (local.set $kind (call $field_get (local.get $path) (local.get $length) (i32.const 64)))
            (if (local.get $kind)
              (then (call $field_put (i32.const 16) (i32.const 4) (local.get $kind) (i32.const 64))))))
        (if (i64.eq (local.get $what) (i64.const 2))
          (then (call $field_put (local.get $path) (local.get $length) (i32.const 1) (i32.const 64))))
        (if (i64.eq (local.get $what) (i64.const 3))
          (then (call $field_remove (local.get $path) (local.get $length))))
        (i32.const 0)";
    module(&json!({}), &parts, body)
});

fn key() -> impl Strategy<Value = &'static str> {
    prop_oneof![
        Just("a"),
        Just("b"),
        Just("ab"),
        Just(""),
        Just("~0"),
        Just("~1"),
        Just("0")
    ]
}

fn path() -> impl Strategy<Value = String> {
    let keys = prop::collection::vec(key(), 0..4);
    keys.prop_map(|keys| keys.iter().flat_map(|key| ["/", *key]).collect())
}

fn context() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![Just(json!(1)), Just(json!("text")), Just(json!(null))];
    let plain = prop_oneof![
        Just("a"),
        Just("b"),
        Just("ab"),
        Just(""),
        Just("~"),
        Just("/"),
        Just("0")
    ];
    let value = leaf.prop_recursive(3, 20, 4, move |inner| {
        let map = prop::collection::btree_map(plain.clone(), inner, 0..4);
        map.prop_map(|map| json!(map))
    });
    value.prop_filter("a map", Value::is_object)
}

fn covered(granted: &[String], path: &str) -> bool {
    granted
        .iter()
        .any(|granted| path == granted || path.starts_with(&format!("{granted}/")))
}

proptest! {
    #[test]
    fn what_is_not_granted_is_neither_seen_nor_changed(
        read in prop::collection::vec(path(), 0..3),
        write in prop::collection::vec(path(), 0..3),
        path in path(),
        what in 1..=3_i64,
        before in context(),
        fresh in any::<bool>(),
    ) {
        let mut grants = Grants::none();
        for path in &read {
            grants = grants.read(path).unwrap();
        }
        for path in &write {
            grants = grants.write(path).unwrap();
        }
        if what == 1 {
            grants = grants.write("/out").unwrap();
        }
        let guest = Guest::from_bytes(&PROBE, grants).unwrap().config(json!({"path": path, "what": what}));
        let mut after = before.clone();
        if fresh {
            let _: Result<_, _> = guest.call(0, &mut after.clone());
        }
        let ended = guest.call(0, &mut after);
        let (granted, access) = match what {
            1 => (covered(&read, &path), Access::Read),
            _ => (covered(&write, &path), Access::Write),
        };
        if !granted {
            let refused = matches!(ended, Err(Failure::NotGranted { access: refused, .. }) if refused == access);
            prop_assert!(refused, "{:?}", ended);
            prop_assert_eq!(&after, &before);
        } else if ended.is_ok() {
            match what {
                1 => prop_assert_eq!(after.get("out"), before.pointer(&path)),
                2 => prop_assert_eq!(after.pointer(&path), Some(&json!(null))),
                _ if path.is_empty() => prop_assert_eq!(&after, &json!(null)),
                _ => prop_assert_eq!(after.pointer(&path), None),
            }
        } else {
            // Only a path that leads into something without fields.
            prop_assert!(matches!(ended, Err(Failure::Field(_))), "{:?}", ended);
            prop_assert_eq!(&after, &before);
        }
    }
}
