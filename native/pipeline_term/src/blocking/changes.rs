use crate::context::{ContextError, Path, TermContext};
use crate::data::Data;
use crate::hook::Flow;

/// The changes of an async hook to the context, and how the run goes on.
#[derive(Clone, Debug)]
#[must_use]
pub struct Changes {
    writes: Vec<(Path, Option<Data>)>,
    flow: Flow,
}

impl Changes {
    /// Changes nothing; the run continues.
    pub fn none() -> Self {
        Self {
            writes: Vec::new(),
            flow: Flow::Continue,
        }
    }

    /// And writes a field.
    pub fn put(mut self, path: &Path, value: impl Into<Data>) -> Self {
        self.writes.push((path.clone(), Some(value.into())));
        self
    }

    /// And removes a field.
    pub fn remove(mut self, path: &Path) -> Self {
        self.writes.push((path.clone(), None));
        self
    }

    /// And answers or declines, as the [`Flow`] of other hooks does.
    pub fn then(mut self, flow: Flow) -> Self {
        self.flow = flow;
        self
    }

    pub(super) fn apply(&self, context: &mut TermContext<'_>) -> Result<Flow, ContextError> {
        for (path, value) in &self.writes {
            match value {
                Some(value) => context.put(path, value)?,
                None => context.remove(path)?,
            }
        }
        Ok(self.flow)
    }
}
