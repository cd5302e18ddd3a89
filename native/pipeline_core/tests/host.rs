//! Plugins loaded, run and unloaded in a host.
#![cfg(not(loom))]

use std::collections::BTreeMap;
use std::num::NonZeroU16;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, Weak};
use std::thread;

use pipeline_core::events::{Event, Subscription};
use pipeline_core::hook::{ContextFamily, Flow, Hook, OnError};
use pipeline_core::host::{Host, HostError, HostEvent, Plugin, PluginError, Registrar, Stage};
use pipeline_core::plugin::{Capability, Dependency, Manifest, PluginId};
use semver::Version;
use serde_json::json;

struct Trails;

impl ContextFamily for Trails {
    type Context<'a> = Vec<String>;
    type Error = String;
}

type Log = Arc<Mutex<Vec<String>>>;

/// A plugin that appends its id at each of its points, ahead of the base operation and behind it.
struct Marker {
    manifest: Manifest,
    points: Vec<&'static str>,
    after: Option<&'static str>,
    before: Option<&'static str>,
    priority: i64,
    fails: Option<Stage>,
    panics: Option<Stage>,
    log: Log,
}

fn marker(id: &str) -> Marker {
    Marker {
        manifest: Manifest::new(id, Version::new(1, 2, 0)),
        points: vec!["run"],
        after: None,
        before: None,
        priority: 50,
        fails: None,
        panics: None,
        log: Log::default(),
    }
}

impl Marker {
    fn needs(mut self, dependency: Dependency) -> Self {
        self.manifest = self.manifest.depends_on(dependency);
        self
    }

    fn has(mut self, capability: &str) -> Self {
        self.manifest = self.manifest.capability(Capability::new(capability));
        self
    }

    fn enter(&self, stage: Stage) -> Result<(), PluginError> {
        self.log
            .lock()
            .unwrap()
            .push(format!("{stage} {}", self.manifest.id));
        assert!(self.panics != Some(stage), "ouch");
        if self.fails == Some(stage) {
            Err("no luck".into())
        } else {
            Ok(())
        }
    }
}

impl Plugin<Trails> for Marker {
    fn manifest(&self) -> Manifest {
        self.manifest.clone()
    }

    fn build(&self, registrar: &mut Registrar<Trails>) -> Result<(), PluginError> {
        self.enter(Stage::Build)?;
        for point in &self.points {
            let id = self.manifest.id.to_string();
            let before = Hook::before(move |trail: &mut Vec<String>| {
                trail.push(id.clone());
                Ok(Flow::Continue)
            });
            let attached = registrar.attach(*point, before);
            attached.priority = self.priority;
            attached.after.extend(self.after.map(PluginId::from));
            attached.before.extend(self.before.map(PluginId::from));
            let id = format!("/{}", self.manifest.id);
            registrar.attach(
                *point,
                Hook::after(move |trail: &mut Vec<String>| {
                    trail.push(id.clone());
                    Ok(())
                }),
            );
        }
        Ok(())
    }

    fn start(&self) -> Result<(), PluginError> {
        self.enter(Stage::Start)
    }

    fn stop(&self) {
        self.enter(Stage::Stop).unwrap();
    }
}

fn run(host: &Host<Trails>, point: &str) -> String {
    let mut trail = Vec::new();
    let core = |trail: &mut Vec<String>| {
        trail.push("core".to_owned());
        Ok(())
    };
    host.run(point, &mut trail, core, &mut Vec::new()).unwrap();
    trail.join(" ")
}

fn loaded(host: &Host<Trails>) -> Vec<String> {
    host.manifests()
        .list()
        .map(|manifest| manifest.id.to_string())
        .collect()
}

#[test]
fn hooks_come_and_go_with_their_plugin() {
    let host = Host::new();
    assert_eq!(run(&host, "run"), "core");
    let a = host
        .load(Marker {
            points: vec!["run", "other"],
            ..marker("a")
        })
        .unwrap();
    let b = host.load(marker("b")).unwrap();
    assert_eq!(run(&host, "run"), "a b core /a /b");
    assert_eq!(run(&host, "other"), "a core /a");
    assert_eq!(loaded(&host), ["a", "b"]);
    let kept = host.chain("other").unwrap();
    host.unload(&a).unwrap();
    assert_eq!(run(&host, "run"), "b core /b");
    assert!(host.chain("other").is_none());
    assert_eq!(kept.len(), 2);
    host.unload(&b).unwrap();
    assert_eq!(run(&host, "run"), "core");
    assert!(matches!(host.unload(&b), Err(HostError::NotLoaded(id)) if id == b));
}

