//! Shipped hooks on a configuration and an input, for `bin/verify fuzz`: without a VM, and so without terms.
#![allow(missing_docs, reason = "called by the fuzz targets alone")]

use super::json_schema::validated;
use super::{count_tokens, redact, summarise, template};
use crate::data::Data;
use crate::deep_stack::on_deep_stack;

pub fn template(source: &str, text: &str) {
    let list = Data::List(vec![Data::from(text), Data::Int(7), Data::Nil]);
    let map = Data::Map(vec![(Data::from("k"), list.clone())]);
    let variables = [
        ("a", Data::from(text)),
        ("x", list),
        ("m", map),
        ("n", Data::Int(3)),
    ];
    let _ = template::rendered(source, &variables);
}

pub fn redact(pattern: &str, text: &[u8]) {
    let _ = redact::redacted(pattern, text);
}

pub fn json_schema(schema: &str, value: &str) {
    if let (Ok(schema), Ok(value)) = (serde_json::from_str(schema), serde_json::from_str(value)) {
        let _ = on_deep_stack(|| validated(schema, &value));
    }
}

pub fn texts(text: &str) {
    on_deep_stack(|| summarise::summarised(text));
    let _ = count_tokens::counted(text);
}
