//! The registry against a plain list that does the same by definition, its edges one by one, and readers
//! beside a writer.
#![cfg(not(loom))]

use std::cmp::Reverse;
use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use pipeline_core::plugin::{Capability, CapabilityValue, Manifest, Name, PluginId};
use pipeline_core::registry::{ChangesError, Provider, Registry, RegistryError};
use proptest::prelude::*;
use semver::Version;

fn manifest(id: &str) -> Manifest {
    Manifest::new(id, Version::new(1, 0, 0))
}

fn with(id: &str, capability: &str, values: &[i64]) -> Manifest {
    let capability = values
        .iter()
        .fold(Capability::new(capability), |capability, &value| {
            capability.value(value)
        });
    manifest(id).capability(capability)
}

fn ids(ids: &[&str]) -> Vec<PluginId> {
    ids.iter().map(|&id| PluginId::from(id)).collect()
}

#[test]
fn a_duplicate_id_is_refused_and_changes_nothing() {
    let registry = Registry::new();
    registry.register(with("a", "x", &[1])).unwrap();
    let generation = registry.generation();
    let refused = registry.register(with("a", "y", &[])).unwrap_err();
    assert_eq!(refused, RegistryError::DuplicateId("a".into()));
    assert_eq!(
        refused.to_string(),
        "a is registered already; unregister it first, or replace it"
    );
    assert_eq!(registry.generation(), generation);
    assert!(registry.find_by_capability(&"y".into()).is_empty());
}

#[test]
fn a_symbol_and_a_text_that_look_alike_are_two_plugins() {
    let registry = Registry::new();
    registry
        .register(Manifest::new(PluginId::symbol("a"), Version::new(1, 0, 0)))
        .unwrap();
    registry
        .register(Manifest::new(PluginId::text("a"), Version::new(2, 0, 0)))
        .unwrap();
    assert_eq!(registry.len(), 2);
    assert_eq!(
        registry.get(&PluginId::text("a")).unwrap().version,
        Version::new(2, 0, 0)
    );
    registry.unregister(&PluginId::symbol("a")).unwrap();
    assert!(registry.contains(&PluginId::text("a")));
    assert!(!registry.contains(&PluginId::symbol("a")));
}

#[test]
fn all_or_none_are_registered() {
    let registry = Registry::new();
    let refused = registry.register_all([manifest("a"), manifest("b"), manifest("a")]);
    assert_eq!(refused.unwrap_err(), RegistryError::DuplicateId("a".into()));
    assert!(registry.is_empty());
    assert_eq!(
        registry
            .register_all([manifest("a"), manifest("b")])
            .unwrap()
            .len(),
        2
    );
    assert_eq!(registry.generation(), 2);
}

#[test]
fn all_or_none_are_replaced_in_their_places() {
    let registry = Registry::new();
    registry
        .register_all([manifest("a"), manifest("b")])
        .unwrap();
    let generation = registry.generation();
    let refused = registry.replace_all([with("a", "x", &[]), manifest("c")]);
    assert_eq!(
        refused.unwrap_err(),
        RegistryError::UnknownId(PluginId::from("c"))
    );
    assert_eq!(registry.generation(), generation);
    assert!(registry.find_by_capability(&"x".into()).is_empty());

    let old = registry
        .replace_all([with("b", "x", &[]), with("a", "x", &[])])
        .unwrap();
    assert_eq!(old.len(), 2);
    assert_eq!(registry.find_by_capability(&"x".into()), ids(&["a", "b"]));
}

#[test]
fn unregistering_what_is_not_there_is_refused() {
    let registry: Registry<Manifest> = Registry::new();
    assert_eq!(
        registry.unregister(&"a".into()).unwrap_err(),
        RegistryError::UnknownId("a".into())
    );
    assert_eq!(
        registry.replace(manifest("a")).unwrap_err(),
        RegistryError::UnknownId("a".into())
    );
    assert_eq!(registry.generation(), 0);
}

#[test]
fn each_element_of_a_list_finds_the_plugin() {
    let registry = Registry::new();
    let models = Capability::new("llm")
        .value("small")
        .value("large")
        .value(CapabilityValue::symbol("small"));
    registry.register(manifest("a").capability(models)).unwrap();
    registry
        .register(manifest("b").capability(Capability::new("llm").value("large")))
        .unwrap();
    let llm: Name = "llm".into();
    assert_eq!(
        registry.find_by_capability_value(&llm, &"large".into()),
        ids(&["a", "b"])
    );
    assert_eq!(
        registry.find_by_capability_value(&llm, &"small".into()),
        ids(&["a"])
    );
    assert_eq!(
        registry.find_by_capability_value(&llm, &CapabilityValue::symbol("small")),
        ids(&["a"])
    );
    assert!(
        registry
            .find_by_capability_value(&llm, &CapabilityValue::symbol("large"))
            .is_empty()
    );
    registry.unregister(&"a".into()).unwrap();
    assert!(
        registry
            .find_by_capability_value(&llm, &"small".into())
            .is_empty()
    );
}

