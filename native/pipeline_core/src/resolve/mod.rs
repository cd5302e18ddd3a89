//! Which versions of plugins to load, and in which order.
//!
//! [`solve`] chooses one version of each plugin out of many; [`load_order`] and [`unload_order`] sort what
//! was chosen into waves, each of which can be loaded or unloaded in parallel.
//!
//! Nothing here recurses with the size of its input, so it may run on a scheduler thread with a small stack.
//!
//! # What a dependency asks for
//!
//! - A plugin by id, with an optional [`Requirement`](crate::requirement::Requirement) on its version.
//! - A capability: at least one *other* plugin that provides it. All providers that are loaded together with
//!   the dependent are loaded ahead of it, so that it finds every one of them.
//! - An optional dependency asks for nothing, it only orders. If the plugin it names is there, in a version
//!   that it does not allow, that is an error all the same (Mix decides so too): the author has said that the
//!   two do not work together.
//!
//! ```
//! use pipeline_core::resolve::{Dependency, Node, load_order};
//!
//! let version = semver::Version::new(1, 0, 0);
//! let nodes = [
//!     Node::new("blog", version.clone())
//!         .needs(Dependency::plugin("cache", Some("~> 1.0".parse()?)))
//!         .needs(Dependency::capability("llm")),
//!     Node::new("cache", version.clone()),
//!     Node::new("openai", version).provides("llm"),
//! ];
//! assert_eq!(load_order(&nodes, &[])?, [vec![1, 2], vec![0]]);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod capability_groups;
mod capability_providers;
mod cause_kind;
mod conflict;
mod conflict_graph;
mod constraint;
mod cycle;
mod demand;
mod dependency_graph;
mod dependency_provider;
mod error;
mod explanation;
mod interned_plugins;
mod load_order;
mod node;
mod plugin_by_id;
mod plugin_table;
mod request;
mod solve;
mod strongly_connected_component;
mod unmet;
mod version_index;
mod version_set;
mod waves;

pub use cause_kind::CauseKind;
pub use conflict::{Conflict, ConflictCause};
pub use cycle::{Cycle, CycleEdge};
pub use demand::{Demand, Demander, PathStep};
pub use error::{ResolveError, SolveError};
pub use load_order::{load_order, unload_order};
pub use node::{Dependency, Identifier, Node, Target};
pub use plugin_table::{NumberedDependency, PluginTable, PluginTableBuilder};
pub use request::{Request, Root};
pub use solve::solve;
pub use unmet::Unmet;
