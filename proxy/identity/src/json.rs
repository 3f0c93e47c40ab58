//! JSON objects from strangers: no name twice, not too deep, not too many values.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};

/// How large a JSON text may grow in memory.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bounds {
    /// Objects and arrays within each other, the outermost counted.
    pub depth: usize,
    /// Values in all.
    pub values: usize,
}

/// The one object that `text` is. None when it is no JSON object, or an object in it has a name
/// twice: RFC 7519 section 4 leaves it to the reader which of the two counts, and whoever reads
/// after us may choose the other.
pub(crate) fn object(text: &[u8], bounds: Bounds) -> Option<Map<String, Value>> {
    let mut left = bounds.values;
    let mut reader = serde_json::Deserializer::from_slice(text);
    let value = Bounded { depth: bounds.depth, left: &mut left }.deserialize(&mut reader).ok()?;
    reader.end().ok()?;
    match value {
        Value::Object(object) => Some(object),
        _ => None,
    }
}

struct Bounded<'a> {
    depth: usize,
    left: &'a mut usize,
}

impl Bounded<'_> {
    fn deeper<E: Error>(&mut self) -> Result<Bounded<'_>, E> {
        let depth = self.depth.checked_sub(1).ok_or_else(|| E::custom("too deep"))?;
        Ok(Bounded { depth, left: &mut *self.left })
    }
}

impl<'de> DeserializeSeed<'de> for Bounded<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        *self.left = self.left.checked_sub(1).ok_or_else(|| D::Error::custom("too many values"))?;
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Bounded<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(Value::Number(value.into()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(Value::Number(value.into()))
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Value, E> {
        Number::from_f64(value).map(Value::Number).ok_or_else(|| E::custom("not finite"))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::String(value.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(mut self, mut items: A) -> Result<Value, A::Error> {
        let mut list = Vec::new();
        let mut inner = self.deeper()?;
        while let Some(item) = items.next_element_seed(inner.again())? {
            list.push(item);
        }
        Ok(Value::Array(list))
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut members: A) -> Result<Value, A::Error> {
        let mut object = Map::new();
        let mut inner = self.deeper()?;
        while let Some(name) = members.next_key::<String>()? {
            let value = members.next_value_seed(inner.again())?;
            if object.insert(name, value).is_some() {
                return Err(A::Error::custom("a name twice"));
            }
        }
        Ok(Value::Object(object))
    }
}

impl Bounded<'_> {
    fn again(&mut self) -> Bounded<'_> {
        Bounded { depth: self.depth, left: &mut *self.left }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(text: &str) -> Option<Map<String, Value>> {
        object(text.as_bytes(), Bounds { depth: 3, values: 8 })
    }

    #[test]
    fn a_name_twice_is_refused_however_it_is_written() {
        assert!(read(r#"{"exp":1,"sub":"a"}"#).is_some());
        assert!(read(r#"{"exp":1,"exp":2}"#).is_none());
        assert!(read(r#"{"exp":1,"\u0065xp":1}"#).is_none());
        assert!(read(r#"{"a":{"b":1,"b":1}}"#).is_none());
        assert!(read(r#"{"a":[{"b":1,"b":1}]}"#).is_none());
    }

    #[test]
    fn depth_and_number_of_values_are_bounded() {
        assert!(read(r#"{"a":[[]]}"#).is_some());
        assert!(read(r#"{"a":[[[]]]}"#).is_none());
        assert!(read(r#"{"a":[1,2,3,4,5,6]}"#).is_some());
        assert!(read(r#"{"a":[1,2,3,4,5,6,7]}"#).is_none());
        assert!(object("[".repeat(100_000).as_bytes(), Bounds { depth: 9, values: 9 }).is_none());
    }

    #[test]
    fn only_one_whole_object_counts() {
        for text in
            ["", "1", "[]", "null", "{}{}", "{} x", "{", r#"{"a":1e999}"#, "{\"a\":\"\u{1}\"}"]
        {
            assert!(read(text).is_none(), "{text}");
        }
        assert!(object(b"{\"a\":\"\xff\"}", Bounds { depth: 3, values: 8 }).is_none());
        assert!(read(" {} ").is_some());
    }

    proptest! {
        #[test]
        fn any_value_comes_through_as_serde_json_reads_it(
            text in r#"\{("[ab]":(1|-7|0\.5|true|null|"x"|\[1,"y"\]|\{"c":2\}))?\}"#
        ) {
            let theirs: Value = serde_json::from_str(&text).unwrap();
            prop_assert_eq!(read(&text).map(Value::Object), Some(theirs));
        }
    }
}