#[test]
fn the_order_follows_dependencies_and_constraints() {
    let host = Host::new();
    host.load(marker("base")).unwrap();
    host.load(marker("late")).unwrap();
    host.load(Marker {
        after: Some("base"),
        ..marker("mover")
    })
    .unwrap();
    assert_eq!(run(&host, "run"), "base mover late core /base /late /mover");
}

#[test]
fn an_optional_dependency_that_arrives_later_orders_what_it_links() {
    let host = Host::new();
    host.load(marker("app").needs(Dependency::plugin("middle").optional()))
        .unwrap();
    host.load(marker("base")).unwrap();
    assert_eq!(run(&host, "run"), "app base core /app /base");
    let middle = Marker {
        points: vec![],
        ..marker("middle")
    };
    let middle = host.load(middle.needs(Dependency::plugin("base"))).unwrap();
    assert_eq!(run(&host, "run"), "base app core /base /app");
    host.unload(&middle).unwrap();
    assert_eq!(run(&host, "run"), "app base core /app /base");
}

/// The message of an error and of all its sources, as `anyhow` prints them.
fn whole(error: &dyn std::error::Error) -> String {
    let messages = std::iter::successors(Some(error), |error| error.source());
    let messages: Vec<String> = messages.map(ToString::to_string).collect();
    messages.join(": ")
}

#[track_caller]
fn assert_refused(host: &Host<Trails>, plugin: Marker, message: &str) {
    let (before, trail) = (loaded(host), run(host, "run"));
    let log = plugin.log.clone();
    assert_eq!(
        host.load(plugin)
            .map_err(|error| whole(&error))
            .unwrap_err(),
        message
    );
    assert_eq!(loaded(host), before);
    assert_eq!(run(host, "run"), trail);
    assert!(
        !log.lock()
            .unwrap()
            .iter()
            .any(|entry| entry.starts_with("stop"))
    );
}

#[test]
fn what_cannot_be_loaded_changes_nothing() {
    let host = Host::new();
    host.load(marker("a").has("http")).unwrap();
    assert_refused(
        &host,
        marker("a"),
        "a 1.2.0 is loaded already: unload it before a 1.2.0 is loaded",
    );
    assert_refused(
        &host,
        marker("other").needs(Dependency::plugin("c")),
        "other needs c, which is not there: load c as well, or leave other out. Did you mean a?",
    );
    assert_refused(
        &host,
        marker("b").needs(Dependency::plugin("a").requirement("~> 2.0")),
        "b needs a ~> 2.0, but a 1.2.0 is there: load a version that matches, or relax the requirement in b.",
    );
    assert_refused(
        &host,
        marker("b").needs(Dependency::capability("htp")),
        "b needs the capability htp, which no other plugin provides: load one that does, or leave b out. Did you mean \
         http?",
    );
    assert_refused(
        &host,
        marker("b").needs(Dependency::capability("http").requirement("~> 2.0")),
        "b needs the capability http ~> 2.0, but a capability has no version: leave the requirement out, or name a \
         plugin",
    );
    let unreadable = Dependency::plugin("a").requirement("^2.0.0");
    let refused = host.load(marker("b").needs(unreadable)).unwrap_err();
    assert_eq!(
        refused.to_string(),
        "the requirement of b on a cannot be read"
    );
    assert_eq!(
        std::error::Error::source(&refused).unwrap().to_string(),
        "\"^2.0.0\" is not a requirement: \"^2\" in \"^2.0.0\" is not a number: the major number is made of the digits 0 \
         to 9"
    );
    assert_refused(
        &host,
        marker("b").needs(Dependency::plugin("b")),
        "b depends on itself: remove that dependency.",
    );
    assert_refused(
        &host,
        Marker {
            fails: Some(Stage::Build),
            ..marker("b")
        },
        "b failed to build: no luck",
    );
    assert_refused(
        &host,
        Marker {
            fails: Some(Stage::Start),
            ..marker("b")
        },
        "b failed to start: no luck",
    );
    assert_refused(
        &host,
        Marker {
            panics: Some(Stage::Build),
            ..marker("b")
        },
        "b panicked in build: ouch",
    );
    assert_refused(
        &host,
        Marker {
            panics: Some(Stage::Start),
            ..marker("b")
        },
        "b panicked in start: ouch",
    );
    assert_refused(
        &host,
        Marker {
            before: Some("a"),
            after: Some("a"),
            ..marker("b")
        },
        "on run, the before hooks cannot be put in order: b before a (b declares before: a), a before b (b declares \
         after: a); remove one of the declared constraints",
    );
}

