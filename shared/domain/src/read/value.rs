use std::cmp::Ordering;
use std::collections::BTreeMap;

use bson::Bson;
use serde::{Serialize, Serializer};

use crate::read::fields;

/// A stored answer or key of any shape.
///
/// Numbers compare by value across all BSON types: `2`, `2i64`, `2.0` and the decimal `2` are equal. A text is never a
/// number.
#[derive(Clone, Debug, Default)]
pub enum Value {
    #[default]
    Null,
    Bool(bool),
    Int(i64),
    Float(f64),
    Text(String),
    List(Vec<Value>),
    Map(BTreeMap<String, Value>),
    /// A BSON type that no answer has, such as a date, an id or bytes. It equals nothing.
    Other(&'static str),
}

impl Value {
    /// Reads a BSON value; an absent field reads as null.
    #[must_use]
    pub fn read(value: Option<&Bson>) -> Self {
        match value {
            None | Some(Bson::Null | Bson::Undefined) => Self::Null,
            Some(Bson::Boolean(value)) => Self::Bool(*value),
            Some(Bson::Int32(value)) => Self::Int(i64::from(*value)),
            Some(Bson::Int64(value)) => Self::Int(*value),
            Some(Bson::Double(value)) => Self::Float(*value),
            Some(Bson::String(value)) => Self::Text(value.clone()),
            Some(Bson::Array(values)) => {
                Self::List(values.iter().map(|value| Self::read(Some(value))).collect())
            }
            Some(Bson::Document(rows)) => {
                Self::Map(rows.iter().map(|(key, value)| (key.clone(), Self::read(Some(value)))).collect())
            }
            Some(Bson::ObjectId(_)) => Self::Other("object id"),
            Some(Bson::DateTime(_) | Bson::Timestamp(_)) => Self::Other("date"),
            Some(Bson::Binary(_)) => Self::Other("bytes"),
            Some(Bson::Decimal128(value)) => Self::decimal(*value),
            Some(_) => Self::Other("unusual BSON type"),
        }
    }

    fn decimal(value: bson::Decimal128) -> Self {
        value.to_string().parse().map_or_else(|_| Self::Float(fields::decimal(value)), Self::Int)
    }

    #[must_use]
    pub fn is_null(&self) -> bool {
        matches!(self, Self::Null)
    }

    /// Whether there is no answer, or one of an unusual BSON type.
    pub(crate) fn is_unknown(&self) -> bool {
        matches!(self, Self::Null | Self::Other(_))
    }

    /// The value as a number; `None` where it is none. A boolean counts as 0 or 1, as in the Quiz Engine's backend.
    #[must_use]
    pub fn as_number(&self) -> Option<f64> {
        match self {
            Self::Bool(value) => Some(f64::from(u8::from(*value))),
            #[expect(clippy::cast_precision_loss, reason = "numbers compare as doubles")]
            Self::Int(value) => Some(*value as f64),
            Self::Float(value) => Some(*value),
            _ => None,
        }
    }

