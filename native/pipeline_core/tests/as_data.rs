//! Errors, descriptions and requirements as JSON, out and in.
#![cfg(not(loom))]

use std::collections::BTreeSet;
use std::time::Duration;

use pipeline_core::breaker::{MAX_COUNT, Settings};
use pipeline_core::hook::order::{Contradiction, Precedence, PrecedenceReason};
use pipeline_core::hook::{
    Attachment, Cause, Chain, ChainDescription, ChainError, ContextFamily, Flow, Hook,
    HookDescription, HookError, HookKind, OnError,
};
use pipeline_core::host::{HostError, Stage};
use pipeline_core::plugin::PluginId;
use pipeline_core::registry::{ChangesError, RegistryError};
use pipeline_core::requirement::{AllowPre, Requirement, is_match, parse_version};
use pipeline_core::resolve::{
    CauseKind, Conflict, ConflictCause, Cycle, CycleEdge, Demand, Demander, PathStep, ResolveError,
    SolveError, Unmet,
};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;
use semver::Version;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::json;

/// Writes a value and reads it back, and that written again is the same.
#[track_caller]
fn round_trip<T: Serialize + DeserializeOwned>(value: &T) -> T {
    let written = serde_json::to_string(value).unwrap();
    let read: T = serde_json::from_str(&written).unwrap();
    assert_eq!(serde_json::to_string(&read).unwrap(), written);
    read
}

fn id() -> impl Strategy<Value = PluginId> {
    prop_oneof![
        "[a-z]{1,6}".prop_map(PluginId::symbol),
        any::<String>().prop_map(PluginId::text)
    ]
}

fn version() -> impl Strategy<Value = Version> {
    let pre = select(vec!["", "-rc.1", "+build"]);
    (0..9_u8, 0..9_u8, pre)
        .prop_map(|(major, minor, pre)| format!("{major}.{minor}.0{pre}").parse().unwrap())
}

fn requirement() -> impl Strategy<Value = Requirement> {
    let operator = select(vec!["", "~> ", ">= ", "!="]);
    let one = (operator, version()).prop_map(|(operator, version)| format!("{operator}{version}"));
    let join = select(vec![" and ", " or "]);
    (vec(one, 1..3), join).prop_map(|(all, join)| all.join(join).parse().unwrap())
}

fn step() -> impl Strategy<Value = PathStep<PluginId>> {
    prop_oneof![
        (id(), option::of(requirement()))
            .prop_map(|(id, requirement)| PathStep::Plugin(id, requirement)),
        id().prop_map(PathStep::Capability),
    ]
}

fn demand() -> impl Strategy<Value = Demand<PluginId>> {
    let versions = || vec(version(), 0..3);
    let by = prop_oneof![
        Just(Demander::Application),
        version().prop_map(Demander::Lock),
        (id(), versions()).prop_map(|(id, versions)| Demander::Plugin { id, versions }),
        (id(), versions()).prop_map(|(capability, versions)| Demander::Capability {
            capability,
            versions
        }),
    ];
    (
        by,
        option::of(requirement()),
        any::<bool>(),
        vec(step(), 0..3),
    )
        .prop_map(|(by, requirement, optional, path)| Demand {
            by,
            requirement,
            optional,
            path,
        })
}

fn cause() -> impl Strategy<Value = ConflictCause<PluginId>> {
    let versions = || vec(version(), 0..3);
    let releases = || vec((id(), version()), 0..2);
    let kind = prop_oneof![
        option::of(id()).prop_map(|suggestion| CauseKind::MissingPlugin { suggestion }),
        (releases(), option::of(id())).prop_map(|(pre_releases, suggestion)| {
            CauseKind::MissingCapability {
                pre_releases,
                suggestion,
            }
        }),
        releases().prop_map(|providers| CauseKind::NoCommonProvider { providers }),
        versions().prop_map(|available| CauseKind::NoVersion { available }),
        (versions(), option::of(version())).prop_map(|(pre_releases, lockable)| {
            CauseKind::PreReleaseOnly {
                pre_releases,
                lockable,
            }
        }),
        versions().prop_map(|available| CauseKind::Disagreement { available }),
        (versions(), versions())
            .prop_map(|(available, left)| CauseKind::Narrowed { available, left }),
    ];
    (id(), kind, vec(demand(), 0..3)).prop_map(|(name, kind, demands)| ConflictCause {
        name,
        kind,
        demands,
    })
}

