use crate::context::{Key, Path, TermContext};
use crate::data::Data;
use crate::deep_stack::on_deep_stack;
use crate::failure::Failure;
use crate::hook::{ConfigError, Cost, Flow, NativeHook, Phase};
use minijinja::value::{Serde, Value};
use minijinja::{Environment, UndefinedBehavior, escape_formatter};
use rustler::Atom;
use serde::Deserialize;
use std::collections::BTreeMap;

/// `template`: renders a Jinja template with the context's fields as its variables.
///
/// Only the fields that the template names are read. `{{ name }}` is the field `:name`, or `"name"` if there is no
/// such atom key; `nil` renders as nothing.
struct Template {
    environment: Environment<'static>,
    variables: Vec<String>,
    into: Path,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TemplateConfig {
    template: String,
    into: Path,
    /// Whether a variable that is not there is an error, or nothing.
    #[serde(default = "yes")]
    strict: bool,
}

fn yes() -> bool {
    true
}

/// The name under which the environment holds the template; it stands in error messages.
const TEMPLATE: &str = "template";

/// Instructions a rendering may take: some 50 ms.
const FUEL: u64 = 500_000;

/// How deep loops may be nested or recurse: no template needs more, and it fits a dirty scheduler's stack.
const MAX_RECURSION: usize = 32;

impl Template {
    fn compile(
        source: String,
        strict: bool,
    ) -> Result<(Environment<'static>, Vec<String>), minijinja::Error> {
        let mut environment = Environment::new();
        environment.set_fuel(Some(FUEL));
        environment.set_recursion_limit(MAX_RECURSION);
        environment.set_undefined_behavior(if strict {
            UndefinedBehavior::Strict
        } else {
            UndefinedBehavior::Lenient
        });
        environment.set_formatter(|out, state, value| {
            if value.is_none() {
                Ok(())
            } else {
                escape_formatter(out, state, value)
            }
        });
        environment.add_template_owned(TEMPLATE, source)?;
        let mut variables: Vec<String> = environment
            .get_template(TEMPLATE)?
            .undeclared_variables(false)
            .into_iter()
            .collect();
        variables.sort();
        Ok((environment, variables))
    }

    fn render(&self, variables: BTreeMap<&str, Value>) -> Result<String, minijinja::Error> {
        self.environment
            .get_template(TEMPLATE)?
            .render(Value::from_pairs(variables))
    }

    fn variable(name: &str, context: &TermContext<'_>) -> Result<Option<Data>, Failure> {
        // An atom that does not exist cannot be a key.
        let atom = Atom::existing_from_utf8_bytes(context.env(), name.as_bytes())
            .ok()
            .map(Key::Atom);
        for key in atom.into_iter().chain([Key::Text(name.into())]) {
            if let Some(data) = context.get_data(&Path::of_key(key))? {
                return Ok(Some(data));
            }
        }
        Ok(None)
    }
}

impl NativeHook for Template {
    const NAME: &'static str = "template";
    const DOC: &'static str =
        "Renders a Jinja template with the context's fields as its variables.";
    const PHASES: &'static [Phase] = &[Phase::Before, Phase::After, Phase::Replace];
    const COST: Cost = Cost::Heavy;
    type Config = TemplateConfig;

    fn configure(config: TemplateConfig) -> Result<Self, ConfigError> {
        let (environment, variables) = Self::compile(config.template, config.strict)
            .map_err(|error| ConfigError::at("template", error))?;
        Ok(Self {
            environment,
            variables,
            into: config.into,
        })
    }

    fn run(&self, _phase: Phase, context: &mut TermContext<'_>) -> Result<Flow, Failure> {
        let mut fields = Vec::new();
        for name in &self.variables {
            if let Some(data) = Self::variable(name, context)? {
                fields.push((name.as_str(), data));
            }
        }
        let rendered = on_deep_stack(|| {
            self.render(
                fields
                    .iter()
                    .map(|(name, data)| (*name, Value::from(Serde(data))))
                    .collect(),
            )
        })
        .map_err(Failure::of)?;
        context.put(&self.into, &rendered)?;
        Ok(Flow::Continue)
    }
}

crate::register_hooks!(Template);

#[cfg(test)]
mod tests {
    use super::{BTreeMap, Key, Path, Template, Value};

    fn template(source: &str, strict: bool) -> Template {
        let (environment, variables) = Template::compile(source.to_owned(), strict).unwrap();
        Template {
            environment,
            variables,
            into: Path::of_key(Key::Text("into".into())),
        }
    }

    #[test]
    fn only_the_variables_it_names_are_asked_for() {
        let names = template("{% for x in list %}{{ x }}{% endfor %}{{ node.id }}", true).variables;
        assert_eq!(names, ["list", "node"]);
    }

    #[test]
    fn none_renders_as_nothing_and_a_missing_variable_does_if_allowed() {
        let nothing = BTreeMap::from([("name", Value::from(()))]);
        assert_eq!(
            template("[{{ name }}]", true).render(nothing).unwrap(),
            "[]"
        );
        assert_eq!(
            template("[{{ name }}]", false)
                .render(BTreeMap::new())
                .unwrap(),
            "[]"
        );
        let error = template("[{{ name }}]", true)
            .render(BTreeMap::new())
            .unwrap_err();
        assert_eq!(error.to_string(), "undefined value (in template:1)");
    }

    #[test]
    fn a_template_that_does_not_end_runs_out_of_fuel() {
        let endless = template(
            "{% for x in range(10000) %}{% for y in range(10000) %}{% endfor %}{% endfor %}",
            true,
        );
        let error = endless.render(BTreeMap::new()).unwrap_err();
        assert_eq!(error.kind(), minijinja::ErrorKind::OutOfFuel);
    }

    // On a stack as small as a dirty scheduler's.
    #[test]
    fn a_recursive_loop_ends() {
        let rendered = std::thread::Builder::new()
            .stack_size(320 * 1024)
            .spawn(move || {
                let source = "{% for x in tree recursive %}({{ loop(tree) }}){% endfor %}";
                let tree = BTreeMap::from([("tree", Value::from(vec![1, 2]))]);
                template(source, true)
                    .render(tree)
                    .map_err(|error| error.to_string())
            });
        assert!(rendered.unwrap().join().unwrap().is_err());
    }
}
