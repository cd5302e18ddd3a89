//! `summarise`: the sentences that say most about a text, by `TextRank`.

mod hook;
mod prose;
mod sentence;
mod text_rank;

#[cfg(feature = "fuzz")]
pub(super) use hook::summarised;
