//! The reference page of the language, made from the same types as the schema.

use std::fmt::Write;

use serde_json::{Map, Value};

use crate::schema::{self, kind, resolve};

const INTRODUCTION: &str = "\
# Configuration reference

<!-- Made from the types in conf/src/model by the tests of conf: UPDATE_DOCS=1 rewrites it. -->

MarchProxy reads YAML: one file, or all `*.yaml` and `*.yml` files directly in one folder, in the
order of their names. Lists of several files are put together; any other key stands in one file only.
An unknown or repeated key is an error. `marchproxy check` shows every error with its place,
`marchproxy dump` every value with where it came from. For editors there is a
[JSON Schema](configuration.schema.json).

A key without a default and not marked **required** may be left out; then what it describes is not
there. Files may be named relative to the file that names them.
";

/// Formats that are not types of their own.
const OTHER_FORMATS: [(&str, &str); 3] = [
    ("file", "the path of a file, absolute or relative to the file that names it"),
    ("environment-variable", "the name of an environment variable: letters, digits and `_`"),
    ("media-type", "a media type, such as `text/html; charset=utf-8`"),
];

/// The text of `docs/reference/configuration.md`.
pub fn reference_markdown() -> String {
    let root = schema::schema();
    let mut writer = Writer { root: &root, sections: Vec::new(), text: INTRODUCTION.to_owned() };
    writer.collect(&root, "");
    let sections = std::mem::take(&mut writer.sections);
    for section in &sections {
        writer.section(section);
    }
    writer.formats();
    writer.text
}

/// A mapping of the language and the places it may stand at.
struct Section<'a> {
    schema: &'a Value,
    places: Vec<String>,
}

struct Writer<'a> {
    root: &'a Value,
    sections: Vec<Section<'a>>,
    text: String,
}

impl<'a> Writer<'a> {
    /// Finds all mappings, outer ones first.
    fn collect(&mut self, schema: &'a Value, place: &str) {
        let schema = resolve(self.root, schema);
        if let Some(variants) = variants(schema) {
            if is_secret(schema) {
                self.add(schema, place);
                return;
            }
            for variant in variants.iter().filter(|variant| kind(variant) != "null") {
                self.collect(variant, place);
            }
            return;
        }
        if let Some(items) = schema.get("items") {
            self.collect(items, &format!("{place}[]"));
        }
        let Some(keys) = schema.get("properties").and_then(Value::as_object) else { return };
        if !self.add(schema, place) {
            return;
        }
        for (key, value) in keys {
            let place = if place.is_empty() { key.clone() } else { format!("{place}.{key}") };
            self.collect(value, &place);
        }
    }

    /// Whether the mapping is new.
    fn add(&mut self, schema: &'a Value, place: &str) -> bool {
        let known = self.sections.iter_mut().find(|section| std::ptr::eq(section.schema, schema));
        if let Some(known) = known {
            known.places.push(place.to_owned());
            return false;
        }
        self.sections.push(Section { schema, places: vec![place.to_owned()] });
        true
    }

    fn section(&mut self, section: &Section<'_>) {
        let title = title(section.schema);
        let _ = write!(self.text, "\n<a id=\"{}\"></a>\n\n## {title}\n\n", anchor(section.schema));
        let places: Vec<String> = section
            .places
            .iter()
            .filter(|place| !place.is_empty())
            .map(|place| format!("`{place}`"))
            .collect();
        if !places.is_empty() {
            let _ = writeln!(self.text, "Stands at {}.\n", places.join(", "));
        }
        let _ = writeln!(self.text, "{}\n", description(section.schema));
        self.text.push_str("| key | type | default | bounds | meaning |\n|---|---|---|---|---|\n");
        let mappings: Vec<&Value> = match variants(section.schema) {
            Some(variants) => variants.iter().collect(),
            None => vec![section.schema],
        };
        for mapping in mappings {
            self.rows(mapping, variants(section.schema).is_some());
        }
    }

    fn rows(&mut self, mapping: &Value, is_variant: bool) {
        let empty = Map::new();
        let keys = mapping.get("properties").and_then(Value::as_object).unwrap_or(&empty);
        let required = mapping.get("required").and_then(Value::as_array);
        let is_required =
            |key: &str| required.is_some_and(|names| names.iter().any(|name| name == key));
        for (key, schema) in keys {
            let default = match schema.get("default") {
                // Of a secret's keys exactly one is there.
                _ if is_variant => "one of them".to_owned(),
                _ if is_required(key) => "**required**".to_owned(),
                Some(Value::Object(fields)) if !fields.is_empty() => "see there".to_owned(),
                Some(Value::String(text)) if text.is_empty() => "empty".to_owned(),
                Some(Value::String(text)) => format!("`{text}`"),
                Some(value) => format!("`{value}`"),
                None => String::new(),
            };
            let meaning = match mapping.get("description") {
                Some(_) if is_variant => description(mapping),
                _ => self.meaning(schema),
            };
            let cells = [self.type_of(schema), default, self.bounds(schema), meaning];
            let cells: Vec<String> = cells.iter().map(|cell| cell.replace('|', "\\|")).collect();
            let _ = writeln!(self.text, "| `{key}` | {} |", cells.join(" | "));
        }
    }