#[test]
fn all_are_loaded_or_none() {
    let host = Host::new();
    let log = Log::default();
    let plugins = |last: Marker| -> Vec<Box<dyn Plugin<Trails>>> {
        let a = Marker {
            log: log.clone(),
            ..marker("a")
        };
        let b = Marker {
            log: log.clone(),
            ..marker("b")
        };
        let b = b.needs(Dependency::plugin("a"));
        vec![
            Box::new(a),
            Box::new(b),
            Box::new(
                Marker {
                    log: log.clone(),
                    ..last
                }
                .needs(Dependency::plugin("b")),
            ),
        ]
    };
    let refused = host.load_all(plugins(Marker {
        fails: Some(Stage::Start),
        ..marker("c")
    }));
    assert!(matches!(
        refused,
        Err(HostError::Failed {
            stage: Stage::Start,
            ..
        })
    ));
    assert!(loaded(&host).is_empty());
    let expected = [
        "build a", "build b", "build c", "start a", "start b", "start c", "stop b", "stop a",
    ];
    assert_eq!(log.lock().unwrap().as_slice(), expected);
    assert_eq!(
        host.load_all(plugins(marker("c"))).unwrap(),
        ["a".into(), "b".into(), "c".into()]
    );
    assert_eq!(run(&host, "run"), "a b c core /a /b /c");

    log.lock().unwrap().clear();
    assert!(host.shut_down().is_empty());
    assert_eq!(
        log.lock().unwrap().as_slice(),
        ["stop c", "stop b", "stop a"]
    );
    assert!(loaded(&host).is_empty());
    assert_eq!(run(&host, "run"), "core");
    host.load(marker("a")).unwrap();
    assert_eq!(run(&host, "run"), "a core /a");
}

#[test]
fn plugins_load_in_the_order_of_their_needs() {
    let host = Host::new();
    let log = Log::default();
    host.load(marker("base")).unwrap();
    let logged = |plugin: Marker| Marker {
        log: log.clone(),
        ..plugin
    };
    let app = marker("app").needs(Dependency::capability("http"));
    let client = marker("client")
        .has("http")
        .needs(Dependency::plugin("base").requirement("~> 1.0"));
    let plugins: Vec<Box<dyn Plugin<Trails>>> =
        vec![Box::new(logged(app)), Box::new(logged(client))];
    assert_eq!(
        host.load_all(plugins).unwrap(),
        ["client".into(), "app".into()]
    );
    let expected = ["build client", "build app", "start client", "start app"];
    assert_eq!(log.lock().unwrap().as_slice(), expected);
    assert_eq!(loaded(&host), ["base", "client", "app"]);
    assert_eq!(run(&host, "run"), "base client app core /base /client /app");
}

#[test]
fn plugins_that_wait_for_each_other_are_refused() {
    let host = Host::new();
    let plugins: Vec<Box<dyn Plugin<Trails>>> = vec![
        Box::new(marker("a").needs(Dependency::plugin("b"))),
        Box::new(marker("b").needs(Dependency::plugin("a").optional())),
    ];
    assert_eq!(
        host.load_all(plugins).unwrap_err().to_string(),
        "these plugins wait for each other:\n  a needs b\n  b needs a (optional)\nRemove one of these dependencies."
    );
    assert!(loaded(&host).is_empty());
    let twice: Vec<Box<dyn Plugin<Trails>>> = vec![Box::new(marker("a")), Box::new(marker("a"))];
    assert_eq!(
        host.load_all(twice).unwrap_err().to_string(),
        "two plugins to load have the id a (1.2.0 and 1.2.0): keep one of them"
    );
}

