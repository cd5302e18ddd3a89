//! The load order of a graph that somebody else made.

use std::error::Error;
use std::io::{BufRead, Write, stdin, stdout};
use std::time::Instant;

use pipeline_core::resolve::{Dependency, Node, load_order};
use semver::Version;

pub(crate) fn serve(path: &str) -> Result<(), Box<dyn Error>> {
    let graph = std::fs::read_to_string(path)?;
    let nodes: Vec<Node<String>> = graph
        .lines()
        .enumerate()
        .map(|(plugin, needed)| {
            let node = Node::new(format!("plugin_{plugin}"), Version::new(1, 0, 0));
            needed.split_whitespace().try_fold(node, |node, needed| {
                let requirement = Some("~> 1.0".parse()?);
                Ok(node.needs(Dependency::plugin(format!("plugin_{needed}"), requirement)))
            })
        })
        .collect::<Result<_, Box<dyn Error>>>()?;
    for line in stdin().lock().lines() {
        line?;
        let started = Instant::now();
        let waves = load_order(&nodes, &[])?;
        let took = started.elapsed().as_nanos();
        drop(waves);
        println!("{took}");
        stdout().flush()?;
    }
    Ok(())
}
