//! The native library that `Pipeline.Native` loads.

use pipeline_term as _;

rustler::init!("Elixir.Pipeline.Native");