#[test]
fn what_arrives_must_be_of_a_version_that_loaded_plugins_allow() {
    let host = Host::new();
    let optional = Dependency::plugin("cache").requirement("~> 2.0").optional();
    host.load(marker("app").needs(optional)).unwrap();
    assert_refused(
        &host,
        marker("cache"),
        "app needs cache ~> 2.0, but cache 1.2.0 is there: load a version that matches, or relax the requirement in \
         app.",
    );
    let mut cache = marker("cache");
    cache.manifest.version = Version::new(2, 0, 0);
    host.load(cache).unwrap();
    assert_eq!(loaded(&host), ["app", "cache"]);
}

#[test]
fn a_plugin_is_no_provider_for_itself() {
    let host = Host::new();
    let wrapper = || {
        marker("wrapper")
            .has("http")
            .needs(Dependency::capability("http"))
    };
    assert_refused(
        &host,
        wrapper(),
        "wrapper needs the capability http, which no other plugin provides: load one that does, or leave wrapper out.",
    );
    let http = host.load(marker("http").has("http")).unwrap();
    host.load(wrapper()).unwrap();
    assert_eq!(
        host.unload(&http).unwrap_err().to_string(),
        "http is needed by wrapper; unload those first"
    );
}

#[test]
fn what_others_need_stays() {
    let host = Host::new();
    let http = host.load(marker("http").has("http")).unwrap();
    let user = host
        .load(marker("user").needs(Dependency::capability("http")))
        .unwrap();
    host.load(
        marker("other")
            .needs(Dependency::plugin("user"))
            .needs(Dependency::plugin("http").optional()),
    )
    .unwrap();
    assert_eq!(
        host.unload(&http).unwrap_err().to_string(),
        "http is needed by user; unload those first"
    );
    assert_eq!(
        host.unload(&user).unwrap_err().to_string(),
        "user is needed by other; unload those first"
    );
    host.load(marker("http2").has("http")).unwrap();
    host.unload(&http).unwrap();
    assert_eq!(loaded(&host), ["user", "other", "http2"]);
}

#[test]
fn unloading_what_keeps_constraints_apart_is_refused() {
    let host = Host::new();
    host.load(Marker {
        priority: 90,
        ..marker("a")
    })
    .unwrap();
    let x = host
        .load(Marker {
            priority: 95,
            ..marker("x")
        })
        .unwrap();
    host.load(Marker {
        priority: 10,
        before: Some("x"),
        ..marker("m")
    })
    .unwrap();
    host.load(Marker {
        after: Some("m"),
        before: Some("a"),
        ..marker("z")
    })
    .unwrap();
    let before = run(&host, "run");
    let refused = host.unload(&x).unwrap_err();
    assert_eq!(
        refused.to_string(),
        "on run, the before hooks cannot be put in order: z before a (z declares before: a), a before m (priority, \
         dependency or registration), m before z (z declares after: m); remove one of the declared constraints"
    );
    assert_eq!(run(&host, "run"), before);
}

#[test]
fn a_plugin_that_panics_in_stop_is_unloaded_nevertheless() {
    let host = Host::new();
    let id = host
        .load(Marker {
            panics: Some(Stage::Stop),
            ..marker("a")
        })
        .unwrap();
    assert_eq!(
        host.unload(&id).unwrap_err().to_string(),
        "a panicked in stop: ouch"
    );
    assert!(loaded(&host).is_empty());
}

fn told(events: &Subscription<HostEvent>) -> Vec<serde_json::Value> {
    let events = std::iter::from_fn(|| events.try_recv());
    events
        .map(|event| {
            let written = serde_json::to_value(&*event).unwrap();
            assert_eq!(written["event"], event.name());
            let read: HostEvent = serde_json::from_value(written.clone()).unwrap();
            assert_eq!(read, *event);
            written
        })
        .collect()
}