fn unmet() -> impl Strategy<Value = Unmet<PluginId>> {
    prop_oneof![
        (id(), id(), option::of(requirement()), option::of(id())).prop_map(
            |(by, id, requirement, suggestion)| Unmet::MissingPlugin {
                by,
                id,
                requirement,
                suggestion,
            }
        ),
        (id(), id(), option::of(id())).prop_map(|(by, capability, suggestion)| {
            Unmet::MissingCapability {
                by,
                capability,
                suggestion,
            }
        }),
        (id(), id(), requirement(), version()).prop_map(|(by, id, requirement, found)| {
            Unmet::VersionMismatch {
                by,
                id,
                requirement,
                found,
            }
        }),
    ]
}

fn resolve_error() -> impl Strategy<Value = ResolveError<PluginId>> {
    let edge = (id(), id(), option::of(id()), any::<bool>()).prop_map(
        |(from, to, capability, optional)| CycleEdge {
            from,
            to,
            capability,
            optional,
        },
    );
    prop_oneof![
        (id(), version(), version()).prop_map(|(id, first, second)| ResolveError::DuplicateId {
            id,
            first,
            second
        }),
        (id(), version(), version()).prop_map(|(id, loaded, version)| {
            ResolveError::AlreadyLoaded {
                id,
                loaded,
                version,
            }
        }),
        vec(unmet(), 1..4).prop_map(ResolveError::Unmet),
        vec(edge, 1..4).prop_map(|edges| ResolveError::Cycle(Cycle { edges })),
    ]
}

fn solve_error() -> impl Strategy<Value = SolveError<PluginId>> {
    prop_oneof![
        (id(), version()).prop_map(|(id, version)| SolveError::DuplicateRelease { id, version }),
        (vec(cause(), 1..3), vec(id(), 0..3))
            .prop_map(|(causes, roots)| SolveError::Conflict(Conflict { causes, roots })),
    ]
}

fn kind() -> impl Strategy<Value = HookKind> {
    select(HookKind::ALL.to_vec())
}

fn chain_error() -> impl Strategy<Value = ChainError> {
    let reason = select(vec![
        PrecedenceReason::DeclaredBefore,
        PrecedenceReason::DeclaredAfter,
        PrecedenceReason::Standing,
    ]);
    let precedence = (id(), id(), reason).prop_map(|(earlier, later, reason)| Precedence {
        earlier,
        later,
        reason,
    });
    prop_oneof![
        ("[a-z]{1,6}", any::<usize>()).prop_map(|(point, count)| ChainError::TooDeep {
            point: point.into(),
            count
        }),
        ("[a-z]{1,6}", kind(), vec(precedence, 1..4)).prop_map(|(point, kind, cycle)| {
            ChainError::Contradiction {
                point: point.into(),
                contradiction: Contradiction { kind, cycle },
            }
        }),
    ]
}

fn host_error() -> impl Strategy<Value = HostError> {
    let stage = || select(vec![Stage::Build, Stage::Start, Stage::Stop]);
    prop_oneof![
        any::<String>().prop_map(|message| HostError::NoManifest { message }),
        id().prop_map(HostError::NotLoaded),
        resolve_error().prop_map(HostError::Resolve),
        (id(), id(), select(NO_REQUIREMENTS.to_vec())).prop_map(|(plugin, needs, text)| {
            HostError::InvalidRequirement {
                plugin,
                needs,
                source: Box::new(text.parse::<Requirement>().unwrap_err()),
            }
        }),
        (id(), any::<String>(), any::<String>()).prop_map(|(plugin, capability, requirement)| {
            HostError::VersionOfCapability {
                plugin,
                capability: capability.into(),
                requirement,
            }
        }),
        (id(), stage(), any::<String>()).prop_map(|(plugin, stage, said)| HostError::Failed {
            plugin,
            stage,
            source: said.into(),
        }),
        (id(), stage(), any::<String>()).prop_map(|(plugin, stage, message)| {
            HostError::Panicked {
                plugin,
                stage,
                message,
            }
        }),
        chain_error().prop_map(HostError::Chain),
        (id(), vec(id(), 1..4))
            .prop_map(|(plugin, dependents)| HostError::RequiredBy { plugin, dependents }),
    ]
}

