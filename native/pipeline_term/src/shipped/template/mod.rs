//! `template`: renders a Jinja template with the context's fields as its variables.
//!
//! A template can take data apart, but it cannot build data: lists and maps come from the context only.
//! `MiniJinja` counts instructions and bytes of text, but not the size of a list that holds itself twice;
//! without such lists, its fuel and the count of [`allowance`] bound time and memory. `dialect` refuses a
//! template that would build one, and `filters` holds the filters and tests that keep to this.

mod allowance;
mod dialect;
mod filters;
mod hook;
mod values;

#[cfg(feature = "fuzz")]
pub(super) use hook::rendered;
