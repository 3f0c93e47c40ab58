use serde_json::Value;

use super::{Bounded, Format, Key, Mapping, Shape};
use crate::schema;

/// The shape of a whole configuration.
pub(super) fn configuration() -> Shape {
    let schema = schema::schema();
    Compiler { root: &schema }.shape(&schema)
}

struct Compiler<'a> {
    root: &'a Value,
}

impl Compiler<'_> {
    /// `schema` comes from our own types, so what is not foreseen here is a slip in them: it becomes
    /// text without bounds, and the test over all examples of the language fails.
    fn shape(&self, schema: &Value) -> Shape {
        let schema = schema::resolve(self.root, schema);
        if let Some(variants) = schema.get("oneOf").and_then(Value::as_array) {
            return self.one_of(schema, variants);
        }
        if let Some(variants) = schema.get("anyOf").and_then(Value::as_array) {
            return self.any_of(variants);
        }
        match schema::kind(schema) {
            "object" => self.object(schema),
            "array" => self.list(schema),
            "integer" => Shape::Integer {
                least: number(schema, "minimum").unwrap_or(0),
                most: number(schema, "maximum").unwrap_or(u64::MAX),
            },
            _ => text(schema),
        }
    }

    fn object(&self, schema: &Value) -> Shape {
        let Some(values) = schema.get("additionalProperties").filter(|values| values.is_object())
        else {
            return Shape::Mapping(self.mapping(schema));
        };
        let keys = words(schema, "x-keys").and_then(Format::named);
        Shape::Map { keys: keys.unwrap_or(Format::Name), values: Box::new(self.shape(values)) }
    }

    fn mapping(&self, schema: &Value) -> Mapping {
        let required: Vec<&str> = schema
            .get("required")
            .and_then(Value::as_array)
            .map(|names| names.iter().filter_map(Value::as_str).collect())
            .unwrap_or_default();
        let keys = schema.get("properties").and_then(Value::as_object).into_iter().flatten();
        Mapping {
            noun: words(schema, "x-noun").unwrap_or("this mapping").to_owned(),
            keys: keys
                .map(|(name, schema)| Key {
                    name: name.clone(),
                    required: required.contains(&name.as_str()),
                    shape: self.shape(schema),
                })
                .collect(),
        }
    }

    fn list(&self, schema: &Value) -> Shape {
        let items = schema.get("items").unwrap_or(&Value::Null);
        Shape::List {
            items: Box::new(self.shape(items)),
            least: length(schema, "minItems").unwrap_or(0),
            most: length(schema, "maxItems").unwrap_or(usize::MAX),
        }
    }

    /// An enum: words, or (a secret) mappings with one key each.
    fn one_of(&self, schema: &Value, variants: &[Value]) -> Shape {
        let words: Vec<String> = variants
            .iter()
            .filter_map(|variant| variant.get("const").and_then(Value::as_str))
            .map(str::to_owned)
            .collect();
        if !words.is_empty() {
            return Shape::Choice(words);
        }
        let mut keys: Vec<Key> =
            variants.iter().flat_map(|variant| self.mapping(variant).keys).collect();
        // Each variant needs its own key; all together need none.
        for key in &mut keys {
            key.required = false;
        }
        let noun = self::words(schema, "x-noun").unwrap_or("this mapping").to_owned();
        Shape::Secret(Mapping { noun, keys })
    }

    /// An optional value (one variant is `null`), or text beside mappings.
    fn any_of(&self, variants: &[Value]) -> Shape {
        let mut shapes: Vec<Shape> = variants
            .iter()
            .filter(|variant| schema::kind(variant) != "null")
            .map(|variant| self.shape(variant))
            .collect();
        if shapes.len() == 1 {
            return shapes.remove(0);
        }
        let mut mappings = Vec::new();
        let mut text = Shape::Text { least: 0, most: usize::MAX };
        for shape in shapes {
            match shape {
                Shape::Mapping(mapping) => mappings.push(mapping),
                other => text = other,
            }
        }
        Shape::Either { text: Box::new(text), mappings }
    }
}

fn text(schema: &Value) -> Shape {
    match words(schema, "format").and_then(Format::named) {
        Some(format) => Shape::Format(Bounded {
            format,
            least: words(schema, "x-min").map(str::to_owned),
            most: words(schema, "x-max").map(str::to_owned),
        }),
        None => Shape::Text {
            least: length(schema, "minLength").unwrap_or(0),
            most: length(schema, "maxLength").unwrap_or(usize::MAX),
        },
    }
}

fn words<'a>(schema: &'a Value, key: &str) -> Option<&'a str> {
    schema.get(key).and_then(Value::as_str)
}

fn number(schema: &Value, key: &str) -> Option<u64> {
    schema.get(key).and_then(Value::as_u64)
}

fn length(schema: &Value, key: &str) -> Option<usize> {
    number(schema, key).and_then(|number| usize::try_from(number).ok())
}
