//! The choice of versions: of four plugins in several versions, one that fits for each; and, once two of them
//! contradict each other, a conflict that says in their authors' words what to change.

use std::error::Error;

use pipeline_core::requirement::{Requirement, parse_version};
use pipeline_core::resolve::{
    CauseKind, ConflictCause, Dependency, Node, Request, Root, SolveError, solve,
};

fn release(
    id: &'static str,
    version: &str,
    needs: &[(&'static str, &str)],
) -> Result<Node<&'static str>, Box<dyn Error>> {
    let mut node = Node::new(id, parse_version(version)?);
    for (other, requirement) in needs {
        node = node.needs(Dependency::plugin(*other, Some(requirement.parse()?)));
    }
    Ok(node)
}

fn asking(roots: &[(&'static str, &str)]) -> Result<Request<&'static str>, Box<dyn Error>> {
    let root = |(id, requirement): &(&'static str, &str)| {
        let requirement: Requirement = requirement.parse()?;
        Ok(Root::new(*id, Some(requirement)))
    };
    let roots: Result<_, Box<dyn Error>> = roots.iter().map(root).collect();
    Ok(Request::new(roots?))
}

fn main() -> Result<(), Box<dyn Error>> {
    let releases = [
        release("blog", "1.1.0", &[("cache", "~> 1.0")])?,
        release("blog", "1.2.0", &[("cache", "~> 1.4")])?,
        release("shop", "2.9.0", &[("cache", ">= 1.0.0")])?,
        release("shop", "3.0.1", &[("cache", "~> 2.0")])?,
        release("cache", "1.4.2", &[])?,
        release("cache", "2.1.0", &[])?,
    ];

    let chosen = solve(
        &releases,
        &asking(&[("blog", "~> 1.0"), ("shop", ">= 2.0.0")])?,
    )?;
    let chosen: Vec<String> = chosen
        .into_iter()
        .map(|(id, at)| format!("{id} {}", releases[at].version))
        .collect();
    println!("chosen: {}", chosen.join(", "));
    assert_eq!(chosen, ["blog 1.2.0", "cache 1.4.2", "shop 2.9.0"]);

    let request = asking(&[("blog", "~> 1.0"), ("shop", "~> 3.0")])?;
    let Err(SolveError::Conflict(conflict)) = solve(&releases, &request) else {
        return Err("shop 3 and blog cannot go together".into());
    };
    let explained = conflict.to_string();
    println!("{explained}");
    assert_eq!(
        explained,
        "Conflict on cache (available: 1.4.2, 2.1.0)\n  \
           blog 1.1.0 needs cache ~> 1.0   (app → blog ~> 1.0)\n  \
           blog 1.2.0 needs cache ~> 1.4   (app → blog ~> 1.0)\n  \
           shop 3.0.1 needs cache ~> 2.0   (app → shop ~> 3.0)\n\
         Relax one of these, or remove blog or shop."
    );
    // The same for programs.
    assert!(matches!(
        conflict.causes[..],
        [ConflictCause {
            name: "cache",
            kind: CauseKind::Disagreement { .. },
            ..
        }]
    ));
    Ok(())
}
