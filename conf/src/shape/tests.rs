use serde_json::Value;

use super::{Format, Mapping, Shape, configuration};
use crate::schema;

fn formats(schema: &Value, found: &mut Vec<String>) {
    match schema {
        Value::Object(fields) => {
            let is_text = schema::kind(schema) == "string";
            if let Some(format) = fields.get("format").and_then(Value::as_str).filter(|_| is_text) {
                found.push(format.to_owned());
            }
            found.extend(fields.get("x-keys").and_then(Value::as_str).map(str::to_owned));
            fields.values().for_each(|inner| formats(inner, found));
        }
        Value::Array(items) => items.iter().for_each(|inner| formats(inner, found)),
        _ => {}
    }
}

fn mappings<'a>(shape: &'a Shape, found: &mut Vec<&'a Mapping>) {
    match shape {
        Shape::Mapping(mapping) | Shape::Secret(mapping) => {
            found.push(mapping);
            mapping.keys.iter().for_each(|key| mappings(&key.shape, found));
        }
        Shape::Map { values, .. } => mappings(values, found),
        Shape::List { items, .. } => mappings(items, found),
        Shape::Either { mappings: either, .. } => found.extend(either),
        Shape::Text { .. } | Shape::Format(_) | Shape::Integer { .. } | Shape::Choice(_) => {}
    }
}

#[test]
fn every_format_of_the_schema_is_parsed_by_the_checker() {
    let mut found = Vec::new();
    formats(&schema::schema(), &mut found);
    assert!(found.len() > 30);
    for format in found {
        assert!(Format::named(&format).is_some(), "{format}");
    }
}

#[test]
fn every_mapping_has_a_noun_for_messages_and_keys() {
    let mut found = Vec::new();
    mappings(configuration(), &mut found);
    assert!(found.len() > 20);
    for mapping in found {
        assert_ne!(mapping.noun, "this mapping", "{:?}", mapping.keys);
        assert!(!mapping.keys.is_empty(), "{}", mapping.noun);
    }
}

#[test]
fn every_default_is_within_its_own_bounds() {
    let mut text = crate::dump::plain_yaml(&crate::model::Config::default());
    text = text.replace("listeners: []", "listeners: [{ name: a, address: '127.0.0.1:1' }]");
    crate::testing::loaded(&text);
}
