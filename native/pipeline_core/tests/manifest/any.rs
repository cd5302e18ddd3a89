//! Manifests of all sorts.

use pipeline_core::hook::{HookKind, OnError};
use pipeline_core::plugin::{
    Capability, CapabilityValue, DeclaredHook, Dependency, Manifest, Name, PluginId, Provides,
};
use pipeline_core::registry::Provider;
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;
use semver::Version;

fn text() -> impl Strategy<Value = String> {
    prop_oneof!["[a-z_]{1,8}", any::<String>()]
}

fn name() -> impl Strategy<Value = Name> {
    text().prop_map(Name::from)
}

pub(crate) fn id() -> impl Strategy<Value = PluginId> {
    (any::<bool>(), name()).prop_map(|(symbol, name)| {
        if symbol {
            PluginId::symbol(name)
        } else {
            PluginId::text(name)
        }
    })
}

pub(crate) fn version() -> impl Strategy<Value = Version> {
    let pre = select(vec!["", "-0", "-rc.1", "-alpha-2.x", "+build.01", "-dev+b"]);
    let number = || prop_oneof![0..10_u64, 0..100_000_000_000_000_u64];
    (number(), number(), number(), pre).prop_map(|(major, minor, patch, pre)| {
        let text = format!("{major}.{minor}.{patch}{pre}");
        text.parse().unwrap()
    })
}

fn value() -> impl Strategy<Value = CapabilityValue> {
    prop_oneof![
        any::<bool>().prop_map(CapabilityValue::Boolean),
        any::<i64>().prop_map(CapabilityValue::Integer),
        name().prop_map(CapabilityValue::Text),
        name().prop_map(CapabilityValue::symbol),
    ]
}

fn capability() -> impl Strategy<Value = Capability> {
    (name(), vec(value(), 0..4)).prop_map(|(name, values)| Capability { name, values })
}

fn provides() -> impl Strategy<Value = Provides> {
    (name(), any::<i64>(), any::<bool>()).prop_map(|(provider_type, priority, default)| Provides {
        provider_type,
        provider: Provider { priority, default },
    })
}

fn dependency() -> impl Strategy<Value = Dependency> {
    let needs = prop_oneof![
        id().prop_map(Dependency::plugin),
        name().prop_map(Dependency::capability)
    ];
    (needs, option::of(text()), any::<bool>()).prop_map(|(dependency, requirement, optional)| {
        Dependency {
            requirement,
            optional,
            ..dependency
        }
    })
}

fn hook() -> impl Strategy<Value = DeclaredHook> {
    let on_error = select(vec![OnError::Halt, OnError::Skip]);
    let ids = || vec(id(), 0..3);
    let kind = select(HookKind::ALL.to_vec());
    (kind, name(), any::<i64>(), ids(), ids(), on_error).prop_map(
        |(kind, point, priority, before, after, on_error)| DeclaredHook {
            kind,
            point,
            priority,
            before,
            after,
            on_error,
        },
    )
}

pub(crate) fn manifest() -> impl Strategy<Value = Manifest> {
    let texts = (text(), text(), text());
    let lists = (
        vec(capability(), 0..4),
        vec(provides(), 0..4),
        vec(dependency(), 0..4),
        vec(hook(), 0..4),
    );
    (id(), version(), texts, lists).prop_map(|(id, version, (name, description, author), lists)| {
        let (capabilities, provides, dependencies, hooks) = lists;
        Manifest {
            id,
            name,
            version,
            description,
            author,
            capabilities,
            provides,
            dependencies,
            hooks,
        }
    })
}