#[test]
fn a_host_tells_what_happens() {
    let host = Host::new();
    let events = host.events().subscribe("*", NonZeroU16::new(64).unwrap());
    let last = Marker {
        fails: Some(Stage::Start),
        ..marker("b")
    };
    let refused = vec![
        Box::new(Marker {
            panics: Some(Stage::Stop),
            ..marker("a")
        }) as Box<dyn Plugin<Trails>>,
        Box::new(last.needs(Dependency::plugin("a"))),
    ];
    host.load_all(refused).unwrap_err();
    assert_eq!(
        told(&events),
        [
            json!({"event": "plugin_failed", "id": "a", "stage": "stop", "message": "ouch"}),
            json!({"event": "plugin_failed", "id": "b", "stage": "start", "message": "no luck"}),
        ]
    );
    host.load(marker("a").needs(Dependency::plugin("c")))
        .unwrap_err();
    assert!(told(&events).is_empty());

    let a = host.load(marker("a")).unwrap();
    host.load(marker("b")).unwrap();
    host.unload(&a).unwrap();
    host.shut_down();
    assert_eq!(
        told(&events),
        [
            json!({"event": "plugin_loaded", "id": "a", "version": "1.2.0"}),
            json!({"event": "plugin_loaded", "id": "b", "version": "1.2.0"}),
            json!({"event": "plugin_unloaded", "id": "a"}),
            json!({"event": "plugin_unloaded", "id": "b"}),
        ]
    );
}

/// Skips one failing hook, and fails in another.
struct Faulty;

impl Plugin<Trails> for Faulty {
    fn manifest(&self) -> Manifest {
        Manifest::new("faulty", Version::new(1, 0, 0))
    }

    fn build(&self, registrar: &mut Registrar<Trails>) -> Result<(), PluginError> {
        let fails = Hook::before(|_: &mut Vec<String>| Err("no".to_owned()));
        registrar.attach("run", fails.on_error(OnError::Skip));
        let fails = Hook::after(|_: &mut Vec<String>| panic!("ouch"));
        registrar.attach("run", fails);
        Ok(())
    }
}

#[test]
fn a_host_tells_which_hooks_fail() {
    let host = Host::new();
    host.load(Faulty).unwrap();
    let events = host
        .events()
        .subscribe("hook_failed", NonZeroU16::new(64).unwrap());
    let mut skipped = Vec::new();
    let skip = json!({"event": "hook_failed", "skipped": true, "error": {
        "plugin": "faulty", "point": "run", "kind": "before", "index": 0, "cause": {"failed": null}
    }});
    let fail = json!({"event": "hook_failed", "skipped": false, "error": {
        "plugin": "faulty", "point": "run", "kind": "after", "index": 0, "cause": {"panicked": "ouch"}
    }});
    for _ in 0..2 {
        host.run("run", &mut Vec::new(), |_| Ok(()), &mut skipped)
            .unwrap_err();
        assert_eq!(told(&events), [skip.clone(), fail.clone()]);
    }
    // Also when the base operation panics.
    let run =
        AssertUnwindSafe(|| host.run("run", &mut Vec::new(), |_| panic!("core"), &mut Vec::new()));
    assert!(catch_unwind(run).is_err());
    assert_eq!(told(&events), [skip]);
    host.run("other", &mut Vec::new(), |_| Ok(()), &mut skipped)
        .unwrap();
    assert!(told(&events).is_empty());
}

/// Two plugins with two hooks each come and go, together and apart: every run sees both hooks of a plugin or
/// neither.
#[test]
fn a_run_sees_all_hooks_of_a_plugin_or_none() {
    let rounds = if cfg!(miri) { 5 } else { 500 };
    let host = Host::new();
    host.load(marker("fixed")).unwrap();
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        let runs: Vec<_> = (0..3)
            .map(|_| {
                scope.spawn(|| {
                    let mut seen = BTreeMap::new();
                    while !done.load(Ordering::Acquire) {
                        *seen.entry(run(&host, "run")).or_insert(0) += 1;
                    }
                    seen
                })
            })
            .collect();
        for _ in 0..rounds {
            host.load_all(vec![Box::new(marker("a")), Box::new(marker("b"))])
                .unwrap();
            host.unload(&"a".into()).unwrap();
            host.unload(&"b".into()).unwrap();
        }
        done.store(true, Ordering::Release);
        for seen in runs.into_iter().map(|run| run.join().unwrap()) {
            for trail in seen.keys() {
                let whole = [
                    "fixed core /fixed",
                    "fixed a b core /fixed /a /b",
                    "fixed b core /fixed /b",
                ];
                assert!(whole.contains(&trail.as_str()), "{trail}");
            }
        }
    });
}

/// A plugin that does something to its host in each step, and when it is dropped.
struct Meddler {
    id: &'static str,
    host: Weak<Host<Trails>>,
    fails: bool,
    log: Log,
}

