use std::fmt::{self, Display};

use serde::{Deserialize, Serialize};

use super::{CauseKind, Demand, Identifier};

/// Demands that cannot be met together; without any one of them they could.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Conflict<N> {
    /// The plugins and capabilities that cannot be had. Several entries if a plugin has versions that fail
    /// for different reasons.
    pub causes: Vec<ConflictCause<N>>,
    /// The roots that have a part in it: without any one of them the rest can be had.
    pub roots: Vec<N>,
}

/// A plugin or capability that cannot be had as it is asked for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConflictCause<N> {
    /// The id of the plugin, or the name of the capability.
    pub name: N,
    /// Why it cannot be had.
    pub kind: CauseKind<N>,
    /// The demands for it.
    pub demands: Vec<Demand<N>>,
}

impl<N: Identifier> Display for Conflict<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, cause) in self.causes.iter().enumerate() {
            if at > 0 {
                f.write_str("\n")?;
            }
            cause.write(f, &self.roots)?;
        }
        Ok(())
    }
}

impl<N: Identifier> ConflictCause<N> {
    /// Headline, demands in columns, and a remedy; `removable` are plugins whose removal would help.
    fn write(&self, f: &mut fmt::Formatter<'_>, removable: &[N]) -> fmt::Result {
        let name = &self.name;
        f.write_str(&self.kind.headline(name))?;
        let object: &dyn Display = if self.kind.is_of_capability() {
            &format!("the capability {name}")
        } else {
            name
        };
        let lines: Vec<(String, Option<String>)> = self
            .demands
            .iter()
            .map(|demand| (demand.sentence(object), demand.way()))
            .collect();
        let with_way = lines.iter().filter(|(_, way)| way.is_some());
        let width = with_way
            .map(|(sentence, _)| sentence.chars().count())
            .max()
            .unwrap_or(0);
        for (sentence, way) in &lines {
            match way {
                None => write!(f, "\n  {sentence}")?,
                Some(way) => write!(f, "\n  {sentence:width$}   ({way})")?,
            }
        }
        let remedy = self.kind.remedy(name);
        let removable: Vec<String> = removable
            .iter()
            .filter(|id| *id != name)
            .map(ToString::to_string)
            .collect();
        match removable.as_slice() {
            [] => write!(f, "\n{remedy}."),
            some => write!(f, "\n{remedy}, or remove {}.", some.join(" or ")),
        }
    }
}
