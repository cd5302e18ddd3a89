use crate::context::{Path, TermContext};
use crate::data::Data;
use crate::failure::Failure;
use crate::hook::{ConfigError, Description, Field, Flow, NativeHook, Phase};
use serde::Deserialize;
use thiserror::Error;

/// `put`: sets a field to a fixed value.
struct Put(PutConfig);

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PutConfig {
    field: Path,
    /// Any plain data.
    value: Data,
    /// Whether a value that is there already is replaced.
    #[serde(default = "yes")]
    overwrite: bool,
}

fn yes() -> bool {
    true
}

/// How many values the value may hold, and bytes of text: it is made anew in each run, on a normal scheduler.
const MAX_VALUES: usize = 1_000;
const MAX_BYTES: usize = 1024 * 1024;

#[derive(Debug, Error)]
#[error(
    "a value put by each run has at most {MAX_VALUES} parts and {MAX_BYTES} bytes of text; put a smaller one"
)]
struct TooLarge;

impl NativeHook for Put {
    const NAME: &'static str = "put";
    const DOC: &'static str = "Sets a field to a fixed value.";
    const DESCRIPTION: Description = Description {
        purpose: "Sets a field to a fixed value, of up to 1,000 parts and 1 MiB of text. Maps on the way to the field are made where
there are none.",
        fields: &[
            Field::required(
                "field",
                "a key (an atom or a string), or a path: a list of up to 16 of them",
                "The field that is set.",
            ),
            Field::required(
                "value",
                "any plain data",
                "The value: numbers, strings, atoms, lists, tuples, maps.",
            ),
            Field::optional(
                "overwrite",
                "boolean",
                "true",
                "Whether a value that is there already is replaced; `nil` counts as one.",
            ),
        ],
        returns: "The context with the field set.",
        refuses: &["Fails if the context, or something on the way to the field, is no map."],
        example: r#"iex> Pipeline.Hook.Manager.run_hook({:native, :put, %{field: [:meta, "source"], value: "web"}}, %{})
{:ok, %{meta: %{"source" => "web"}}}
iex> default = {:native, :put, %{field: :model, value: "small", overwrite: false}}
iex> Pipeline.Hook.Manager.run_hook(default, %{model: "large"})
{:ok, %{model: "large"}}"#,
    };
    const PHASES: &'static [Phase] = &[Phase::Before, Phase::After, Phase::Replace];
    type Config = PutConfig;

    fn configure(config: PutConfig) -> Result<Self, ConfigError> {
        if config.value.values() > MAX_VALUES || config.value.text_bytes() > MAX_BYTES {
            return Err(ConfigError::at("value", TooLarge));
        }
        Ok(Self(config))
    }

    fn run(&self, _phase: Phase, context: &mut TermContext<'_>) -> Result<Flow, Failure> {
        let Self(PutConfig {
            field,
            value,
            overwrite,
        }) = self;
        if *overwrite || context.get(field)?.is_none() {
            context.put(field, value)?;
        }
        Ok(Flow::Continue)
    }
}

crate::register_hooks!(Put);
