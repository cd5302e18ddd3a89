//! Look-ups and load orders by number of plugins.

use std::error::Error;
use std::hint::black_box;
use std::time::Duration;

use pipeline_core::plugin::{Capability, Manifest};
use pipeline_core::registry::Registry;
use pipeline_core::resolve::{Dependency, Node, load_order};
use semver::Version;

use crate::effort::Effort;
use crate::figure_point::FigurePoint;
use crate::pair::repeat;
use crate::random::Random;

const SIZES: [usize; 5] = [10, 100, 1_000, 10_000, 100_000];
const DEPENDENCIES: usize = 5;
const LOOK_UPS: u32 = 20_000;

pub(crate) fn points(effort: Effort) -> Result<(), Box<dyn Error>> {
    for plugins in SIZES {
        let point = FigurePoint {
            figure: "plugins-lookup",
            series: "registry, in Rust",
            x: plugins,
            rounds: look_up(effort.rounds(31), plugins)?,
        };
        println!("{point}");
    }
    for plugins in SIZES {
        let rounds = if plugins < 100_000 { 31 } else { 7 };
        let point = FigurePoint {
            figure: "plugins-order",
            series: "core alone, in Rust",
            x: plugins,
            rounds: order(effort.rounds(rounds), plugins)?,
        };
        println!("{point}");
    }
    Ok(())
}

fn nanoseconds(took: Duration, times: u32) -> f64 {
    took.as_secs_f64() * 1e9 / f64::from(times)
}

fn look_up(rounds: usize, plugins: usize) -> Result<Vec<f64>, Box<dyn Error>> {
    let registry = Registry::new();
    for plugin in 0..plugins {
        let manifest = Manifest::new(format!("plugin_{plugin}").as_str(), Version::new(1, 0, 0));
        registry.register(
            manifest.capability(Capability::new(format!("capability_{plugin}").as_str())),
        )?;
    }
    let wanted: Vec<_> = (0..10)
        .map(|at| format!("capability_{}", at * plugins / 10).as_str().into())
        .collect();
    let mut next = wanted.iter().cycle();
    let mut round = || {
        let took = repeat(LOOK_UPS, || {
            black_box(
                next.next()
                    .map(|capability| registry.find_by_capability(capability)),
            );
        });
        nanoseconds(took, LOOK_UPS)
    };
    // The first round warms up.
    round();
    Ok((0..rounds).map(|_| round()).collect())
}

fn order(rounds: usize, plugins: usize) -> Result<Vec<f64>, Box<dyn Error>> {
    let mut random = Random::new(plugins as u64);
    let mut nodes = Vec::new();
    for plugin in 0..plugins {
        let mut needed = Vec::new();
        while needed.len() < DEPENDENCIES.min(plugin) {
            let on = random.below(plugin as u64);
            if !needed.contains(&on) {
                needed.push(on);
            }
        }
        let mut node = Node::new(format!("plugin_{plugin}"), Version::new(1, 0, 0));
        for on in needed {
            let requirement = Some("~> 1.0".parse()?);
            node = node.needs(Dependency::plugin(format!("plugin_{on}"), requirement));
        }
        nodes.push(node);
    }
    load_order(&nodes, &[])?;
    Ok((0..rounds)
        .map(|_| {
            let took = repeat(1, || {
                black_box(load_order(&nodes, &[]).is_ok());
            });
            nanoseconds(took, 1)
        })
        .collect())
}
