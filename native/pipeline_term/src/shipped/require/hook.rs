use super::expected_type::ExpectedType;
use crate::context::{Path, TermContext};
use crate::data::Data;
use crate::failure::Failure;
use crate::hook::{ConfigError, Description, Field, Flow, NativeHook, Phase};
use crate::reason::{Detail, Reason};
use serde::Deserialize;
use thiserror::Error;

struct Require {
    /// The fields, those that may hold anything first.
    fields: Vec<(Path, Option<ExpectedType>)>,
    /// The fields that have to be strings, checked to their end.
    strings: Vec<Path>,
}

/// How many bytes of strings are looked at on a normal scheduler.
const LONG: usize = 1024 * 1024;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RequireConfig {
    /// Fields that have to be there and not be `nil`.
    #[serde(default)]
    fields: Vec<Path>,
    /// Fields that also have to be of a type: `%{[:node, :id] => :string}`.
    #[serde(default = "none")]
    types: Data,
}

fn none() -> Data {
    Data::Map(Vec::new())
}

#[derive(Debug, Error)]
enum RequireConfigError {
    #[error("give fields: a list of keys or paths, or types: a map of them to their types")]
    Nothing,
    #[error("expected a map of keys or paths to types, found {0}")]
    NotAMap(&'static str),
}

impl NativeHook for Require {
    const NAME: &'static str = "require";
    const DOC: &'static str =
        "Refuses a context that lacks fields or holds values of other types in them.";
    const DESCRIPTION: Description = Description {
        purpose: "Refuses a context that lacks fields, or holds values of other types in them.",
        fields: &[
            Field::optional(
                "fields",
                "a list of keys or paths",
                "[]",
                "Fields that have to be there and not be `nil`. Give `fields`, `types` or both.",
            ),
            Field::optional(
                "types",
                "a map, or a list of pairs, of keys or paths to types",
                "%{}",
                "Fields that also have to be of a type: `:string` (valid UTF-8), `:binary`, `:integer`, `:float`, `:number`, `:boolean`, `:atom`, `:list`, `:tuple` or `:map`.",
            ),
        ],
        returns: "The context as it was.",
        refuses: &[
            "`{:missing_field, path}`: a field is not there, or one of `fields` is `nil`.",
            "`{:wrong_type, path, type}`: a field holds a value of another type.",
            "Fails if the context, or something on the way to a field, is no map.",
        ],
        example: r#"iex> config = %{fields: [:user], types: %{[:node, :id] => :integer}}
iex> Pipeline.Hook.Manager.run_hook({:native, :require, config}, %{user: "ada", node: %{id: 7}})
{:ok, %{user: "ada", node: %{id: 7}}}
iex> Pipeline.Hook.Manager.run_hook({:native, :require, config}, %{node: %{id: 7}})
{:error, {:missing_field, [:user]}}
iex> Pipeline.Hook.Manager.run_hook({:native, :require, config}, %{user: "ada", node: %{id: "7"}})
{:error, {:wrong_type, [:node, :id], :integer}}"#,
    };
    const PHASES: &'static [Phase] = &[Phase::Before, Phase::After];
    type Config = RequireConfig;

    fn configure(config: RequireConfig) -> Result<Self, ConfigError> {
        let mut fields: Vec<_> = config.fields.into_iter().map(|path| (path, None)).collect();
        for (key, value) in entries(config.types)? {
            let path = Path::try_from(key).map_err(|error| ConfigError::at("types", error))?;
            let expected = ExpectedType::deserialize(value)
                .map_err(|error| ConfigError::at(format!("types.{path}"), error))?;
            fields.push((path, Some(expected)));
        }
        if fields.is_empty() {
            return Err(ConfigError::at("fields", RequireConfigError::Nothing));
        }
        let strings = fields
            .iter()
            .filter(|(_, expected)| *expected == Some(ExpectedType::String))
            .map(|(path, _)| path.clone())
            .collect();
        Ok(Self { fields, strings })
    }

    fn scales(&self) -> bool {
        !self.strings.is_empty()
    }

    fn is_long(&self, context: &TermContext<'_>) -> bool {
        context.bytes_in(&self.strings, LONG) > LONG
    }

    fn run(&self, _phase: Phase, context: &mut TermContext<'_>) -> Result<Flow, Failure> {
        for (path, expected) in &self.fields {
            let Some(term) = context.get(path)? else {
                return Err(Reason::new("missing_field").with(path).into());
            };
            let fits = match expected {
                Some(expected) => expected.fits(term),
                None if rustler::types::atom::nil() == term => {
                    return Err(Reason::new("missing_field").with(path).into());
                }
                None => true,
            };
            if let (false, Some(expected)) = (fits, expected) {
                return Err(Reason::new("wrong_type")
                    .with(path)
                    .with(Detail::Name(expected.name()))
                    .into());
            }
        }
        Ok(Flow::Continue)
    }
}

/// The entries of a map, or of a list of pairs, which keyword lists are.
fn entries(types: Data) -> Result<Vec<(Data, Data)>, ConfigError> {
    let kind = types.kind();
    let not_a_map = || ConfigError::at("types", RequireConfigError::NotAMap(kind));
    match types {
        Data::Map(entries) => Ok(entries),
        Data::List(elements) => elements
            .into_iter()
            .map(|element| match element {
                Data::Tuple(pair) => <[Data; 2]>::try_from(pair)
                    .map(|[key, value]| (key, value))
                    .map_err(|_| not_a_map()),
                _ => Err(not_a_map()),
            })
            .collect(),
        _ => Err(not_a_map()),
    }
}

crate::register_hooks!(Require);

#[cfg(test)]
mod tests {
    use super::{Data, NativeHook, Require, RequireConfig};
    use serde::Deserialize;

    fn configure(entries: Vec<(Data, Data)>) -> Result<Require, String> {
        let config =
            RequireConfig::deserialize(Data::Map(entries)).map_err(|error| error.to_string())?;
        Require::configure(config).map_err(|error| error.to_string())
    }

    #[test]
    fn a_misspelt_type_is_named_with_its_field() {
        let types = Data::Map(vec![(Data::from("prompt"), Data::from("strin"))]);
        let error = configure(vec![(Data::from("types"), types)]).err().unwrap();
        assert!(
            error.starts_with(
                "types.\"prompt\": unknown name strin; did you mean string? (known: string, binary,"
            ),
            "{error}"
        );
    }

    #[test]
    fn requiring_nothing_is_a_mistake() {
        let error = configure(vec![]).err().unwrap();
        assert_eq!(
            error,
            "fields: give fields: a list of keys or paths, or types: a map of them to their types"
        );
    }
}
