//! Prints the JSON Schema of the plugin manifest, as `docs/plugin-manifest.schema.json` holds it.

fn main() -> Result<(), serde_json::Error> {
    let schema = pipeline_core::plugin::Manifest::schema();
    println!("{}", serde_json::to_string_pretty(&schema)?);
    Ok(())
}