fn hook_error() -> impl Strategy<Value = HookError<String>> {
    let cause = prop_oneof![
        any::<String>().prop_map(Cause::Failed),
        any::<String>().prop_map(Cause::Panicked),
        Just(Cause::Stray),
        any::<Duration>().prop_map(Cause::TimedOut),
        Just(Cause::Aborted),
        Just(Cause::CircuitOpen),
    ];
    (id(), any::<String>(), kind(), any::<usize>(), cause).prop_map(
        |(plugin, point, kind, index, cause)| HookError {
            plugin,
            point: point.into(),
            kind,
            index,
            cause,
        },
    )
}

fn description() -> impl Strategy<Value = ChainDescription> {
    let on_error = select(vec![OnError::Halt, OnError::Skip]);
    let timeout = option::of(any::<Duration>());
    let settings = (1..=MAX_COUNT, 1..u64::MAX, 1..u64::MAX, 1..=MAX_COUNT);
    let circuit = option::of(settings.prop_map(|(failures, window, cool_down, trials)| {
        Settings::new(failures, window, cool_down, trials).unwrap()
    }));
    let hook = (kind(), id(), any::<i64>(), on_error, timeout, circuit).prop_map(
        |(kind, plugin, priority, on_error, timeout, circuit)| HookDescription {
            kind,
            plugin,
            priority,
            on_error,
            timeout,
            circuit,
        },
    );
    (any::<String>(), vec(hook, 0..4)).prop_map(|(point, hooks)| ChainDescription {
        point: point.into(),
        hooks,
    })
}

/// Every way in which a text is no requirement.
const NO_REQUIREMENTS: [&str; 22] = [
    "",
    ">=",
    "!= ",
    "! and",
    "> ",
    "<",
    "<=",
    "== ",
    "~>",
    "and 1.0.0",
    "or 1.0.0",
    " and 1.0.0",
    " or 1.0.0",
    "1.0.0 and ",
    "1.0.0 or ",
    "1.0.0 2.0.0",
    "1.0.0 >= 2.0.0",
    ">= 1.0",
    "~> 1",
    "~> 1.0.01",
    "1.0.0-rc..1",
    "1.0.0+a_b",
];

/// Every way in which a text is no version.
const NO_VERSIONS: [&str; 12] = [
    "",
    "1",
    "1.2",
    "1.2.3.4",
    "a.2.3",
    "1.b.3",
    "1.2.c",
    "1.02.3",
    "1.2.123456789012345",
    "1.2.3-",
    "1.2.3-a..b+c",
    "1.2.3+ä",
];

#[test]
fn errors_of_requirements_go_out_and_in() {
    let mut sorts = BTreeSet::new();
    for text in NO_REQUIREMENTS {
        let error = text.parse::<Requirement>().unwrap_err();
        sorts.extend(written_sort(&error));
        assert_eq!(round_trip(&error), error);
    }
    for text in NO_VERSIONS {
        let error = parse_version(text).unwrap_err();
        sorts.extend(written_sort(&error));
        assert_eq!(round_trip(&error), error);
        let error = is_match(text, ">= 1.0.0", AllowPre::Yes).unwrap_err();
        assert_eq!(round_trip(&error), error);
    }
    let expected = [
        "bad_identifier",
        "empty",
        "empty_identifier",
        "leading_connective",
        "leading_zero",
        "missing_connective",
        "missing_number",
        "missing_patch",
        "missing_version",
        "not_a_number",
        "too_many_digits",
        "too_many_numbers",
        "version",
    ];
    assert_eq!(
        sorts.iter().map(String::as_str).collect::<Vec<_>>(),
        expected
    );
    let refused = serde_json::from_value::<pipeline_core::requirement::VersionError>(
        json!({"missing_number": {"text": "1", "part": "colour"}}),
    );
    let message = refused.unwrap_err().to_string();
    assert!(message.starts_with("unknown variant `colour`"), "{message}");
}