    fn type_of(&self, schema: &Value) -> String {
        let schema = resolve(self.root, schema);
        if is_secret(schema) {
            return link(schema);
        }
        if let Some(variants) = variants(schema) {
            let variants = variants.iter().filter(|variant| kind(variant) != "null");
            let types: Vec<String> = variants.map(|variant| self.type_of(variant)).collect();
            return types.join(" or ");
        }
        if let Some(word) = schema.get("const") {
            return format!("`{}`", word.as_str().unwrap_or_default());
        }
        match kind(schema) {
            "array" => {
                format!("list of {}", self.type_of(schema.get("items").unwrap_or(&Value::Null)))
            }
            "integer" => "number".to_owned(),
            "object" if schema.get("properties").is_some() => link(schema),
            "object" => {
                let values = schema.get("additionalProperties").unwrap_or(&Value::Null);
                let keys = schema.get("x-keys").and_then(Value::as_str).unwrap_or("text");
                format!("mapping of {} to {}", format_link(keys), self.type_of(values))
            }
            _ => match schema.get("format").and_then(Value::as_str) {
                Some(format) => format_link(format),
                None => "text".to_owned(),
            },
        }
    }

    fn bounds(&self, schema: &Value) -> String {
        let schema = resolve(self.root, schema);
        let bound = |key: &str| {
            schema.get(key).map(|value| match value {
                Value::String(text) => format!("`{text}`"),
                other => other.to_string(),
            })
        };
        let range = |least: &str, most: &str, unit: &str| match (bound(least), bound(most)) {
            (Some(least), Some(most)) => Some(format!("{least} to {most}{unit}")),
            (Some(least), None) => Some(format!("at least {least}{unit}")),
            (None, Some(most)) => Some(format!("at most {most}{unit}")),
            (None, None) => None,
        };
        let items = schema.get("items").map(|items| self.bounds(items)).unwrap_or_default();
        let items = (!items.is_empty()).then(|| format!("each {items}"));
        let all = [
            range("minimum", "maximum", ""),
            range("x-min", "x-max", ""),
            range("minLength", "maxLength", " characters"),
            range("minItems", "maxItems", " item"),
            items,
        ];
        all.into_iter().flatten().collect::<Vec<String>>().join(", ")
    }

    /// The description of a key, and those of the words it may be.
    fn meaning(&self, schema: &Value) -> String {
        let mut meaning = description(schema);
        let mut inner = resolve(self.root, schema);
        // Behind an optional value stands the schema of the value.
        if let Some(variants) = inner.get("anyOf").and_then(Value::as_array)
            && let [value, null] = variants.as_slice()
            && kind(null) == "null"
        {
            inner = resolve(self.root, value);
        }
        for variant in variants(inner).into_iter().flatten() {
            if let Some(word) = variant.get("const").and_then(Value::as_str)
                && description(variant) != format!("`{word}`")
            {
                let _ = write!(meaning, " `{word}`: {}", description(variant));
            }
        }
        meaning
    }

    fn formats(&mut self) {
        self.text.push_str("\n## Kinds of values\n\n| type | how it is written |\n|---|---|\n");
        let mut formats: Vec<(String, String)> = Vec::new();
        find_formats(self.root, &mut formats);
        formats.extend(OTHER_FORMATS.map(|(name, about)| (name.to_owned(), about.to_owned())));
        formats.sort();
        formats.dedup();
        for (name, about) in formats {
            let about = about.replace('|', "\\|");
            let _ =
                writeln!(self.text, "| <a id=\"type-{name}\"></a>{} | {about} |", spoken(&name));
        }
    }
}

fn find_formats(schema: &Value, formats: &mut Vec<(String, String)>) {
    let words = |key: &str| schema.get(key).and_then(Value::as_str).map(str::to_owned);
    if let (Some(name), Some(about)) = (words("format"), words("x-about")) {
        formats.push((name, about));
    }
    match schema {
        Value::Object(fields) => fields.values().for_each(|inner| find_formats(inner, formats)),
        Value::Array(items) => items.iter().for_each(|inner| find_formats(inner, formats)),
        _ => {}
    }
}

fn variants(schema: &Value) -> Option<&Vec<Value>> {
    schema.get("oneOf").or_else(|| schema.get("anyOf"))?.as_array()
}

fn is_secret(schema: &Value) -> bool {
    let variants = schema.get("oneOf").and_then(Value::as_array);
    variants.is_some_and(|variants| variants.iter().all(|variant| kind(variant) == "object"))
}

fn description(schema: &Value) -> String {
    let text = schema.get("description").and_then(Value::as_str).unwrap_or_default();
    text.split_whitespace().collect::<Vec<&str>>().join(" ")
}

fn noun(schema: &Value) -> &str {
    let noun = schema.get("x-noun").and_then(Value::as_str).unwrap_or("mapping");
    noun.strip_prefix("a ").or_else(|| noun.strip_prefix("an ")).unwrap_or(noun)
}

fn title(schema: &Value) -> String {
    let mut chars = noun(schema).chars();
    chars.next().map(|first| first.to_uppercase().chain(chars).collect()).unwrap_or_default()
}

fn anchor(schema: &Value) -> String {
    let words = noun(schema).replace("'s", "").replace('`', "");
    words.to_lowercase().replace([' ', '_'], "-")
}

fn link(schema: &Value) -> String {
    format!("[{}](#{})", noun(schema), anchor(schema))
}

fn format_link(format: &str) -> String {
    format!("[{}](#type-{format})", spoken(format))
}

fn spoken(format: &str) -> String {
    format.replace('-', " ").replace("spki", "SPKI").replace("dns", "DNS")
}

#[cfg(test)]
mod tests;
