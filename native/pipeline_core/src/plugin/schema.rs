use schemars::Schema;
use schemars::generate::SchemaSettings;

use super::Manifest;

impl Manifest {
    /// The JSON Schema of what is read as a manifest, of draft 2020-12 (feature `schema`).
    ///
    /// A document that it accepts is a manifest, but for versions and numbers too large to be held, and for
    /// requirements, which resolution reads.
    ///
    /// ```
    /// use pipeline_core::plugin::Manifest;
    ///
    /// let schema = serde_json::to_value(Manifest::schema())?;
    /// assert_eq!(schema["required"], serde_json::json!(["id", "version"]));
    /// # Ok::<_, serde_json::Error>(())
    /// ```
    pub fn schema() -> Schema {
        SchemaSettings::draft2020_12()
            .for_deserialize()
            .into_generator()
            .into_root_schema_for::<Self>()
    }
}

/// A dependency names one of the two.
pub(super) fn names_one(schema: &mut Schema) {
    let names = |one: &str, other: &str| {
        serde_json::json!({
            "required": [one],
            "properties": {one: {"not": {"type": "null"}}, other: {"type": "null"}}
        })
    };
    let either = [names("plugin", "capability"), names("capability", "plugin")];
    schema.insert("oneOf".to_owned(), either.to_vec().into());
}
