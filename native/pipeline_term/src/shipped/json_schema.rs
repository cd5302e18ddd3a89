use super::schema_work::{Schema, TooMuch};
use crate::context::{Path, TermContext};
use crate::data::Data;
use crate::deep_stack::on_deep_stack;
use crate::failure::Failure;
use crate::hook::{ConfigError, Cost, Description, Field, Flow, NativeHook, Phase};
use crate::reason::{Detail, Reason};
use jsonschema::{PatternOptions, ValidationError, Validator};
use serde::Deserialize;
use serde_json::Value;

/// `json_schema`: refuses a context whose field does not match a JSON Schema.
///
/// Atoms count as strings, `nil` as null, as Elixir's JSON encoders write them. References to other documents
/// are not followed, and patterns run on an engine that takes linear time. A validator applies a subschema as
/// often as it is referred to, which may double with each level: the work is counted before it is done.
struct JsonSchema {
    field: Path,
    schema: Schema,
    validator: Validator,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct JsonSchemaConfig {
    field: Path,
    schema: Data,
}

/// How many violations are reported.
const MAX_MESSAGES: usize = 16;

/// Bytes of a violation's message.
const MAX_MESSAGE: usize = 512;
/// Bytes that a compiled pattern may take.
const MAX_PATTERN: usize = 1024 * 1024;

fn compile(schema: &Value) -> Result<Validator, ConfigError> {
    jsonschema::options()
        .with_pattern_options(
            PatternOptions::regex()
                .size_limit(MAX_PATTERN)
                .dfa_size_limit(MAX_PATTERN),
        )
        .build(schema)
        .map_err(|error| ConfigError::at("schema", error.to_owned()))
}

/// The faults of `instance`; none if it matches.
fn violations(validator: &Validator, instance: &Value) -> Vec<String> {
    validator
        .iter_errors(instance)
        .take(MAX_MESSAGES)
        .map(|error| message(&error))
        .collect()
}

/// The fault and its place: `/node/id: value is not of type "integer"`. The value is left out, since it may
/// be large or confidential.
fn message(error: &ValidationError<'_>) -> String {
    let place = error.instance_path().as_str();
    let message = if place.is_empty() {
        error.masked().to_string()
    } else {
        format!("{place}: {}", error.masked())
    };
    shortened(message)
}

/// A message with the beginning of what it names: names of properties may be of any length.
fn shortened(mut message: String) -> String {
    if message.len() > MAX_MESSAGE {
        message.truncate(message.floor_char_boundary(MAX_MESSAGE));
        message.push('…');
    }
    message
}

impl JsonSchema {
    fn new(field: Path, schema: Value) -> Result<Self, ConfigError> {
        let schema = Schema::new(schema).map_err(|error| ConfigError::at("schema", error))?;
        Ok(Self {
            field,
            validator: compile(schema.value())?,
            schema,
        })
    }

