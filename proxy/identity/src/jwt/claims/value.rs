//! A claim compared with what is configured, and as the value of a header field.

use std::borrow::Cow;

use http::HeaderValue;
use serde_json::Value;

use super::Claims;

impl Claims {
    /// Whether the claim of a path is there, and is not `null`.
    pub fn is_there(&self, path: &str) -> bool {
        self.get(path).is_some_and(|value| !value.is_null())
    }

    /// Whether the claim of a path is `wanted`, or a list that has it. Numbers and booleans are
    /// compared as they are written in JSON.
    pub fn says(&self, path: &str, wanted: &str) -> bool {
        match self.get(path) {
            Some(Value::Array(items)) => {
                items.iter().any(|item| scalar(item).is_some_and(|text| text == wanted))
            }
            Some(value) => scalar(value).is_some_and(|text| text == wanted),
            None => false,
        }
    }

    /// The claim of a path as the value of a header field; a list with commas between its items.
    /// None when it is not there, or cannot be told without saying something else: it is or has an
    /// object, an item has a comma, or there is a control character.
    pub fn header_value(&self, path: &str) -> Option<HeaderValue> {
        let text = match self.get(path)? {
            Value::Array(items) => {
                let items: Option<Vec<_>> = items.iter().map(scalar).collect();
                let items = items?;
                if items.iter().any(|item| item.contains(',')) {
                    return None;
                }
                Cow::from(items.join(","))
            }
            value => scalar(value)?,
        };
        HeaderValue::from_bytes(text.as_bytes()).ok()
    }
}

fn scalar(value: &Value) -> Option<Cow<'_, str>> {
    match value {
        Value::String(text) => Some(Cow::from(text)),
        Value::Number(number) => Some(Cow::from(number.to_string())),
        Value::Bool(true) => Some(Cow::from("true")),
        Value::Bool(false) => Some(Cow::from("false")),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn claims(text: &str) -> Claims {
        Claims::parse(text.as_bytes()).unwrap()
    }

    #[test]
    fn a_claim_says_what_it_is_or_has() {
        let claims = claims(r#"{"a":"x","b":["x",7,true],"c":7,"d":false,"e":null,"f":{}}"#);
        for (path, text) in [("a", "x"), ("b", "x"), ("b", "7"), ("b", "true"), ("c", "7")] {
            assert!(claims.says(path, text), "{path} {text}");
        }
        for (path, text) in
            [("a", "X"), ("a", "x "), ("b", "y"), ("e", "null"), ("f", ""), ("g", "")]
        {
            assert!(!claims.says(path, text), "{path} {text}");
        }
        assert!(claims.is_there("d") && claims.is_there("f"));
        assert!(!claims.is_there("e") && !claims.is_there("g"));
    }

    #[test]
    fn a_header_says_just_what_the_claim_says() {
        let claims = claims(
            r#"{"a":"x y","b":["r","w",1],"c":true,"d":["r,admin"],"e":"a\r\nb: c","f":{},"g":[[]],"h":"ä"}"#,
        );
        let value = |path: &str| claims.header_value(path);
        assert_eq!(value("a").unwrap(), "x y");
        assert_eq!(value("b").unwrap(), "r,w,1");
        assert_eq!(value("c").unwrap(), "true");
        assert_eq!(value("h").unwrap().as_bytes(), "ä".as_bytes());
        for path in ["d", "e", "f", "g", "missing"] {
            assert_eq!(value(path), None, "{path}");
        }
    }
}
