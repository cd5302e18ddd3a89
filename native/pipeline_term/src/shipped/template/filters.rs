//! The filters, tests and functions that templates have. Each takes data apart or makes text; those that make
//! a list make one whose visits count.
use super::values::List;
use minijinja::value::{Kwargs, Rest, Value, ValueKind, ValueOrKwargs};
use minijinja::{Environment, Error, ErrorKind, State, filters, tests};

/// How many numbers `range` gives.
const MAX_RANGE: usize = 10_000;

pub(super) fn add_to(environment: &mut Environment<'static>) {
    add_text_filters(environment);
    add_list_filters(environment);
    add_tests(environment);
    environment.add_function("range", range);
}

fn add_text_filters(environment: &mut Environment<'static>) {
    environment.add_filter("abs", filters::abs);
    environment.add_filter("bool", filters::bool);
    environment.add_filter("capitalize", filters::capitalize);
    environment.add_filter("count", filters::length);
    environment.add_filter("d", filters::default);
    environment.add_filter("default", filters::default);
    environment.add_filter("e", filters::escape);
    environment.add_filter("escape", filters::escape);
    environment.add_filter("float", filters::float);
    environment.add_filter("indent", indent);
    environment.add_filter("int", filters::int);
    environment.add_filter("length", filters::length);
    environment.add_filter("lower", filters::lower);
    environment.add_filter("replace", filters::replace);
    environment.add_filter("round", filters::round);
    environment.add_filter("safe", filters::safe);
    environment.add_filter("string", filters::string);
    environment.add_filter("title", filters::title);
    environment.add_filter("trim", filters::trim);
    environment.add_filter("upper", filters::upper);
}

fn add_list_filters(environment: &mut Environment<'static>) {
    environment.add_filter("first", filters::first);
    environment.add_filter("join", filters::join);
    environment.add_filter("last", filters::last);
    environment.add_filter("max", filters::max);
    environment.add_filter("min", filters::min);
    environment.add_filter("split", split);
    environment.add_filter("sum", sum);
    for (name, filter) in [
        ("lines", Value::from_function(filters::lines)),
        ("list", Value::from_function(filters::list)),
        ("map", Value::from_function(filters::map)),
        ("reject", Value::from_function(filters::reject)),
        ("rejectattr", Value::from_function(filters::rejectattr)),
        ("reverse", Value::from_function(filters::reverse)),
        ("select", Value::from_function(filters::select)),
        ("selectattr", Value::from_function(filters::selectattr)),
        ("sort", Value::from_function(filters::sort)),
        ("unique", Value::from_function(filters::unique)),
    ] {
        environment.add_filter(
            name,
            move |state: &mut State, arguments: Rest<ValueOrKwargs>| {
                let made = filter.call(state, &arguments.into_values())?;
                // A text that is reversed is one.
                match made.kind() {
                    ValueKind::String => Ok(made),
                    _ => list(state, &made),
                }
            },
        );
    }
    for (name, filter) in [
        ("dictsort", Value::from_function(filters::dictsort)),
        ("items", Value::from_function(filters::items)),
    ] {
        environment.add_filter(
            name,
            move |state: &mut State, arguments: Rest<ValueOrKwargs>| {
                let made = filter.call(state, &arguments.into_values())?;
                let pairs = elements(&made)?;
                let pairs: Result<_, Error> = pairs.iter().map(|pair| list(state, pair)).collect();
                Ok::<_, Error>(List::value(pairs?))
            },
        );
    }
}

fn add_tests(environment: &mut Environment<'static>) {
    environment.add_test("boolean", tests::is_boolean);
    environment.add_test("defined", tests::is_defined);
    environment.add_test("divisibleby", tests::is_divisibleby);
    environment.add_test("endingwith", tests::is_endingwith);
    environment.add_test("eq", tests::is_eq);
    environment.add_test("even", tests::is_even);
    environment.add_test("false", tests::is_false);
    environment.add_test("float", tests::is_float);
    environment.add_test("ge", tests::is_ge);
    environment.add_test("gt", tests::is_gt);
    environment.add_test("in", tests::is_in);
    environment.add_test("integer", tests::is_integer);
    environment.add_test("iterable", tests::is_iterable);
    environment.add_test("le", tests::is_le);
    environment.add_test("lt", tests::is_lt);
    environment.add_test("mapping", tests::is_mapping);
    environment.add_test("ne", tests::is_ne);
    environment.add_test("none", tests::is_none);
    environment.add_test("number", tests::is_number);
    environment.add_test("odd", tests::is_odd);
    environment.add_test("sequence", tests::is_sequence);
    environment.add_test("startingwith", tests::is_startingwith);
    environment.add_test("string", tests::is_string);
    environment.add_test("true", tests::is_true);
    environment.add_test("undefined", tests::is_undefined);
}

