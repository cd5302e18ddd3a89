//! `require`: refuses a context that lacks fields or holds something else in them.

mod expected_type;
mod hook;
