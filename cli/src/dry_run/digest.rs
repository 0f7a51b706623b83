use std::hash::{DefaultHasher, Hash, Hasher};

use quiz_domain::reports::ContentDigest;
use serde_json::{Number, Value};

/// Fields that differ from run to run without a change of the result.
const RUN_FIELDS: [&str; 3] = ["inserted_at_timestamp", "sync_generation", ContentDigest::ATTRIBUTE];
/// Whole numbers below this limit are exact as `i128`.
const WHOLE: f64 = 1e38;

/// A digest of the content of an item: equal for equal numbers in any notation, fields in any order, and any run.
pub fn digest(item: &Value) -> u64 {
    let mut digest = DefaultHasher::new();
    match item {
        Value::Object(fields) => {
            add_fields(fields.iter().filter(|(name, _)| !RUN_FIELDS.contains(&&***name)), &mut digest);
        }
        other => add(other, &mut digest),
    }
    digest.finish()
}

fn add(value: &Value, digest: &mut DefaultHasher) {
    match value {
        Value::Null => 0_u8.hash(digest),
        Value::Bool(flag) => (1_u8, flag).hash(digest),
        Value::Number(number) => (2_u8, Exact::new(number)).hash(digest),
        Value::String(text) => (3_u8, text).hash(digest),
        Value::Array(values) => {
            (4_u8, values.len()).hash(digest);
            for value in values {
                add(value, digest);
            }
        }
        Value::Object(fields) => {
            5_u8.hash(digest);
            add_fields(fields.iter(), digest);
        }
    }
}

fn add_fields<'a>(fields: impl Iterator<Item = (&'a String, &'a Value)>, digest: &mut DefaultHasher) {
    let mut fields: Vec<_> = fields.collect();
    fields.sort_unstable_by(|a, b| a.0.cmp(b.0));
    fields.len().hash(digest);
    for (name, value) in fields {
        name.hash(digest);
        add(value, digest);
    }
}

/// The exact value of a number, so that `2`, `2.0` and `2E0` are equal.
#[derive(Hash)]
enum Exact {
    Whole(i128),
    Bits(u64),
}

impl Exact {
    fn new(number: &Number) -> Self {
        if let Some(whole) = number.as_i64() {
            return Self::Whole(whole.into());
        }
        if let Some(whole) = number.as_u64() {
            return Self::Whole(whole.into());
        }
        let value = number.as_f64().unwrap_or(f64::NAN);
        if value.fract() == 0.0 && value.abs() < WHOLE {
            #[expect(clippy::cast_possible_truncation, reason = "whole, and within the range")]
            return Self::Whole(value as i128);
        }
        Self::Bits(value.to_bits())
    }
}

#[cfg(test)]
mod tests {
    use super::digest;
    use serde_json::{Value, json};

    fn same(a: &str, b: &str) -> bool {
        let read = |text: &str| serde_json::from_str::<Value>(text).unwrap();
        digest(&read(a)) == digest(&read(b))
    }

    #[test]
    fn items_of_equal_content_are_equal() {
        assert!(same(r#"{"a":2,"b":[1.5,{"c":-0.0,"d":1e3}]}"#, r#"{"b":[1.50,{"d":1000,"c":0}],"a":2.0}"#));
        assert!(same(r#"{"a":1,"sync_generation":7}"#, r#"{"a":1,"inserted_at_timestamp":"x"}"#));
        assert!(same(r#"{"a":18446744073709551615}"#, r#"{"a":18446744073709551615}"#));
    }

    #[test]
    fn items_that_differ_are_not() {
        let different = [
            ("1", "2"),
            ("1", r#""1""#),
            ("null", "0"),
            ("null", "false"),
            ("9007199254740993", "9007199254740992.0"),
            ("1e100", "1e101"),
            ("[1,[2]]", "[[1],2]"),
            ("[]", "{}"),
            (r#"{"b":1}"#, r#"{"c":1}"#),
            (r#"{"sync_generation":1}"#, r#"{"sync_generation":2}"#),
        ];
        for (a, b) in different {
            assert!(!same(&format!(r#"{{"a":{a}}}"#), &format!(r#"{{"a":{b}}}"#)), "{a} {b}");
        }
        assert_ne!(
            digest(&json!({"a": null})),
            digest(&json!({})),
            "a null is stored, an absent field is not"
        );
    }
}