    /// The faults of a value. To be called where the stack is deep.
    fn check(&self, instance: &Value) -> Result<Vec<String>, TooMuch> {
        self.schema.work(instance)?;
        Ok(violations(&self.validator, instance))
    }
}

/// The verdict of a schema on a value, or the reason why there is none.
#[cfg(feature = "fuzz")]
pub(super) fn validated(schema: Value, value: &Value) -> Result<Vec<String>, String> {
    let field = Path::of_key(crate::context::Key::Text("value".into()));
    let hook = JsonSchema::new(field, schema).map_err(|error| error.to_string())?;
    hook.check(value).map_err(|error| error.to_string())
}

impl NativeHook for JsonSchema {
    const NAME: &'static str = "json_schema";
    const DOC: &'static str = "Refuses a context whose field does not match a JSON Schema.";
    const DESCRIPTION: Description = Description {
        purpose: "Refuses a context whose field does not match a JSON Schema (drafts 4 to 2020-12). Atoms count as strings, `nil` as null, as
Elixir's JSON encoders write them.

A schema is applied as often as its references say, which may double with each level: the steps of a validation are
counted before it is made, and may be 200,000. A `$ref` leads to a pointer or an anchor in the schema; other documents are
not fetched. `$dynamicRef`, `$recursiveRef` and a `$id` below the root are refused. The field holds at most 250,000 values,
16 MiB of text and 32 levels.",
        fields: &[
            Field::required(
                "field",
                "a key (an atom or a string), or a path: a list of up to 16 of them",
                "The field that is validated.",
            ),
            Field::required(
                "schema",
                "a map, or a boolean",
                "The schema, of at most 20,000 values. Compiled, each `pattern` takes at most 1 MiB.",
            ),
        ],
        returns: "The context as it was.",
        refuses: &[
            "`{:missing_field, path}`: the field is not there.",
            "`{:schema_violation, path, messages}`: it does not match; up to 16 messages name places and rules, and no values.",
            "Fails if the field holds what is no plain data, or the validation takes too many steps.",
        ],
        example: r#"iex> schema = %{type: :object, required: [:id], properties: %{id: %{type: :integer}}}
iex> Pipeline.Hook.Manager.run_hook({:native, :json_schema, %{field: :node, schema: schema}}, %{node: %{id: 1}})
{:ok, %{node: %{id: 1}}}
iex> Pipeline.Hook.Manager.run_hook({:native, :json_schema, %{field: :node, schema: schema}}, %{node: %{id: "1"}})
{:error, {:schema_violation, [:node], [~s(/id: value is not of type "integer")]}}"#,
    };
    const PHASES: &'static [Phase] = &[Phase::Before, Phase::After];
    const COST: Cost = Cost::Heavy;
    type Config = JsonSchemaConfig;

    fn configure(config: JsonSchemaConfig) -> Result<Self, ConfigError> {
        let schema = serde_json::to_value(&config.schema)
            .map_err(|error| ConfigError::at("schema", error))?;
        Self::new(config.field, schema)
    }

    fn run(&self, _phase: Phase, context: &mut TermContext<'_>) -> Result<Flow, Failure> {
        let Some(data) = context.get_data(&self.field)? else {
            return Err(Reason::new("missing_field").with(&self.field).into());
        };
        let messages = on_deep_stack(|| {
            let instance = serde_json::to_value(&data).map_err(Failure::of)?;
            self.check(&instance).map_err(Failure::of)
        })?;
        if messages.is_empty() {
            Ok(Flow::Continue)
        } else {
            let messages = messages
                .into_iter()
                .map(|message| Detail::Data(message.into()))
                .collect();
            Err(Reason::new("schema_violation")
                .with(&self.field)
                .with(Detail::List(messages))
                .into())
        }
    }
}

crate::register_hooks!(JsonSchema);

#[cfg(test)]
mod tests {
    use super::{compile, violations};
    use serde_json::json;

    #[test]
    fn a_violation_names_its_place_and_not_the_value() {
        let validator = compile(&json!({"properties": {"id": {"type": "integer"}}})).unwrap();
        let instance = json!({"id": "hunter2"});
        assert_eq!(
            violations(&validator, &instance),
            ["/id: value is not of type \"integer\""]
        );
    }

    #[test]
    fn a_schema_that_is_none_is_refused() {
        let error = compile(&json!({"type": "integr"})).err().unwrap();
        assert!(error.to_string().starts_with("schema: "), "{error}");
    }

    #[test]
    fn other_documents_are_not_fetched() {
        assert!(compile(&json!({"$ref": "https://example.org/schema.json"})).is_err());
        assert!(compile(&json!({"$ref": "file:///etc/hostname"})).is_err());
    }

    // On a stack as small as a dirty scheduler's.
    #[test]
    fn a_schema_that_refers_to_itself_ends() {
        let checked = std::thread::Builder::new()
            .stack_size(320 * 1024)
            .spawn(|| {
                for schema in [json!({"$ref": "#"}), json!({"allOf": [{"$ref": "#"}]})] {
                    if let Ok(validator) = compile(&schema) {
                        let instance = json!({"a": 1});
                        assert!(validator.iter_errors(&instance).count() <= 1);
                    }
                }
            });
        checked.unwrap().join().unwrap();
    }
}