/// A list of what a filter of `MiniJinja` made.
fn list(state: &State, made: &Value) -> Result<Value, Error> {
    listed(state, elements(made)?)
}

/// A list, paid for by the size of its slots: half of the 64 bytes that a unit of fuel stands for.
fn listed(state: &State, elements: Vec<Value>) -> Result<Value, Error> {
    state.consume_fuel(elements.len() as u64 / 2 + 1)?;
    Ok(List::value(elements))
}

fn elements(value: &Value) -> Result<Vec<Value>, Error> {
    Ok(value.try_iter()?.collect())
}

fn split(state: &State, text: &Value, by: Option<&str>) -> Result<Value, Error> {
    let text = text
        .as_str()
        .ok_or_else(|| Error::new(ErrorKind::InvalidOperation, "split expects text"))?;
    let parts = match by {
        Some("") => return Err(Error::new(ErrorKind::InvalidOperation, "split by nothing")),
        Some(by) => text.split(by).map(Value::from).collect(),
        None => text.split_whitespace().map(Value::from).collect(),
    };
    listed(state, parts)
}

/// Adds numbers only: lists that were added would grow without being counted.
#[allow(clippy::needless_pass_by_value, reason = "as a filter is called")]
fn sum(state: &State, values: &Value, options: Kwargs) -> Result<Value, Error> {
    let attribute: Option<&str> = options.get("attribute")?;
    options.assert_all_used()?;
    let mut whole = 0_i64;
    let mut real = None;
    for value in values.try_iter()? {
        state.consume_fuel(1)?;
        let value = match attribute {
            Some(attribute) => value.get_attr(attribute)?,
            None => value,
        };
        if let Some(number) = value.as_i64() {
            whole = whole.checked_add(number).ok_or_else(|| {
                Error::new(ErrorKind::InvalidOperation, "the sum exceeds 64 bits")
            })?;
        } else {
            *real.get_or_insert(0.0) += f64::try_from(value)?;
        }
    }
    #[allow(
        clippy::cast_precision_loss,
        reason = "as adding an integer to a float does"
    )]
    Ok(real.map_or_else(
        || Value::from(whole),
        |real| Value::from(real + whole as f64),
    ))
}

fn indent(
    state: &State,
    text: &str,
    width: usize,
    first: Option<bool>,
    blank: Option<bool>,
) -> Result<String, Error> {
    // Fuel is per 64 bytes; paid ahead, since the result is as large as the width says.
    let lines = text.bytes().filter(|byte| *byte == b'\n').count() + 1;
    let added = u64::try_from(lines.saturating_mul(width)).unwrap_or(u64::MAX);
    state.consume_fuel(added / 64)?;
    let pad = " ".repeat(width);
    let mut indented = String::new();
    for (number, line) in text.lines().enumerate() {
        if number > 0 {
            indented.push('\n');
        }
        let padded = if number == 0 {
            first.unwrap_or(false)
        } else {
            blank.unwrap_or(false) || !line.is_empty()
        };
        if padded {
            indented.push_str(&pad);
        }
        indented.push_str(line);
    }
    Ok(indented)
}

fn range(first: i64, end: Option<i64>, step: Option<i64>) -> Result<Value, Error> {
    let (start, end) = end.map_or((0, first), |end| (first, end));
    let step = step.unwrap_or(1);
    let mut numbers = Vec::new();
    let mut next = start;
    while (step > 0 && next < end) || (step < 0 && next > end) {
        if numbers.len() >= MAX_RANGE {
            let message = "range gives at most 10000 numbers";
            return Err(Error::new(ErrorKind::InvalidOperation, message));
        }
        numbers.push(Value::from(next));
        next = match next.checked_add(step) {
            Some(next) => next,
            None => break,
        };
    }
    if step == 0 {
        let message = "range expects a step other than 0";
        return Err(Error::new(ErrorKind::InvalidOperation, message));
    }
    Ok(List::value(numbers))
}
