//! The choice of versions, at one size against ten times that size.

use std::collections::HashMap;
use std::error::Error;

use pipeline_core::requirement::Requirement;
use pipeline_core::resolve::{Dependency, Node, Request, Root, SolveError, solve};
use semver::Version;

use crate::effort::Effort;
use crate::pair::{Row, repeat, rounds};
use crate::random::Random;

const VERSIONS: u64 = 10;
const DEPENDENCIES: usize = 3;

/// Plugins with ten versions each, every one of which needs three plugins from some version on. There is a
/// solution by construction: one version of each plugin accepts those chosen of the others. Of the
/// requirements of the versions that are not part of it, one in ten does not. A tenth of the plugins are
/// roots.
///
/// `bounded` is how many requirements in a hundred also have an upper bound, as those of authors do who trust
/// nobody. Then the newest version seldom does, and the choice is a search.
pub(crate) struct Problem {
    pub(crate) releases: Vec<Node<String>>,
    pub(crate) request: Request<String>,
}

pub(crate) fn problem(plugins: usize, bounded: u64) -> Result<Problem, Box<dyn Error>> {
    let mut random = Random::new(plugins as u64);
    let solution: Vec<u64> = (0..plugins).map(|_| random.below(VERSIONS)).collect();
    let mut requirements: HashMap<(u64, u64), Requirement> = HashMap::new();
    for from in 0..VERSIONS {
        for to in from + 1..=VERSIONS {
            let text = format!(">= 1.{from}.0 and < 1.{to}.0");
            requirements.insert((from, to), text.parse()?);
        }
    }
    let mut releases = Vec::new();
    for plugin in 0..plugins {
        for version in 0..VERSIONS {
            let mut release = Node::new(name(plugin), Version::new(1, version, 0));
            for _ in 0..DEPENDENCIES.min(plugin) {
                let on = usize::try_from(random.below(plugin as u64))?;
                let fits = version == solution[plugin] || random.below(10) > 0;
                let around = if fits {
                    solution[on]
                } else {
                    random.below(VERSIONS)
                };
                let upper = if random.below(100) < bounded {
                    around + 1 + random.below(VERSIONS - around)
                } else {
                    VERSIONS
                };
                let range = (random.below(around + 1), upper);
                let requirement = requirements.get(&range).cloned();
                release = release.needs(Dependency::plugin(name(on), requirement));
            }
            releases.push(release);
        }
    }
    let roots = (0..plugins / 10).map(|at| Root::new(name(plugins - 1 - at * 10), None));
    Ok(Problem {
        releases,
        request: Request::new(roots.collect()),
    })
}

/// Two more plugins to ask for, which need the same plugin in versions that exclude each other.
pub(crate) fn contradicting(mut problem: Problem) -> Result<Problem, Box<dyn Error>> {
    for (id, requirement) in [("left", "< 1.5.0"), ("right", ">= 1.5.0")] {
        let between = format!("{id}_between");
        let version = Version::new(1, 0, 0);
        let node = Node::new(id.to_owned(), version.clone());
        problem
            .releases
            .push(node.needs(Dependency::plugin(between.clone(), None)));
        let node = Node::new(between, version);
        problem
            .releases
            .push(node.needs(Dependency::plugin(name(0), Some(requirement.parse()?))));
        problem.request.roots.push(Root::new(id.to_owned(), None));
    }
    Ok(problem)
}

fn name(plugin: usize) -> String {
    format!("plugin_{plugin}")
}

pub(crate) fn rows(effort: Effort) -> Result<(), Box<dyn Error>> {
    let sizes = [100, 1_000, 10_000];
    let problems = |bounded| -> Result<Vec<Problem>, Box<dyn Error>> {
        sizes
            .into_iter()
            .map(|plugins| problem(plugins, bounded))
            .collect()
    };
    row(
        effort,
        &sizes,
        &problems(0)?,
        "versions chosen",
        Solution::is_ok,
    )?;
    row(
        effort,
        &sizes,
        &problems(25)?,
        "versions chosen, a quarter with upper bounds",
        Solution::is_ok,
    )?;
    let contradictory: Vec<Problem> = problems(0)?
        .into_iter()
        .map(contradicting)
        .collect::<Result<_, _>>()?;
    row(
        effort,
        &sizes,
        &contradictory,
        "a contradiction found and explained",
        Solution::is_err,
    )
}

type Solution = Result<std::collections::BTreeMap<String, usize>, SolveError<String>>;

fn row(
    effort: Effort,
    sizes: &[usize],
    problems: &[Problem],
    what: &str,
    expected: fn(&Solution) -> bool,
) -> Result<(), Box<dyn Error>> {
    for problem in problems {
        if !expected(&solve(&problem.releases, &problem.request)) {
            return Err("a problem is not what it was built to be".into());
        }
    }
    for (at, against) in [(1, "itself at 100 plugins"), (2, "itself at 1,000 plugins")] {
        let run = |problem: &Problem, times| {
            repeat(times, || {
                drop(solve(&problem.releases, &problem.request));
            })
        };
        let (count, times) = if at == 1 { (41, (1, 10)) } else { (7, (1, 4)) };
        let row = Row {
            what: format!("{what}, {} plugins × {VERSIONS}", sizes[at]),
            against,
            target: Some(20.0),
            rounds: rounds(
                effort.rounds(count),
                times,
                &mut |times| run(&problems[at], times),
                &mut |times| run(&problems[at - 1], times),
            ),
        };
        println!("{row}");
    }
    Ok(())
}