#[test]
fn a_default_provider_goes_first_then_priority_then_load_order() {
    let registry: Registry<Manifest> = Registry::new();
    let provides =
        |id, priority, default| manifest(id).provides("llm", Provider { priority, default });
    let preferred = || {
        registry
            .provider(&"llm".into())
            .map(|found| found.entry.id.to_string())
    };
    assert_eq!(preferred(), None);
    registry.register(provides("low", 1, false)).unwrap();
    registry.register(provides("low_too", 1, false)).unwrap();
    assert_eq!(preferred().unwrap(), "low");
    registry.register(provides("high", 2, false)).unwrap();
    assert_eq!(preferred().unwrap(), "high");
    registry.register(provides("default", -5, true)).unwrap();
    assert_eq!(preferred().unwrap(), "default");
    registry.unregister(&"default".into()).unwrap();
    registry.unregister(&"high".into()).unwrap();
    assert_eq!(preferred().unwrap(), "low");
}

#[test]
fn a_plugin_may_provide_for_a_type_twice() {
    let registry = Registry::new();
    let worse = Provider {
        priority: 1,
        default: false,
    };
    let better = Provider {
        priority: 2,
        default: false,
    };
    registry
        .register(manifest("a").provides("llm", worse).provides("llm", better))
        .unwrap();
    assert_eq!(registry.provider(&"llm".into()).unwrap().declaration, 1);
    assert_eq!(registry.snapshot().providers(&"llm".into()).count(), 2);
}

#[test]
fn a_snapshot_stays_as_it_was() {
    let registry = Registry::new();
    registry.register(with("a", "x", &[1])).unwrap();
    let before = registry.snapshot();
    registry.unregister(&"a".into()).unwrap();
    assert_eq!(before.find_by_capability(&"x".into()).count(), 1);
    assert_eq!((before.generation(), registry.generation()), (1, 2));
}

#[test]
fn changes_name_each_id_once_by_what_became_of_it() {
    let registry = Registry::new();
    for id in ["a", "b", "c"] {
        registry.register(manifest(id)).unwrap();
    }
    let seen = registry.generation();
    registry.replace(manifest("c")).unwrap();
    registry.unregister(&"a".into()).unwrap();
    registry.register(manifest("d")).unwrap();
    registry.register(manifest("e")).unwrap();
    registry.unregister(&"e".into()).unwrap();
    registry.unregister(&"b".into()).unwrap();
    registry.register(manifest("b")).unwrap();
    let changes = registry.changed_since(seen).unwrap();
    assert_eq!(changes.changed, ids(&["c", "d", "b"]));
    assert_eq!(changes.removed, ids(&["a", "e"]));
    let nothing = registry.changed_since(changes.generation).unwrap();
    assert!(nothing.changed.is_empty() && nothing.removed.is_empty());
}

#[test]
fn a_generation_out_of_reach_is_refused() {
    let registry = Registry::new();
    for number in 0..5000 {
        registry.register(manifest(&number.to_string())).unwrap();
    }
    let refused = registry.changed_since(903).unwrap_err();
    assert_eq!(
        refused,
        ChangesError::TooOld {
            asked: 903,
            oldest: 904
        }
    );
    assert_eq!(
        refused.to_string(),
        "generation 903 is too old: the history begins after generation 904; list all entries anew"
    );
    assert_eq!(registry.changed_since(904).unwrap().changed.len(), 4096);
    assert_eq!(
        registry.changed_since(5001).unwrap_err(),
        ChangesError::Ahead {
            asked: 5001,
            current: 5000
        }
    );
}

#[derive(Clone, Debug)]
enum Step {
    Register(Manifest),
    Replace(Manifest),
    Unregister(PluginId),
}

fn any_manifest() -> impl Strategy<Value = Manifest> {
    let capability = ("[xyz]", prop::collection::vec(0..3_i64, 0..3));
    let provider = ("[pq]", -1..2_i64, any::<bool>());
    (
        "[a-f]",
        prop::collection::vec(capability, 0..3),
        prop::collection::vec(provider, 0..3),
    )
        .prop_map(|(id, capabilities, providers)| {
            let mut manifest = manifest(&id);
            for (name, values) in capabilities {
                manifest
                    .capabilities
                    .extend(with("", &name, &values).capabilities);
            }
            for (provider_type, priority, default) in providers {
                manifest = manifest.provides(provider_type, Provider { priority, default });
            }
            manifest
        })
}

fn any_step() -> impl Strategy<Value = Step> {
    prop_oneof![
        3 => any_manifest().prop_map(Step::Register),
        1 => any_manifest().prop_map(Step::Replace),
        1 => "[a-f]".prop_map(|id| Step::Unregister(PluginId::from(&*id))),
    ]
}

/// Applies a step to a plain list. Whether the list knew what to do with it.
fn apply(list: &mut Vec<Manifest>, step: &Step) -> bool {
    let find =
        |list: &[Manifest], id: &PluginId| list.iter().position(|manifest| manifest.id == *id);
    match step {
        Step::Register(manifest) => {
            let free = find(list, &manifest.id).is_none();
            if free {
                list.push(manifest.clone());
            }
            free
        }
        Step::Replace(manifest) => find(list, &manifest.id)
            .map(|at| list[at] = manifest.clone())
            .is_some(),
        Step::Unregister(id) => find(list, id).map(|at| list.remove(at)).is_some(),
    }
}