impl Meddler {
    fn meddle(&self, step: &str) {
        let Some(host) = self.host.upgrade() else {
            return;
        };
        let loaded = host.load(marker("other")).map(|id| id.to_string());
        let unloaded = host.unload(&PluginId::from("other"));
        let said = |result: Result<String, HostError>| match result {
            Ok(_) => "worked".to_owned(),
            Err(error) => error.to_string(),
        };
        let unloaded = said(unloaded.map(|()| String::new()));
        let line = format!("{step}: {}, {unloaded}", said(loaded));
        self.log.lock().unwrap().push(line);
    }
}

impl Plugin<Trails> for Meddler {
    fn manifest(&self) -> Manifest {
        Manifest::new(self.id, Version::new(1, 0, 0))
    }

    fn build(&self, _: &mut Registrar<Trails>) -> Result<(), PluginError> {
        Ok(())
    }

    fn start(&self) -> Result<(), PluginError> {
        self.meddle("start");
        if self.fails {
            Err("no luck".into())
        } else {
            Ok(())
        }
    }

    fn stop(&self) {
        self.meddle("stop");
    }
}

impl Drop for Meddler {
    fn drop(&mut self) {
        self.meddle("drop");
    }
}

const BUSY: &str = "the host is in the middle of a load or unload on this thread; a plugin cannot load or unload from \
                    its own steps, do it when they have returned";

#[test]
fn a_load_within_a_step_of_a_plugin_is_refused() {
    let host = Arc::new(Host::new());
    let log = Log::default();
    let meddler = Meddler {
        id: "meddler",
        host: Arc::downgrade(&host),
        fails: false,
        log: log.clone(),
    };
    let id = host.load(meddler).unwrap();
    host.unload(&id).unwrap();
    let log = log.lock().unwrap();
    assert_eq!(log[0], format!("start: {BUSY}, {BUSY}"));
    assert_eq!(log[1], format!("stop: {BUSY}, {BUSY}"));
    assert!(host.manifests().list().next().is_none());
}

#[test]
fn the_drop_of_a_refused_plugin_may_load() {
    let host = Arc::new(Host::new());
    let log = Log::default();
    let meddler = Meddler {
        id: "meddler",
        host: Arc::downgrade(&host),
        fails: true,
        log: log.clone(),
    };
    host.load(meddler).unwrap_err();
    assert_eq!(
        *log.lock().unwrap(),
        [
            format!("start: {BUSY}, {BUSY}"),
            "drop: worked, worked".to_owned()
        ]
    );
}

#[test]
fn a_shut_down_within_a_step_of_a_plugin_is_refused() {
    struct Ender(Weak<Host<Trails>>, Log);
    impl Plugin<Trails> for Ender {
        fn manifest(&self) -> Manifest {
            Manifest::new("ender", Version::new(1, 0, 0))
        }
        fn build(&self, _: &mut Registrar<Trails>) -> Result<(), PluginError> {
            let failures = self.0.upgrade().unwrap().shut_down();
            let said = failures.iter().map(HostError::to_string);
            self.1.lock().unwrap().extend(said);
            Ok(())
        }
    }
    let host = Arc::new(Host::new());
    let log = Log::default();
    host.load(Ender(Arc::downgrade(&host), log.clone()))
        .unwrap();
    assert_eq!(*log.lock().unwrap(), [BUSY]);
    assert_eq!(host.manifests().list().count(), 1);
}

#[test]
fn a_dropped_host_stops_its_plugins_in_order() {
    let log = Log::default();
    let mut base = marker("base");
    base.log = log.clone();
    let mut top = marker("top").needs(Dependency::plugin("base"));
    top.log = log.clone();
    let host = Host::new();
    host.load_all(vec![Box::new(top), Box::new(base)]).unwrap();
    log.lock().unwrap().clear();
    drop(host);
    assert_eq!(*log.lock().unwrap(), ["stop top", "stop base"]);
}

#[test]
fn a_boxed_plugin_can_be_loaded() {
    let host = Host::new();
    let boxed: Box<dyn Plugin<Trails>> = Box::new(marker("boxed"));
    host.load(boxed).unwrap();
    assert_eq!(host.manifests().list().count(), 1);
}
