use super::fields::fields;
use crate::context::{Path, TermContext};
use crate::failure::Failure;
use crate::hook::{ConfigError, Description, Field, Flow, NativeHook, Phase};
use serde::Deserialize;

/// `drop`: removes fields.
struct Drop {
    fields: Vec<Path>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct DropConfig {
    field: Option<Path>,
    #[serde(default)]
    fields: Vec<Path>,
}

impl NativeHook for Drop {
    const NAME: &'static str = "drop";
    const DOC: &'static str = "Removes fields; those that are not there are passed over.";
    const DESCRIPTION: Description = Description {
        purpose: "Removes fields. Those that are not there are passed over.",
        fields: &[
            Field::optional(
                "field",
                "a key (an atom or a string), or a path: a list of up to 16 of them",
                "none",
                "The field that is removed. Give `field`, `fields` or both.",
            ),
            Field::optional(
                "fields",
                "a list of keys or paths",
                "[]",
                "More such fields.",
            ),
        ],
        returns: "The context without the fields.",
        refuses: &["Fails if the context, or something on the way to a field, is no map."],
        example: r#"iex> drop = {:native, :drop, %{fields: [:password, [:user, "token"]]}}
iex> Pipeline.Hook.Manager.run_hook(drop, %{id: 1, password: "x", user: %{"token" => "y"}})
{:ok, %{id: 1, user: %{}}}"#,
    };
    const PHASES: &'static [Phase] = &[Phase::Before, Phase::After];
    type Config = DropConfig;

    fn configure(config: DropConfig) -> Result<Self, ConfigError> {
        Ok(Self {
            fields: fields(config.field, config.fields)?,
        })
    }

    fn run(&self, _phase: Phase, context: &mut TermContext<'_>) -> Result<Flow, Failure> {
        for field in &self.fields {
            context.remove(field)?;
        }
        Ok(Flow::Continue)
    }
}

crate::register_hooks!(Drop);
