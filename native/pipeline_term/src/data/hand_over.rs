//! Passes a [`Data`] through serde whole.
//!
//! serde's data model has no atoms, and a visitor is only told of values that the model has. A type that
//! wants the data as it stands asks for a newtype struct of the name [`TOKEN`]; the deserializer answers by
//! leaving the data here and visiting a unit. Both sides run on one thread, one right after the other.
use super::Data;
use std::cell::RefCell;

/// The newtype name by which a type asks for the data itself.
pub(super) const TOKEN: &str = "$pipeline_term::Data";

thread_local! {
    static SLOT: RefCell<Option<Data>> = const { RefCell::new(None) };
}

/// Leaves `data` for the visitor that is called next.
pub(super) fn leave(data: Data) {
    SLOT.with(|slot| slot.replace(Some(data)));
}

/// Takes what was left, if anything was.
pub(super) fn take() -> Option<Data> {
    SLOT.with(RefCell::take)
}
