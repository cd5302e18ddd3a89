//! Resolution.
//!
//! A [`Host`](crate::host::Host) resolves what it loads by itself. The functions beneath are for tools, and
//! for choosing what to load among many versions. They take [`Node`](crate::resolve::Node)s, which know ids,
//! versions, capabilities and dependencies, and nothing of code.
//!
//! # In which order
//!
//! [`load_order`](crate::resolve::load_order) gives waves: what stands in one can be loaded in parallel once
//! the waves before it are. Whatever is missing is reported at once, with what was probably meant.
//!
//! ```
//! use pipeline_core::requirement::parse_version;
//! use pipeline_core::resolve::{Dependency, Node, load_order};
//!
//! let nodes = [
//!     Node::new("blog", parse_version("1.2.0")?)
//!         .needs(Dependency::plugin("cache", Some("~> 1.4".parse()?)))
//!         .needs(Dependency::capability("search")),
//!     Node::new("cache", parse_version("1.4.2")?),
//!     Node::new("index", parse_version("0.9.0")?).provides("search"),
//! ];
//! assert_eq!(load_order(&nodes, &[])?, [vec![1, 2], vec![0]]);
//!
//! let error = load_order(&nodes[..1], &nodes[2..]).unwrap_err();
//! let sentence = "blog needs cache ~> 1.4, which is not there: load cache as well, or leave blog out.";
//! assert_eq!(error.to_string(), sentence);
//! # Ok::<_, Box<dyn std::error::Error>>(())
//! ```
//!
//! # In which version
//!
//! [`solve`](crate::resolve::solve) chooses among all the versions there are: the one that runs where
//! everything allows it, else the newest. When nothing fits, the [`Conflict`](crate::resolve::Conflict) is
//! told in the words of the authors, and names only what has a part in it:
//!
//! ```
//! use pipeline_core::requirement::parse_version;
//! use pipeline_core::resolve::{Dependency, Node, Request, Root, solve};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let needing = |id, version, requirement: &str| -> Result<_, Box<dyn std::error::Error>> {
//!     let cache = Dependency::plugin("cache", Some(requirement.parse()?));
//!     Ok(Node::new(id, parse_version(version)?).needs(cache))
//! };
//! let releases = [
//!     needing("blog", "1.2.0", "~> 1.4")?,
//!     needing("shop", "3.0.1", "~> 2.0")?,
//!     Node::new("cache", parse_version("1.4.2")?),
//!     Node::new("cache", parse_version("2.1.0")?),
//! ];
//! let both = Request::new(vec![Root::new("blog", None), Root::new("shop", None)]);
//! assert_eq!(
//!     solve(&releases, &both).unwrap_err().to_string(),
//!     "Conflict on cache (available: 1.4.2, 2.1.0)
//!   blog 1.2.0 needs cache ~> 1.4   (app → blog)
//!   shop 3.0.1 needs cache ~> 2.0   (app → shop)
//! Relax one of these, or remove blog or shop."
//! );
//! let chosen = solve(&releases, &Request::new(vec![Root::new("blog", None)]))?;
//! assert_eq!(chosen.into_iter().collect::<Vec<_>>(), [("blog", 0), ("cache", 2)]);
//! # Ok(())
//! # }
//! ```
//!
//! # What a requirement means
//!
//! Requirements are those of Elixir's `Version`, which are not those of Cargo: a bare version means exactly
//! that one, and `~> 1.2` is what Cargo writes as `^1.2` for versions from 1.0 on.
//! [`requirement`](crate::requirement) has the grammar.
