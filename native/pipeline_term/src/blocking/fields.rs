use crate::context::{ContextError, Path, TermContext};
use crate::data::Data;
use crate::failure::Failure;
use thiserror::Error;

/// Copies of the fields that an async hook reads.
#[derive(Clone, Debug)]
pub struct Fields(Vec<(Path, Option<Data>)>);

/// A field that is not of the type the hook works on.
#[derive(Debug, Error)]
#[error("{at} is {found}; expected {expected}")]
struct WrongType {
    at: Path,
    expected: &'static str,
    found: &'static str,
}

impl Fields {
    pub(super) fn read(context: &TermContext<'_>, paths: &[Path]) -> Result<Self, ContextError> {
        paths
            .iter()
            .map(|path| Ok((path.clone(), context.get_data(path)?)))
            .collect::<Result<_, _>>()
            .map(Self)
    }

    /// The value of a field; `None` if there is none, or the hook does not name it among those it reads.
    pub fn get(&self, path: &Path) -> Option<&Data> {
        self.0
            .iter()
            .find(|(read, _)| read == path)
            .and_then(|(_, value)| value.as_ref())
    }

    /// The text of a field that has to be there.
    ///
    /// # Errors
    /// If there is no field, or it holds anything but text.
    pub fn text(&self, path: &Path) -> Result<&str, Failure> {
        match self.required(path)? {
            Data::Text(text) => Ok(text),
            other => Err(wrong_type(path, "a string of valid UTF-8", other)),
        }
    }

    /// The integer of a field that has to be there.
    ///
    /// # Errors
    /// If there is no field, or it holds anything but an integer of 64 bits.
    pub fn int(&self, path: &Path) -> Result<i64, Failure> {
        match self.required(path)? {
            Data::Int(number) => Ok(*number),
            other => Err(wrong_type(path, "an integer of at most 64 bits", other)),
        }
    }

    fn required(&self, path: &Path) -> Result<&Data, Failure> {
        self.get(path)
            .ok_or_else(|| ContextError::Missing { at: path.clone() }.into())
    }
}

fn wrong_type(path: &Path, expected: &'static str, found: &Data) -> Failure {
    Failure::of(WrongType {
        at: path.clone(),
        expected,
        found: found.kind(),
    })
}

#[cfg(test)]
mod tests {
    use super::{Data, Fields, Path};

    #[test]
    fn a_field_is_found_by_its_path_and_has_a_type() {
        let path = |name: &str| Path::try_from(Data::from(name)).unwrap();
        let fields = Fields(vec![
            (path("text"), Some(Data::from("words"))),
            (path("absent"), None),
        ]);
        assert_eq!(fields.get(&path("text")), Some(&Data::from("words")));
        assert_eq!(fields.get(&path("other")), None);
        assert_eq!(fields.text(&path("text")).unwrap(), "words");
        let error = |result: Result<i64, crate::Failure>| result.unwrap_err().to_string();
        assert_eq!(
            error(fields.int(&path("text"))),
            "\"text\" is a string; expected an integer of at most 64 bits"
        );
        assert_eq!(
            error(fields.int(&path("absent"))),
            "\"absent\" is missing; set it before this hook runs"
        );
    }
}
