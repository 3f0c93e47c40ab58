//! The JSON Schema of the language, made from its types.

use serde_json::Value;

use crate::model::Config;

/// The JSON Schema (draft 2020-12) of a configuration file, indented, with a line break at its end.
/// Editors that know JSON Schema use it to complete and check a file as it is written.
pub fn schema_json() -> String {
    format!("{:#}\n", schema())
}

/// The schema as a value.
pub(crate) fn schema() -> Value {
    schemars::schema_for!(Config).to_value()
}

/// Follows `$ref` to the definition; `schema` itself when there is none.
pub(crate) fn resolve<'a>(root: &'a Value, schema: &'a Value) -> &'a Value {
    let target = schema
        .get("$ref")
        .and_then(Value::as_str)
        .and_then(|reference| reference.strip_prefix('#'))
        .and_then(|pointer| root.pointer(pointer));
    target.unwrap_or(schema)
}

/// The `type` of a schema, the one beside `null` when it is optional; empty when it has none.
pub(crate) fn kind(schema: &Value) -> &str {
    match schema.get("type") {
        Some(Value::String(kind)) => kind,
        Some(Value::Array(kinds)) => {
            let kinds = kinds.iter().filter_map(Value::as_str);
            kinds.into_iter().find(|kind| *kind != "null").unwrap_or_default()
        }
        _ => "",
    }
}
