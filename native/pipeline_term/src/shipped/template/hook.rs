use super::allowance::{UsedUp, with_allowance};
use super::values::{Map, value_of};
use super::{dialect, filters};
use crate::context::{Key, Path, TermContext};
use crate::data::Data;
use crate::deep_stack::{on_deep_stack, on_stack_of};
use crate::failure::Failure;
use crate::hook::{ConfigError, Cost, Description, Field, Flow, NativeHook, Phase};
use minijinja::value::Value;
use minijinja::{Environment, Error, UndefinedBehavior, escape_formatter};
use rustler::Atom;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

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

/// Instructions a rendering may take, each worth 64 bytes of text: some 50 ms, and 16 MiB of output.
const FUEL: u64 = 250_000;

/// How deep loops may be nested or recurse: no template needs more, and it fits a dirty scheduler's stack.
const MAX_RECURSION: usize = 32;

/// How many bytes of text the variables of one rendering may hold.
const MAX_INPUT: usize = 1024 * 1024;

/// For the compiler, which recurses over chains of operators: a template of the longest kind takes 16 MiB of
/// it.
const COMPILER_STACK: usize = 128 * 1024 * 1024;

#[derive(Debug, thiserror::Error)]
enum RenderError {
    #[error("the variables hold more than {MAX_INPUT} bytes of text; give the template less")]
    InputTooLarge,
    #[error("the template took too long; loop over less")]
    UsedUp,
    #[error(transparent)]
    Template(#[from] Error),
}

impl Template {
    fn compile(
        source: String,
        strict: bool,
    ) -> Result<(Environment<'static>, Vec<String>), dialect::Refused> {
        dialect::check(&source)?;
        let mut environment = Environment::empty();
        filters::add_to(&mut environment);
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

    fn render(&self, variables: &[(&str, Data)]) -> Result<String, RenderError> {
        let text: usize = variables.iter().map(|(_, data)| data.text_bytes()).sum();
        if text > MAX_INPUT {
            return Err(RenderError::InputTooLarge);
        }
        let fields = variables
            .iter()
            .map(|(name, data)| (Value::from(*name), value_of(data)))
            .collect::<BTreeMap<_, _>>();
        let rendered = catch_unwind(AssertUnwindSafe(|| {
            with_allowance(|| {
                self.environment
                    .get_template(TEMPLATE)?
                    .render(Map::value(fields))
            })
        }));
        match rendered {
            Ok(rendered) => Ok(rendered?),
            Err(thrown) if thrown.is::<UsedUp>() => Err(RenderError::UsedUp),
            Err(panic) => resume_unwind(panic),
        }
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
    const DESCRIPTION: Description = Description {
        purpose: r#"Renders a Jinja template (`MiniJinja`) with the context's fields as its variables. `{{ name }}` is the field `:name`, or
`"name"` if there is no such atom key; `nil` renders as nothing. Only the fields that the template names are read.

A template takes data apart and makes text; it cannot build lists or maps. Literals of them are refused, but for `[]` and a
list of constants after `in`. There are no macros, includes, `namespace` and `dict`. Filters: `abs`, `bool`, `capitalize`,
`count`, `d`, `default`, `dictsort`, `e`, `escape`, `first`, `float`, `indent`, `int`, `items`, `join`, `last`, `length`,
`lines`, `list`, `lower`, `map`, `max`, `min`, `reject`, `rejectattr`, `replace`, `reverse`, `round`, `safe`, `select`,
`selectattr`, `sort`, `split`, `string`, `sum`, `title`, `trim`, `unique`, `upper`. `range` gives up to 10,000 numbers.

A rendering may take some 250,000 instructions, 2 seconds of computing, 1 MiB of text in its variables and 16 MiB of output; one that
takes more fails."#,
        fields: &[
            Field::required(
                "template",
                "string of at most 32 KiB",
                "The template, with at most 16 `+` and 64 slices and indexes.",
            ),
            Field::required(
                "into",
                "a key (an atom or a string), or a path: a list of up to 16 of them",
                "Gets the text.",
            ),
            Field::optional(
                "strict",
                "boolean",
                "true",
                "Whether a variable that is not there fails the run, or renders as nothing.",
            ),
        ],
        returns: "The context with the text in `into`.",
        refuses: &[
            "Fails if a variable is not there (`strict`), is no plain data, or the rendering takes too much.",
        ],
        example: r#"iex> config = %{template: "{{ name|title }}: {% for tag in tags %}[{{ tag }}]{% endfor %}", into: :prompt}
iex> {:ok, %{prompt: prompt}} = Pipeline.Hook.Manager.run_hook({:native, :template, config}, %{name: "ada", tags: ["x", :y]})
iex> prompt
"Ada: [x][y]""#,
    };
    const PHASES: &'static [Phase] = &[Phase::Before, Phase::After, Phase::Replace];
    const COST: Cost = Cost::Heavy;
    type Config = TemplateConfig;

    fn configure(config: TemplateConfig) -> Result<Self, ConfigError> {
        let (environment, variables) = on_stack_of(COMPILER_STACK, || {
            Self::compile(config.template, config.strict)
        })
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
        let rendered = on_deep_stack(|| self.render(&fields)).map_err(Failure::of)?;
        context.put(&self.into, &rendered)?;
        Ok(Flow::Continue)
    }
}

crate::register_hooks!(Template);

/// A rendering, and why there is none.
#[cfg(any(test, feature = "fuzz"))]
pub(in crate::shipped) fn rendered(
    source: &str,
    variables: &[(&str, Data)],
) -> Result<String, String> {
    let (environment, variables_of_it) = on_stack_of(COMPILER_STACK, || {
        Template::compile(source.to_owned(), false)
    })
    .map_err(|error| error.to_string())?;
    let into = Path::of_key(Key::Text("into".into()));
    let template = Template {
        environment,
        variables: variables_of_it,
        into,
    };
    on_deep_stack(|| template.render(variables)).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::rendered as render;
    use super::{COMPILER_STACK, Data, Key, Path, RenderError, Template, on_stack_of};

    fn compile(source: &str, strict: bool) -> Result<Template, String> {
        let compiled = on_stack_of(COMPILER_STACK, || {
            Template::compile(source.to_owned(), strict)
        });
        let (environment, variables) = compiled.map_err(|error| error.to_string())?;
        let into = Path::of_key(Key::Text("into".into()));
        Ok(Template {
            environment,
            variables,
            into,
        })
    }

    fn list(elements: &[i64]) -> Data {
        Data::List(elements.iter().map(|n| Data::Int(*n)).collect())
    }

    #[test]
    fn only_the_variables_it_names_are_asked_for() {
        let source = "{% for x in list %}{{ x }}{% endfor %}{{ node.id }}";
        assert_eq!(compile(source, true).unwrap().variables, ["list", "node"]);
    }

    #[test]
    fn none_renders_as_nothing_and_a_missing_variable_does_if_allowed() {
        assert_eq!(
            render("[{{ name }}]", &[("name", Data::Nil)]).unwrap(),
            "[]"
        );
        assert_eq!(render("[{{ name }}]", &[]).unwrap(), "[]");
        let strict = compile("[{{ name }}]", true).unwrap();
        let error = strict.render(&[]).unwrap_err();
        assert_eq!(error.to_string(), "undefined value (in template:1)");
    }

    #[test]
    fn data_is_taken_apart() {
        let people = Data::List(vec![
            Data::Map(vec![
                (Data::from("name"), Data::from("Ada")),
                (Data::from("age"), Data::Int(36)),
            ]),
            Data::Map(vec![
                (Data::from("name"), Data::from("Bob")),
                (Data::from("age"), Data::Int(7)),
            ]),
        ]);
        let rendered = |source| render(source, &[("people", people.clone()), ("n", Data::Int(2))]);
        for (source, expected) in [
            ("{{ people|map(attribute='name')|join(', ') }}", "Ada, Bob"),
            (
                "{{ people|sort(attribute='age')|first }}",
                "{'age': 7, 'name': 'Bob'}",
            ),
            ("{{ people|sum(attribute='age') }}", "43"),
            (
                "{{ people|selectattr('age', 'gt', 18)|map(attribute='name')|list }}",
                "['Ada']",
            ),
            (
                "{% for k, v in people[0]|items %}{{ k }}={{ v }};{% endfor %}",
                "age=36;name=Ada;",
            ),
            (
                "{% for p in people[1:] %}{{ loop.index }}{{ p.name }}{% endfor %}",
                "1Bob",
            ),
            (
                "{% if n in [1, 2, -3] and 'x' not in ['y'] %}yes{% endif %}",
                "yes",
            ),
            ("{{ nothing|default([])|length }}", "0"),
            (
                "{{ 'a' ~ (n + 1) }}-{{ 'ab' * n }}-{{ n * 2 + 1 }}",
                "a3-abab-5",
            ),
            ("{{ 'b a'|split|sort|join(' ')|upper }}", "A B"),
            (
                "{{ range(3)|list }}{{ range(5, 1, -2)|reverse|join }}",
                "[0, 1, 2]35",
            ),
            ("{{ 'a\nb'|indent(2) }}", "a\n  b"),
            (
                "{{ people is sequence }}{{ people[-1].name }}{{ people|length }}",
                "TrueBob2",
            ),
        ] {
            assert_eq!(rendered(source).as_deref(), Ok(expected), "{source}");
        }
    }

    #[test]
    fn data_is_not_built() {
        for (source, error) in [
            ("{{ [a, a] }}", "line 1: a template cannot build a list"),
            (
                "{% set x = a, a %}",
                "line 1: a template cannot build a tuple",
            ),
            ("\n{{ {'a': a} }}", "line 2: a template cannot build a map"),
            (
                "{{ x in [1] * 100000000 }}",
                "line 1: a template cannot build a list",
            ),
            (
                "{% for x in [1, 2] %}{% endfor %}",
                "line 1: a template cannot build a list",
            ),
            (
                "{{ a|default([1]) }}",
                "line 1: a template cannot build a list",
            ),
            (
                "{{ range(*a) }}",
                "line 1: a template cannot build a list of arguments",
            ),
            (
                "{% for x in a %}{{ loop.changed(loop) }}{% endfor %}",
                "line 1: loop stands alone",
            ),
        ] {
            let found = render(source, &[]).unwrap_err();
            assert!(found.starts_with(error), "{source}: {found}");
        }
        let doubled = "{% set x = x + x %}".repeat(17);
        assert!(
            render(&doubled, &[])
                .unwrap_err()
                .starts_with("17 additions; expected at most 16")
        );
        assert!(render("{% set ns = namespace(s=a) %}", &[]).is_err());
        assert!(render("{{ dict(a=a) }}", &[]).is_err());
    }

    #[test]
    fn work_that_fuel_does_not_count_is_counted() {
        let doubled = "{% set x = x + x %}".repeat(16);
        let repeated = "{% set x = x * 10000 %}{% set x = x * 10000 %}";
        for before in [&*doubled, repeated] {
            for walk in [
                "{{ x }}",
                "{{ x ~ '' }}",
                "{{ x|string }}",
                "{{ x|join }}",
                "{{ x == x|list }}",
                "{% set y = x[1:] %}{{ x == y }}",
                "{{ x|sort }}",
                "{{ x|unique }}",
                "{{ x|list|length }}",
                "{{ x|reverse }}",
                "{{ x|map('string') }}",
                "{{ x|sum }}",
                "{{ 2 in x }}",
                "{{ x[-1] }}{{ x|last }}{{ x|max }}",
                "{% for y in x %}{% endfor %}",
            ] {
                let started = std::time::Instant::now();
                let found = render(&format!("{before}{walk}"), &[("x", list(&[1; 1000]))]);
                assert!(
                    found.is_err_and(|error| {
                        error.contains("took too long")
                            || error.contains("out of fuel")
                            || error.contains("too large")
                    }),
                    "{walk}"
                );
                assert!(started.elapsed().as_secs() < 20, "{walk}");
            }
        }
    }

    #[test]
    fn text_grows_as_far_as_fuel_goes() {
        let long = Data::Text("x".repeat(1_000_000));
        for source in [
            "{% for i in range(400) %}{{ a }}{% endfor %}",
            "{{ a * 2000000000 }}",
            "{{ a|replace('x', a) }}",
            "{{ a|replace('x', 'y' * 1000) }}",
            "{{ 'a\nb'|indent(1000000000) }}",
            "{{ range(10000)|join(a) }}",
            "{{ a|list|map('replace', 'x', 'y' * 10000)|list|length }}",
        ] {
            assert!(render(source, &[("a", long.clone())]).is_err(), "{source}");
        }
        let most = render(
            "{% for i in range(15) %}{{ a }}{% endfor %}",
            &[("a", long)],
        );
        assert_eq!(most.unwrap().len(), 15_000_000);
    }

    #[test]
    fn an_input_too_large_is_refused() {
        let template = compile("{{ a }}", true).unwrap();
        let error = template.render(&[("a", Data::Text("x".repeat(1_048_577)))]);
        assert!(matches!(error, Err(RenderError::InputTooLarge)));
    }

    #[test]
    fn a_template_that_does_not_end_runs_out_of_fuel() {
        let source =
            "{% for x in range(10000) %}{% for y in range(10000) %}{% endfor %}{% endfor %}";
        assert!(
            render(source, &[])
                .unwrap_err()
                .starts_with("engine ran out of fuel")
        );
    }

    // Chains as long as a template may be.
    #[test]
    fn long_and_deep_templates_end() {
        let most = super::dialect::MAX_SOURCE;
        let chains = [
            ("{{ a", "-1", " }}"),
            ("{{ a", ".a", " }}"),
            ("{{ a", "|d", " }}"),
            ("{{ a", " or b", " }}"),
            ("{{ a", "~a", " }}"),
            ("{{ a", "<a", " }}"),
            ("{{ a", " if a else b", " }}"),
            ("{{ ", "not ", "1 }}"),
            ("{{ ", "-", "1 }}"),
            ("{{ a", "**1", " }}"),
            ("{{ a", " is none", " }}"),
            ("{% if a %}", "{% elif a %}", "{% endif %}"),
            ("", "{% if a %}", ""),
            ("{{ ", "(", "1"),
            ("{{ a", "()", " }}"),
            ("{% filter upper", "|upper", " %}{% endfilter %}"),
        ];
        for (start, link, end) in chains {
            let links = (most - start.len() - end.len()) / link.len();
            let source = format!("{start}{}{end}", link.repeat(links));
            // Taken or refused: neither recurses without bounds.
            let _ = render(&source, &[]);
        }
        let error = compile(&"x".repeat(most + 1), true).err().unwrap();
        assert!(error.starts_with("the template has 32769 bytes"), "{error}");
    }

    #[test]
    fn a_recursive_loop_ends() {
        let source = "{% for x in tree recursive %}({{ loop(tree) }}){% endfor %}";
        assert!(render(source, &[("tree", list(&[1, 2]))]).is_err());
    }
}