/// The name of the case, as it is written.
fn written_sort<T: Serialize>(error: &T) -> Option<String> {
    match serde_json::to_value(error).unwrap() {
        serde_json::Value::String(sort) => Some(sort),
        serde_json::Value::Object(fields) => fields.into_iter().next().map(|(sort, _)| sort),
        _ => None,
    }
}

#[test]
fn errors_of_registries_go_out_and_in() {
    let taken = RegistryError::DuplicateId(PluginId::text("a"));
    assert_eq!(
        serde_json::to_value(&taken).unwrap(),
        json!({"duplicate_id": {"text": "a"}})
    );
    assert_eq!(round_trip(&taken), taken);
    let unknown = RegistryError::UnknownId(PluginId::symbol("a"));
    assert_eq!(round_trip(&unknown), unknown);
    for error in [
        ChangesError::TooOld {
            asked: 1,
            oldest: 2,
        },
        ChangesError::Ahead {
            asked: 2,
            current: 1,
        },
    ] {
        assert_eq!(round_trip(&error), error);
    }
}

#[test]
fn an_error_of_a_plugins_own_is_what_it_says() {
    let error = HostError::Failed {
        plugin: "a".into(),
        stage: Stage::Start,
        source: Box::new(std::fmt::Error),
    };
    let written = serde_json::to_value(&error).unwrap();
    assert_eq!(
        written,
        json!({"failed": {
            "plugin": "a",
            "stage": "start",
            "source": "an error occurred when formatting an argument"
        }})
    );
    let read: HostError = serde_json::from_value(written).unwrap();
    assert_eq!(read.to_string(), error.to_string());
}

struct Texts;

impl ContextFamily for Texts {
    type Context<'a> = String;
    type Error = String;
}

#[test]
fn a_chain_describes_itself() {
    let pass = || Hook::<Texts>::before(|_: &mut String| Ok(Flow::Continue));
    let wrap = Hook::<Texts>::around_fn(|text, next| Ok(next.call(text)?));
    let hooks = vec![
        Attachment::new("low", 1, pass()).priority(10),
        Attachment::new(PluginId::text("high"), 2, pass().on_error(OnError::Skip)).priority(90),
        Attachment::new("wrap", 3, wrap),
    ];
    let description = Chain::new("run", hooks, |_| &[]).unwrap().describe();
    let written = serde_json::to_value(&description).unwrap();
    assert_eq!(
        written,
        json!({"point": "run", "hooks": [
            {"kind": "around", "plugin": "wrap", "priority": 50, "on_error": "halt"},
            {"kind": "before", "plugin": {"text": "high"}, "priority": 90, "on_error": "skip"},
            {"kind": "before", "plugin": "low", "priority": 10, "on_error": "halt"},
        ]})
    );
    assert_eq!(round_trip(&description), description);
}

proptest! {
    #[test]
    fn a_requirement_goes_out_and_in(requirement in requirement()) {
        prop_assert_eq!(round_trip(&requirement), requirement);
    }

    #[test]
    fn errors_of_resolution_go_out_and_in(error in resolve_error()) {
        prop_assert_eq!(round_trip(&error), error);
    }

    #[test]
    fn errors_of_solving_go_out_and_in(error in solve_error()) {
        prop_assert_eq!(round_trip(&error), error);
    }

    #[test]
    fn errors_of_chains_go_out_and_in(error in chain_error()) {
        prop_assert_eq!(round_trip(&error), error);
    }

    #[test]
    fn errors_of_a_host_go_out_and_in(error in host_error()) {
        prop_assert_eq!(round_trip(&error).to_string(), error.to_string());
    }

    #[test]
    fn errors_of_hooks_go_out_and_in(error in hook_error()) {
        prop_assert_eq!(round_trip(&error.without_details()), error.without_details());
        prop_assert_eq!(round_trip(&error), error);
    }

    #[test]
    fn descriptions_go_out_and_in(description in description()) {
        prop_assert_eq!(round_trip(&description), description);
    }
}
