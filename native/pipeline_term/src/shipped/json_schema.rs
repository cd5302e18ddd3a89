use crate::context::{Path, TermContext};
use crate::data::Data;
use crate::deep_stack::on_deep_stack;
use crate::failure::Failure;
use crate::hook::{ConfigError, Cost, Flow, NativeHook, Phase};
use crate::reason::{Detail, Reason};
use jsonschema::{PatternOptions, ValidationError, Validator};
use serde::Deserialize;
use serde_json::Value;

/// `json_schema`: refuses a context whose field does not match a JSON Schema.
///
/// Atoms count as strings, `nil` as null, as Elixir's JSON encoders write them. References to other documents are not
/// followed, and patterns run on an engine that takes linear time.
struct JsonSchema {
    field: Path,
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

fn compile(schema: &Value) -> Result<Validator, ConfigError> {
    jsonschema::options()
        .with_pattern_options(PatternOptions::regex())
        .build(schema)
        .map_err(|error| ConfigError::at("schema", error.to_owned()))
}

/// What is wrong with `instance`; nothing if it matches.
fn violations(validator: &Validator, instance: &Value) -> Vec<String> {
    validator
        .iter_errors(instance)
        .take(MAX_MESSAGES)
        .map(|error| message(&error))
        .collect()
}

/// What is wrong, and where: `/node/id: value is not of type "integer"`. The value is left out, since it may be
/// large, or nobody's business.
fn message(error: &ValidationError<'_>) -> String {
    let place = error.instance_path().as_str();
    if place.is_empty() {
        error.masked().to_string()
    } else {
        format!("{place}: {}", error.masked())
    }
}

impl NativeHook for JsonSchema {
    const NAME: &'static str = "json_schema";
    const DOC: &'static str = "Refuses a context whose field does not match a JSON Schema.";
    const PHASES: &'static [Phase] = &[Phase::Before, Phase::After];
    const COST: Cost = Cost::Heavy;
    type Config = JsonSchemaConfig;

    fn configure(config: JsonSchemaConfig) -> Result<Self, ConfigError> {
        let schema = serde_json::to_value(&config.schema)
            .map_err(|error| ConfigError::at("schema", error))?;
        Ok(Self {
            field: config.field,
            validator: compile(&schema)?,
        })
    }

    fn run(&self, _phase: Phase, context: &mut TermContext<'_>) -> Result<Flow, Failure> {
        let Some(data) = context.get_data(&self.field)? else {
            return Err(Reason::new("missing_field").with(&self.field).into());
        };
        let messages = on_deep_stack(|| {
            let instance = serde_json::to_value(&data)?;
            Ok(violations(&self.validator, &instance))
        })
        .map_err(|error: serde_json::Error| Failure::of(error))?;
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