fn provider_in(list: &[Manifest], provider_type: &Name) -> Option<(PluginId, usize)> {
    let mut best: Option<(Provider, PluginId, usize)> = None;
    for manifest in list {
        for (declaration, provides) in manifest.provides.iter().enumerate() {
            if provides.provider_type != *provider_type {
                continue;
            }
            let found = provides.provider;
            let beats = best.as_ref().is_none_or(|(best, ..)| {
                (Reverse(found.default), Reverse(found.priority))
                    < (Reverse(best.default), Reverse(best.priority))
            });
            if beats {
                best = Some((found, manifest.id.clone(), declaration));
            }
        }
    }
    best.map(|(_, id, declaration)| (id, declaration))
}

proptest! {
    #[test]
    fn answers_as_a_plain_list_does(steps in prop::collection::vec(any_step(), 0..40), mark in 0..40_usize) {
        let registry = Registry::new();
        let mut list = Vec::new();
        let mut marked = (0, list.clone());
        for (number, step) in steps.iter().enumerate() {
            if number == mark {
                marked = (registry.generation(), list.clone());
            }
            let done = match step {
                Step::Register(manifest) => registry.register(manifest.clone()).is_ok(),
                Step::Replace(manifest) => registry.replace(manifest.clone()).is_ok(),
                Step::Unregister(id) => registry.unregister(id).is_ok(),
            };
            prop_assert_eq!(done, apply(&mut list, step));

            let snapshot = registry.snapshot();
            prop_assert_eq!(snapshot.len(), list.len());
            prop_assert!(snapshot.list().map(|entry| &**entry).eq(list.iter()));
            for manifest in &list {
                prop_assert_eq!(&**snapshot.get(&manifest.id).unwrap(), manifest);
            }
            for capability in ["x", "y", "z"].map(Name::from) {
                let has = |manifest: &&Manifest| manifest.capabilities.iter().any(|found| found.name == capability);
                let expected: Vec<PluginId> = list.iter().filter(has).map(|manifest| manifest.id.clone()).collect();
                prop_assert_eq!(registry.find_by_capability(&capability), expected);
                for value in (0..3).map(CapabilityValue::Integer) {
                    let has = |manifest: &&Manifest| {
                        let mut capabilities = manifest.capabilities.iter();
                        capabilities.any(|found| found.name == capability && found.values.contains(&value))
                    };
                    let expected: Vec<PluginId> = list.iter().filter(has).map(|manifest| manifest.id.clone()).collect();
                    prop_assert_eq!(registry.find_by_capability_value(&capability, &value), expected);
                }
            }
            for provider_type in ["p", "q"].map(Name::from) {
                let found = registry.provider(&provider_type).map(|found| (found.entry.id.clone(), found.declaration));
                prop_assert_eq!(found, provider_in(&list, &provider_type));
            }
        }

        // Entries that the changes leave out did not change.
        let changes = registry.changed_since(marked.0).unwrap();
        let told: BTreeSet<&PluginId> = changes.changed.iter().chain(&changes.removed).collect();
        let untold = |list: &[Manifest]| -> Vec<Manifest> {
            list.iter().filter(|manifest| !told.contains(&manifest.id)).cloned().collect()
        };
        prop_assert_eq!(untold(&marked.1), untold(&list));
        prop_assert!(changes.changed.iter().all(|id| registry.contains(id)));
        prop_assert!(!changes.removed.iter().any(|id| registry.contains(id)));
    }
}

/// Two plugins are always registered and unregistered together, under the same capability and provider type.
#[test]
fn readers_see_a_change_whole_or_not_at_all() {
    let rounds = if cfg!(miri) { 20 } else { 3000 };
    let registry = Registry::new();
    let done = AtomicBool::new(false);
    let capability: Name = "x".into();
    let plugin = |id| with(id, "x", &[1, 2]).provides("x", Provider::default());
    thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                let mut last = 0;
                while !done.load(Ordering::Acquire) {
                    registry.read(|snapshot| {
                        let found = snapshot.find_by_capability(&capability).count();
                        assert_eq!(snapshot.len(), found);
                        assert_eq!(
                            snapshot
                                .find_by_capability_value(&capability, &1.into())
                                .count(),
                            found
                        );
                        assert_eq!(
                            snapshot
                                .find_by_capability_value(&capability, &2.into())
                                .count(),
                            found
                        );
                        assert_eq!(snapshot.providers(&capability).count(), found);
                        assert_eq!(snapshot.contains(&"a".into()), found > 0);
                        assert!(snapshot.generation() >= last);
                        last = snapshot.generation();
                    });
                }
            });
        }
        for _ in 0..rounds {
            registry.register_all([plugin("a"), plugin("b")]).unwrap();
            registry.replace(plugin("a")).unwrap();
            registry.unregister(&"b".into()).unwrap();
            registry.unregister(&"a".into()).unwrap();
        }
        done.store(true, Ordering::Release);
    });
    assert!(registry.is_empty());
}
