use crate::context::{Path, TermContext};
use crate::failure::Failure;
use crate::hook::{ConfigError, Description, Field, Flow, NativeHook, Phase};
use serde::Deserialize;
use thiserror::Error;

/// `rename`: moves a value from one field to another.
struct Rename(RenameConfig);

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RenameConfig {
    from: Path,
    to: Path,
}

/// The two paths cannot be told apart while the value moves.
#[derive(Debug, Error)]
#[error("{to} and {from} lie inside each other; give two separate fields")]
struct Overlap {
    from: Path,
    to: Path,
}

impl NativeHook for Rename {
    const NAME: &'static str = "rename";
    const DOC: &'static str =
        "Moves a value from one field to another; does nothing if it is not there.";
    const DESCRIPTION: Description = Description {
        purpose: "Moves a value from one field to another. Does nothing if it is not there.",
        fields: &[
            Field::required(
                "from",
                "a key (an atom or a string), or a path: a list of up to 16 of them",
                "Where the value is.",
            ),
            Field::required(
                "to",
                "a key (an atom or a string), or a path: a list of up to 16 of them",
                "Where it goes; a value there is replaced. Neither may lie inside the other.",
            ),
        ],
        returns: "The context with the value moved.",
        refuses: &["Fails if the context, or something on the way to a field, is no map."],
        example: r#"iex> Pipeline.Hook.Manager.run_hook({:native, :rename, %{from: "input", to: [:node, :prompt]}}, %{"input" => "Hello"})
{:ok, %{node: %{prompt: "Hello"}}}"#,
    };
    const PHASES: &'static [Phase] = &[Phase::Before, Phase::After];
    type Config = RenameConfig;

    fn configure(config: RenameConfig) -> Result<Self, ConfigError> {
        let RenameConfig { from, to } = &config;
        if from.keys().starts_with(to.keys()) || to.keys().starts_with(from.keys()) {
            return Err(ConfigError::at(
                "to",
                Overlap {
                    from: from.clone(),
                    to: to.clone(),
                },
            ));
        }
        Ok(Self(config))
    }

    fn run(&self, _phase: Phase, context: &mut TermContext<'_>) -> Result<Flow, Failure> {
        let Self(RenameConfig { from, to }) = self;
        if let Some(value) = context.get(from)? {
            // Written first: if the target cannot be written, the source is still there.
            context.put(to, value)?;
            context.remove(from)?;
        }
        Ok(Flow::Continue)
    }
}

crate::register_hooks!(Rename);
