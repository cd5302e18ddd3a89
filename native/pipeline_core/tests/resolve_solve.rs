//! Version choice: what is preferred, and the wording of conflicts.

use pipeline_core::resolve::{Dependency, Node, Request, Root, solve};

type Release = Node<&'static str>;

fn release(id: &'static str, version: &str) -> Release {
    Node::new(id, version.parse().unwrap())
}

fn on(id: &'static str, requirement: &str) -> Dependency<&'static str> {
    Dependency::plugin(id, Some(requirement.parse().unwrap()))
}

fn wants(roots: &[(&'static str, &str)]) -> Request<&'static str> {
    let root = |&(id, requirement): &(&'static str, &str)| {
        Root::new(
            id,
            (!requirement.is_empty()).then(|| requirement.parse().unwrap()),
        )
    };
    Request::new(roots.iter().map(root).collect())
}

fn locked(
    mut request: Request<&'static str>,
    id: &'static str,
    version: &str,
) -> Request<&'static str> {
    request.locked.insert(id, version.parse().unwrap());
    request
}

fn loaded(
    mut request: Request<&'static str>,
    id: &'static str,
    version: &str,
) -> Request<&'static str> {
    request.loaded.insert(id, version.parse().unwrap());
    request
}

#[track_caller]
fn chooses(releases: &[Release], request: &Request<&'static str>, expected: &[&str]) {
    let chosen = solve(releases, request).unwrap_or_else(|error| panic!("{error}"));
    let chosen: Vec<String> = chosen
        .iter()
        .map(|(id, &at)| format!("{id} {}", releases[at].version))
        .collect();
    assert_eq!(chosen, expected);
}

#[track_caller]
fn refused(releases: &[Release], request: &Request<&'static str>, message: &str) {
    assert_eq!(solve(releases, request).unwrap_err().to_string(), message);
}

/// Two plugins that ask for one cache each.
fn blog_and_shop() -> Vec<Release> {
    vec![
        release("blog", "1.2.0").needs(on("cache", "~> 1.4")),
        release("shop", "3.0.1").needs(on("cache", "~> 2.0")),
        release("cache", "1.4.2"),
        release("cache", "2.1.0"),
    ]
}

#[test]
fn takes_the_newest_that_fits_and_nothing_that_is_not_needed() {
    let mut releases = blog_and_shop();
    releases.push(release("cache", "1.5.0"));
    chooses(
        &releases,
        &wants(&[("blog", "~> 1.0")]),
        &["blog 1.2.0", "cache 1.5.0"],
    );
    chooses(&releases, &wants(&[("cache", "")]), &["cache 2.1.0"]);
    chooses(&releases, &wants(&[]), &[]);
}

#[test]
fn falls_back_to_an_older_version_where_the_newest_does_not_fit() {
    let mut releases = blog_and_shop();
    releases.push(release("shop", "2.9.0").needs(on("cache", "~> 1.0")));
    chooses(
        &releases,
        &wants(&[("blog", ""), ("shop", "")]),
        &["blog 1.2.0", "cache 1.4.2", "shop 2.9.0"],
    );
}

#[test]
fn keeps_what_is_loaded_where_it_fits() {
    let releases = blog_and_shop();
    chooses(
        &releases,
        &loaded(wants(&[("cache", "")]), "cache", "1.4.2"),
        &["cache 1.4.2"],
    );
    chooses(
        &releases,
        &loaded(wants(&[("cache", "~> 2.0")]), "cache", "1.4.2"),
        &["cache 2.1.0"],
    );
    chooses(
        &releases,
        &loaded(wants(&[("cache", "")]), "cache", "1.0.0"),
        &["cache 2.1.0"],
    );
}

#[test]
fn honours_a_lock() {
    let releases = blog_and_shop();
    chooses(
        &releases,
        &locked(wants(&[("cache", "")]), "cache", "1.4.2"),
        &["cache 1.4.2"],
    );
    // A lock alone takes nothing.
    chooses(&releases, &locked(wants(&[]), "cache", "1.4.2"), &[]);
    let builds = [release("cache", "1.0.0+a"), release("cache", "1.0.0+b")];
    chooses(&builds, &wants(&[("cache", "")]), &["cache 1.0.0+b"]);
    chooses(
        &builds,
        &locked(wants(&[("cache", "")]), "cache", "1.0.0+a"),
        &["cache 1.0.0+a"],
    );
    chooses(
        &builds,
        &locked(wants(&[("cache", "")]), "cache", "1.0.0"),
        &["cache 1.0.0+b"],
    );
}

#[test]
fn pre_releases_wait_until_they_are_named() {
    let releases = [
        release("cache", "1.0.0"),
        release("cache", "1.1.0-rc.1"),
        release("blog", "1.0.0").needs(on("cache", "~> 1.0")),
    ];
    chooses(&releases, &wants(&[("cache", "")]), &["cache 1.0.0"]);
    chooses(&releases, &wants(&[("cache", "< 2.0.0")]), &["cache 1.0.0"]);
    chooses(
        &releases,
        &wants(&[("cache", "~> 1.0-dev")]),
        &["cache 1.1.0-rc.1"],
    );
    // Once the application has named it, nobody else objects to its being one.
    chooses(
        &releases,
        &wants(&[("blog", ""), ("cache", "~> 1.1-dev")]),
        &["blog 1.0.0", "cache 1.1.0-rc.1"],
    );
    chooses(
        &releases,
        &locked(wants(&[("cache", "~> 1.0")]), "cache", "1.1.0-rc.1"),
        &["cache 1.1.0-rc.1"],
    );
    chooses(
        &releases,
        &loaded(wants(&[("cache", "~> 1.0")]), "cache", "1.1.0-rc.1"),
        &["cache 1.1.0-rc.1"],
    );
}

#[test]
fn any_provider_meets_a_capability() {
    let chat = release("chat", "1.0.0").needs(Dependency::capability("llm"));
    let releases = [
        chat,
        release("local", "1.0.0").provides("llm"),
        release("openai", "1.0.0").provides("llm"),
        release("openai", "2.0.0"),
    ];
    chooses(
        &releases,
        &wants(&[("chat", "")]),
        &["chat 1.0.0", "local 1.0.0"],
    );
    chooses(
        &releases,
        &loaded(wants(&[("chat", "")]), "openai", "1.0.0"),
        &["chat 1.0.0", "openai 1.0.0"],
    );
    // The one that is taken anyway, in the version that provides it.
    chooses(
        &releases,
        &wants(&[("chat", ""), ("openai", "~> 1.0")]),
        &["chat 1.0.0", "openai 1.0.0"],
    );
    chooses(
        &releases,
        &wants(&[("chat", ""), ("openai", "~> 2.0")]),
        &["chat 1.0.0", "local 1.0.0", "openai 2.0.0"],
    );
}

#[test]
fn a_provider_does_not_serve_itself() {
    let wrapper = release("cached", "1.0.0")
        .provides("llm")
        .needs(Dependency::capability("llm"));
    chooses(
        &[wrapper.clone(), release("local", "1.0.0").provides("llm")],
        &wants(&[("cached", "")]),
        &["cached 1.0.0", "local 1.0.0"],
    );
    refused(
        &[wrapper],
        &wants(&[("cached", "")]),
        "No other plugin provides llm.\n  \
         cached 1.0.0 needs the capability llm   (app → cached)\n\
         Add a plugin that provides llm, or remove cached.",
    );
}

#[test]
fn an_optional_dependency_takes_nothing_and_constrains_what_is_taken() {
    let releases = [
        release("blog", "1.0.0")
            .needs(on("cache", "~> 1.0").optional())
            .needs(on("gone", "~> 1.0").optional()),
        release("cache", "1.0.0"),
        release("cache", "2.0.0"),
    ];
    chooses(&releases, &wants(&[("blog", "")]), &["blog 1.0.0"]);
    chooses(
        &releases,
        &wants(&[("cache", ""), ("blog", "")]),
        &["blog 1.0.0", "cache 1.0.0"],
    );
    refused(
        &releases,
        &wants(&[("blog", ""), ("cache", "~> 2.0")]),
        "Conflict on cache (available: 1.0.0, 2.0.0)\n  \
         app needs cache ~> 2.0\n  \
         blog 1.0.0 works only with cache ~> 1.0   (app → blog)\n\
         Relax one of these, or remove blog.",
    );
}

#[test]
fn a_missing_plugin() {
    refused(
        &[release("cache", "1.0.0")],
        &wants(&[("cahce", "~> 1.0")]),
        "No plugin has the id cahce. Did you mean cache?\n  app needs cahce ~> 1.0\nAdd cahce.",
    );
    refused(
        &[release("langchain", "0.1.0").needs(Dependency::plugin("python_bridge", None))],
        &wants(&[("langchain", "")]),
        "No plugin has the id python_bridge.\n  \
         langchain 0.1.0 needs python_bridge   (app → langchain)\n\
         Add python_bridge, or remove langchain.",
    );
}

#[test]
fn nobody_is_told_that_it_may_have_meant_itself() {
    refused(
        &[release("cache", "1.0.0").needs(Dependency::plugin("caches", None))],
        &wants(&[("cache", "")]),
        "No plugin has the id caches.\n  \
         cache 1.0.0 needs caches   (app → cache)\n\
         Add caches, or remove cache.",
    );
    refused(
        &[release("openai", "1.0.0")
            .provides("llm")
            .needs(Dependency::capability("llms"))],
        &wants(&[("openai", "")]),
        "No other plugin provides llms.\n  \
         openai 1.0.0 needs the capability llms   (app → openai)\n\
         Add a plugin that provides llms, or remove openai.",
    );
}

#[test]
fn a_missing_capability() {
    refused(
        &[
            release("chat", "1.0.0").needs(Dependency::capability("lmm")),
            release("openai", "1.0.0").provides("llm"),
        ],
        &wants(&[("chat", "~> 1.0")]),
        "No other plugin provides lmm. Did you mean llm?\n  \
         chat 1.0.0 needs the capability lmm   (app → chat ~> 1.0)\n\
         Add a plugin that provides lmm, or remove chat.",
    );
    refused(
        &[
            release("chat", "1.0.0").needs(Dependency::capability("llm")),
            release("openai", "1.0.0-rc.1").provides("llm"),
        ],
        &wants(&[("chat", "~> 1.0")]),
        "Only pre-releases provide llm (openai 1.0.0-rc.1)\n  \
         chat 1.0.0 needs the capability llm   (app → chat ~> 1.0)\n\
         Ask for openai ~> 1.0.0-rc.1 in the application, or remove chat.",
    );
}

#[test]
fn no_version_in_range() {
    refused(
        &[
            release("blog", "1.2.0").needs(on("cache", "~> 3.0")),
            release("cache", "1.4.2"),
            release("cache", "2.1.0"),
        ],
        &wants(&[("blog", "~> 1.0")]),
        "No version of cache fits (available: 1.4.2, 2.1.0)\n  \
         blog 1.2.0 needs cache ~> 3.0   (app → blog ~> 1.0)\n\
         Relax the requirement, or add a version of cache that fits, or remove blog.",
    );
}

#[test]
fn pre_release_only() {
    let mut releases = vec![
        release("blog", "1.2.0").needs(on("cache", "~> 2.0")),
        release("cache", "1.4.2"),
        release("cache", "2.0.0-rc.1"),
        release("cache", "2.0.0-rc.2"),
    ];
    refused(
        &releases,
        &wants(&[("blog", "~> 1.0")]),
        "Only pre-releases of cache fit (2.0.0-rc.1, 2.0.0-rc.2)\n  \
         blog 1.2.0 needs cache ~> 2.0   (app → blog ~> 1.0)\n\
         Require ~> 2.0.0-rc.2, or remove blog.",
    );
    releases.push(release("cache", "2.1.0-dev"));
    refused(
        &releases,
        &wants(&[("blog", "~> 1.0")]),
        "Only pre-releases of cache fit (2.0.0-rc.1, 2.0.0-rc.2, 2.1.0-dev)\n  \
         blog 1.2.0 needs cache ~> 2.0   (app → blog ~> 1.0)\n\
         Require ~> 2.1.0-dev, or lock cache to 2.1.0-dev, or remove blog.",
    );
    // The advice is good.
    chooses(
        &releases,
        &locked(wants(&[("blog", "~> 1.0")]), "cache", "2.1.0-dev"),
        &["blog 1.2.0", "cache 2.1.0-dev"],
    );
}

#[test]
fn a_plugin_that_contradicts_itself() {
    refused(
        &[
            release("blog", "1.0.0")
                .needs(on("cache", "~> 1.0"))
                .needs(on("cache", "~> 2.0")),
            release("cache", "1.0.0"),
            release("cache", "2.0.0"),
        ],
        &wants(&[("blog", "")]),
        "Conflict on cache (available: 1.0.0, 2.0.0)\n  \
         blog 1.0.0 needs cache ~> 1.0   (app → blog)\n  \
         blog 1.0.0 needs cache ~> 2.0   (app → blog)\n\
         Relax one of these, or remove blog.",
    );
}

#[test]
fn two_plugins_disagree_over_a_third() {
    refused(
        &blog_and_shop(),
        &wants(&[("blog", "~> 1.0"), ("shop", "~> 3.0")]),
        "Conflict on cache (available: 1.4.2, 2.1.0)\n  \
         blog 1.2.0 needs cache ~> 1.4   (app → blog ~> 1.0)\n  \
         shop 3.0.1 needs cache ~> 2.0   (app → shop ~> 3.0)\n\
         Relax one of these, or remove blog or shop.",
    );
}

#[test]
fn what_has_no_part_in_it_is_not_spoken_of() {
    let mut releases = blog_and_shop();
    releases.extend([
        release("log", "1.0.0")
            .needs(on("cache", ">= 1.0.0"))
            .needs(on("clock", "~> 1.0")),
        release("clock", "1.0.0"),
    ]);
    refused(
        &releases,
        &wants(&[
            ("log", "~> 1.0"),
            ("shop", "~> 3.0"),
            ("clock", ""),
            ("blog", "~> 1.0"),
        ]),
        "Conflict on cache (available: 1.4.2, 2.1.0)\n  \
         shop 3.0.1 needs cache ~> 2.0   (app → shop ~> 3.0)\n  \
         blog 1.2.0 needs cache ~> 1.4   (app → blog ~> 1.0)\n\
         Relax one of these, or remove shop or blog.",
    );
}

#[test]
fn a_chain_of_three() {
    refused(
        &[
            release("a", "1.0.0").needs(on("b", "~> 1.0")),
            release("b", "1.3.0").needs(on("c", "~> 1.1")),
            release("c", "1.1.0").needs(on("d", "~> 2.0")),
            release("d", "1.0.0"),
            release("d", "2.0.0"),
        ],
        &wants(&[("a", "~> 1.0"), ("d", "~> 1.0")]),
        "Conflict on d (available: 1.0.0, 2.0.0)\n  \
         app needs d ~> 1.0\n  \
         c 1.1.0 needs d ~> 2.0   (app → a ~> 1.0 → b ~> 1.0 → c ~> 1.1)\n\
         Relax one of these, or remove a.",
    );
}

#[test]
fn a_lock_in_the_way() {
    refused(
        &blog_and_shop(),
        &locked(wants(&[("shop", "")]), "cache", "1.4.2"),
        "Conflict on cache (available: 1.4.2, 2.1.0)\n  \
         the lock keeps cache at 1.4.2\n  \
         shop 3.0.1 needs cache ~> 2.0   (app → shop)\n\
         Relax one of these, or remove shop.",
    );
}

#[test]
fn a_provider_in_the_way() {
    refused(
        &[
            release("chat", "1.0.0").needs(Dependency::capability("llm")),
            release("openai", "1.0.0")
                .provides("llm")
                .needs(on("http", "~> 1.0")),
            release("http", "1.0.0"),
            release("http", "2.0.0"),
        ],
        &wants(&[("chat", ""), ("http", "~> 2.0")]),
        "Conflict on http (available: 1.0.0, 2.0.0)\n  \
         app needs http ~> 2.0\n  \
         openai 1.0.0 needs http ~> 1.0   (app → chat → capability llm → openai)\n\
         Relax one of these, or remove chat.",
    );
    refused(
        &[
            release("chat", "1.0.0").needs(Dependency::capability("llm")),
            release("openai", "1.0.0").provides("llm"),
            release("openai", "2.0.0"),
        ],
        &wants(&[("chat", ""), ("openai", "~> 2.0")]),
        "Conflict on openai (available: 1.0.0, 2.0.0)\n  \
         app needs openai ~> 2.0\n  \
         the capability llm is provided by openai 1.0.0   (app → chat → capability llm)\n\
         Relax one of these, or remove chat.",
    );
}

#[test]
fn versions_that_fail_for_different_reasons() {
    refused(
        &[
            release("blog", "1.0.0").needs(on("cache", "~> 1.0")),
            release("blog", "2.0.0").needs(on("queue", "~> 2.0")),
            release("shop", "1.0.0")
                .needs(on("cache", "~> 2.0"))
                .needs(on("queue", "~> 1.0")),
            release("cache", "1.0.0"),
            release("cache", "2.0.0"),
            release("queue", "1.0.0"),
            release("queue", "2.0.0"),
        ],
        &wants(&[("blog", ""), ("shop", "")]),
        "Conflict on cache (available: 1.0.0, 2.0.0)\n  \
         blog 1.0.0 needs cache ~> 1.0   (app → blog)\n  \
         shop 1.0.0 needs cache ~> 2.0   (app → shop)\n\
         Relax one of these, or remove blog or shop.\n\
         Conflict on queue (available: 1.0.0, 2.0.0)\n  \
         blog 2.0.0 needs queue ~> 2.0   (app → blog)\n  \
         shop 1.0.0 needs queue ~> 1.0   (app → shop)\n\
         Relax one of these, or remove blog or shop.",
    );
}

#[test]
fn a_version_that_is_left_and_in_trouble_itself() {
    refused(
        &[
            release("blog", "1.0.0").needs(on("cache", "< 3.0.0")),
            release("cache", "1.0.0"),
            release("cache", "2.0.0").needs(on("redis", "~> 7.0")),
            release("cache", "3.0.0"),
        ],
        &wants(&[("blog", ""), ("cache", "~> 2.0 or ~> 3.0")]),
        "Only cache 2.0.0 is left (available: 1.0.0, 2.0.0, 3.0.0)\n  \
         app needs cache ~> 2.0 or ~> 3.0\n  \
         blog 1.0.0 needs cache < 3.0.0   (app → blog)\n\
         Relax one of these, or remove blog.\n\
         No plugin has the id redis.\n  \
         cache 2.0.0 needs redis ~> 7.0   (app → cache ~> 2.0 or ~> 3.0)\n\
         Add redis, or remove blog or cache.",
    );
}

#[test]
fn a_release_is_known_once() {
    refused(
        &[release("cache", "1.0.0"), release("cache", "1.0.0")],
        &wants(&[]),
        "cache 1.0.0 was found twice: keep one of the two",
    );
}

#[test]
fn long_chains_need_no_stack() {
    // Each link leads to the next in two versions.
    let chain = |length: usize| -> Vec<Node<usize>> {
        let release = |id, major| Node::new(id, semver::Version::new(major, 0, 0));
        let next = |id| Dependency::plugin(id + 1, None);
        (0..length)
            .flat_map(|id| [1, 2].map(|major| release(id, major).needs(next(id))))
            .collect()
    };
    let small = std::thread::Builder::new().stack_size(320 * 1024);
    let thread = small.spawn(move || {
        let request = Request::new(vec![Root::new(0, None)]);
        let message = solve(&chain(400), &request).unwrap_err().to_string();
        let mut closed = chain(10_000);
        closed.push(Node::new(10_000, semver::Version::new(1, 0, 0)));
        (message, solve(&closed, &request).unwrap().len())
    });
    let (message, taken) = thread.unwrap().join().unwrap();
    assert_eq!(
        message,
        "No plugin has the id 400. Did you mean 40?\n  \
         399 1.0.0, 2.0.0 need 400   (app → 0 → 1 → … 397 more … → 399)\n\
         Add 400, or remove 0."
    );
    assert_eq!(taken, 10_001);
}
