//! Native hooks for texts: `squeeze`, `word_limit` and `reading_time`.

mod reading_time;
mod squeeze;
mod word_limit;

pipeline_term::library!("Elixir.NativePlugin.TextHooks");