    /// The kind of the value, for a problem's example, which must not show the value itself.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Null => "nothing",
            Self::Bool(_) => "a boolean",
            Self::Int(_) | Self::Float(_) => "a number",
            Self::Text(_) => "a text",
            Self::List(_) => "a list",
            Self::Map(_) => "an object",
            Self::Other(kind) => kind,
        }
    }

    /// Whether an answer equals its key: numbers compare by value, lists in any order, objects by their rows.
    #[must_use]
    pub fn matches_key(&self, key: &Self) -> bool {
        match (self, key) {
            (Self::List(given), Self::List(key)) => {
                if given.len() != key.len() {
                    return false;
                }
                let (mut given, mut key): (Vec<_>, Vec<_>) = (given.iter().collect(), key.iter().collect());
                given.sort_by(|a, b| a.order(b));
                key.sort_by(|a, b| a.order(b));
                given.iter().zip(key).all(|(a, b)| a.equal(b))
            }
            (given, key) => given.equal(key),
        }
    }

    /// Whether both values are equal, with lists in the same order.
    pub(crate) fn equal(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Null, Self::Null) => true,
            (Self::Text(a), Self::Text(b)) => a == b,
            (Self::List(a), Self::List(b)) => a.len() == b.len() && a.iter().zip(b).all(|(a, b)| a.equal(b)),
            (Self::Map(a), Self::Map(b)) => {
                a.len() == b.len() && a.iter().zip(b).all(|((ka, a), (kb, b))| ka == kb && a.equal(b))
            }
            (a, b) => match (a.number(), b.number()) {
                (Some(a), Some(b)) => !a.is_nan() && a.order(b).is_eq(),
                _ => false,
            },
        }
    }

    /// A total order in which equal numbers compare as equal.
    fn order(&self, other: &Self) -> Ordering {
        match (self, other) {
            (Self::Text(a), Self::Text(b)) => a.cmp(b),
            (Self::List(a), Self::List(b)) => a
                .iter()
                .zip(b)
                .map(|(a, b)| a.order(b))
                .find(|order| order.is_ne())
                .unwrap_or_else(|| a.len().cmp(&b.len())),
            (a, b) => match (a.number(), b.number()) {
                (Some(a), Some(b)) => a.order(b),
                _ => a.rank().cmp(&b.rank()),
            },
        }
    }

    fn number(&self) -> Option<Number> {
        match self {
            Self::Bool(value) => Some(Number::Int(i64::from(*value))),
            Self::Int(value) => Some(Number::Int(*value)),
            Self::Float(value) => Some(Number::Float(*value)),
            _ => None,
        }
    }

    fn rank(&self) -> u8 {
        match self {
            Self::Null => 0,
            Self::Bool(_) | Self::Int(_) | Self::Float(_) => 1,
            Self::Text(_) => 2,
            Self::List(_) => 3,
            Self::Map(_) => 4,
            Self::Other(_) => 5,
        }
    }
}

/// A number that compares exactly: the integer 2^53 + 1 equals no double.
#[derive(Clone, Copy)]
enum Number {
    Int(i64),
    Float(f64),
}

impl Number {
    fn is_nan(self) -> bool {
        matches!(self, Self::Float(value) if value.is_nan())
    }

    fn order(self, other: Self) -> Ordering {
        match (self, other) {
            (Self::Int(a), Self::Int(b)) => a.cmp(&b),
            (Self::Float(a), Self::Float(b)) => {
                a.partial_cmp(&b).unwrap_or_else(|| a.is_nan().cmp(&b.is_nan()))
            }
            (Self::Int(a), Self::Float(b)) => int_to_float(a, b),
            (Self::Float(a), Self::Int(b)) => int_to_float(b, a).reverse(),
        }
    }
}

/// Compares exactly. NaN is greater than every number.
fn int_to_float(int: i64, float: f64) -> Ordering {
    const BEYOND: f64 = 9_223_372_036_854_775_808.0;
    if float.is_nan() || float >= BEYOND {
        return Ordering::Less;
    }
    if float < -BEYOND {
        return Ordering::Greater;
    }
    #[expect(clippy::cast_possible_truncation, reason = "whole, and within the range")]
    let whole = float.trunc() as i64;
    int.cmp(&whole).then_with(|| 0.0.partial_cmp(&float.fract()).unwrap_or(Ordering::Equal))
}

/// Writes the value for JSON and for DynamoDB. A number that DynamoDB cannot hold (not finite, or outside
/// 1E-130 … 9.9E+125) becomes a text.
impl Serialize for Value {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Null => serializer.serialize_none(),
            Self::Bool(value) => serializer.serialize_bool(*value),
            Self::Int(value) => serializer.serialize_i64(*value),
            Self::Float(value) if *value == 0.0 || (1e-130..1e126).contains(&value.abs()) => {
                crate::round::number(value, serializer)
            }
            Self::Float(value) => serializer.collect_str(value),
            Self::Text(value) => serializer.serialize_str(value),
            Self::List(values) => serializer.collect_seq(values),
            Self::Map(rows) => serializer.collect_map(rows),
            Self::Other(kind) => serializer.serialize_str(kind),
        }
    }
}

