use crate::data::{DataError, ShapeError};
use std::fmt;
use thiserror::Error;

/// Why a configuration was refused, and where in it the mistake is.
#[derive(Debug, Error)]
pub struct ConfigError {
    path: Vec<PathElement>,
    #[source]
    problem: ConfigProblem,
}

/// A step into a configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PathElement {
    /// A field.
    Field(String),
    /// An element of a list, counted from 0.
    Index(usize),
}

/// The problem with a configuration.
#[derive(Debug, Error)]
pub enum ConfigProblem {
    /// It is not made as the hook's configuration is.
    #[error(transparent)]
    Shape(ShapeError),
    /// It holds what is no plain data.
    #[error(transparent)]
    Data(#[from] DataError),
    /// It is made as it should be, and makes no sense.
    #[error("{0}")]
    Rejected(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The hook panicked over it.
    #[error("the hook panicked while it was configured: {0}")]
    Panicked(String),
}

impl ConfigError {
    /// A field whose value makes no sense.
    pub fn at(
        field: impl Into<String>,
        problem: impl Into<Box<dyn std::error::Error + Send + Sync>>,
    ) -> Self {
        Self {
            path: vec![PathElement::Field(field.into())],
            problem: ConfigProblem::Rejected(problem.into()),
        }
    }

    /// An element of a field's list that makes no sense.
    pub fn at_index(
        field: impl Into<String>,
        index: usize,
        problem: impl Into<Box<dyn std::error::Error + Send + Sync>>,
    ) -> Self {
        let mut error = Self::at(field, problem);
        error.path.push(PathElement::Index(index));
        error
    }

    pub(crate) fn whole(problem: ConfigProblem) -> Self {
        Self {
            path: Vec::new(),
            problem,
        }
    }

    /// From what serde found, adding the field that serde leaves to the message.
    pub(super) fn from_shape(found: serde_path_to_error::Error<ShapeError>) -> Self {
        use serde_path_to_error::Segment;
        let mut path: Vec<PathElement> = found
            .path()
            .iter()
            .filter_map(|segment| match segment {
                Segment::Seq { index } => Some(PathElement::Index(*index)),
                Segment::Map { key } => Some(PathElement::Field(key.clone())),
                Segment::Enum { variant } => Some(PathElement::Field(variant.clone())),
                Segment::Unknown => None,
            })
            .collect();
        let shape = found.into_inner();
        let field = match &shape {
            ShapeError::MissingField { field } | ShapeError::DuplicateField { field } => {
                Some((*field).to_owned())
            }
            ShapeError::UnknownField { field, .. } => Some(field.clone()),
            _ => None,
        };
        if let Some(field) = field.map(PathElement::Field)
            && path.last() != Some(&field)
        {
            path.push(field);
        }
        Self {
            path,
            problem: ConfigProblem::Shape(shape),
        }
    }

    /// The way to the mistake, from the outside in; empty if it is the whole.
    pub fn path(&self) -> &[PathElement] {
        &self.path
    }

    /// The problem there.
    pub fn problem(&self) -> &ConfigProblem {
        &self.problem
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (position, element) in self.path.iter().enumerate() {
            match element {
                PathElement::Field(field) if position == 0 => f.write_str(field)?,
                PathElement::Field(field) => write!(f, ".{field}")?,
                PathElement::Index(index) => write!(f, "[{index}]")?,
            }
        }
        if !self.path.is_empty() {
            f.write_str(": ")?;
        }
        self.problem.fmt(f)
    }
}