/// Whether a text is blank by the rule of Python's `str.strip`, which also strips the information separators.
pub(crate) fn is_blank(text: &str) -> bool {
    text.chars().all(|char| char.is_whitespace() || ('\u{1c}'..='\u{1f}').contains(&char))
}

/// Whether a name has a visible character: neither whitespace nor of zero width.
pub(crate) fn is_visible(name: &str) -> bool {
    let has_no_width =
        |char| matches!(char, '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{2060}' | '\u{3164}' | '\u{feff}');
    !name.chars().all(|char| char.is_whitespace() || has_no_width(char))
}

#[cfg(test)]
#[allow(clippy::panic, reason = "a test may panic")]
mod tests {
    use super::Value;
    use bson::{Bson, bson};

    fn same(answer: &Bson, key: &Bson) -> bool {
        Value::read(Some(answer)).matches_key(&Value::read(Some(key)))
    }

    #[test]
    fn numbers_compare_across_types_and_lists_unordered() {
        assert!(same(&bson!([0, 2]), &bson!([2.0, 0_i64])));
        assert!(same(&bson!(["BQ", "AP"]), &bson!(["AP", "BQ"])));
        assert!(!same(&bson!([0, 0]), &bson!([0])));
        assert!(!same(&bson!([0, 1]), &bson!([0, 2])));
        assert!(same(&bson!({"a": 1, "b": 2}), &bson!({"b": 2.0, "a": 1})));
        assert!(!same(&bson!({"a": 1}), &bson!({"a": 1, "b": 2})));
    }

    #[test]
    fn large_numbers_compare_exactly() {
        const EDGE: i64 = 1 << 53;
        assert!(!same(&bson!(EDGE + 1), &bson!(9_007_199_254_740_992.0)));
        assert!(same(&bson!(EDGE), &bson!(9_007_199_254_740_992.0)));
        assert!(!same(&bson!(i64::MAX), &bson!(9_223_372_036_854_775_808.0)));
        let mixed: Vec<Bson> = (0..60)
            .map(|at: i64| match at % 4 {
                0 => bson!(EDGE + at * 7 % 5),
                1 => bson!(9_007_199_254_740_992.0),
                2 => bson!(f64::NAN),
                _ => bson!(-0.5),
            })
            .collect();
        let reversed: Vec<Bson> = mixed.iter().rev().cloned().collect();
        assert!(!same(&bson!(mixed), &bson!(reversed)), "NaN equals nothing");
    }

    #[test]
    fn decimals_are_numbers_and_texts_are_not() {
        let decimal = |text: &str| Bson::Decimal128(text.parse().unwrap_or_else(|_| panic!("{text}")));
        assert!(same(&decimal("2"), &bson!(2)));
        assert!(same(&bson!(2.5), &decimal("2.50")));
        assert!(same(&bson!([decimal("9007199254740993"), decimal("1.0")]), &bson!([1, (1_i64 << 53) + 1])));
        assert!(!same(&decimal("NaN"), &decimal("NaN")));
        assert!(!same(&bson!("2"), &bson!(2)));
        assert_eq!(Value::read(Some(&decimal("-0.5"))).as_number(), Some(-0.5));
        assert_eq!(Value::read(Some(&bson!("2"))).as_number(), None);
    }

    #[test]
    fn unusual_type_equals_nothing() {
        let id = Bson::ObjectId(bson::oid::ObjectId::new());
        assert!(!same(&id, &id));
        assert!(!same(&bson!(f64::NAN), &bson!(f64::NAN)));
    }

    #[test]
    fn number_beyond_dynamodb_becomes_text() {
        let json = |value: &Bson| serde_json::to_string(&Value::read(Some(value))).unwrap_or_default();
        assert_eq!(json(&bson!(2.0)), "2");
        assert_eq!(json(&bson!(1e200)), format!("\"{}\"", 1e200));
        assert_eq!(json(&bson!(f64::NAN)), "\"NaN\"");
    }
}
