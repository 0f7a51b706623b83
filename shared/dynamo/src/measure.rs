//! Measures an item before it is sent.
//!
//! DynamoDB's sizes follow its documentation, "DynamoDB item sizes and formats" in the developer guide: names and texts
//! count their UTF-8 bytes, a number about one byte for two digits, a list or map 3 bytes and 1 for each value.

use std::collections::HashMap;

use aws_sdk_dynamodb::types::AttributeValue;

/// The size of an item, or of one of its values.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Measure {
    /// Bytes that count against DynamoDB's limit of 400 KB for an item.
    pub stored: usize,
    /// Bytes of the JSON in a request, about.
    pub wire: usize,
    /// Levels of nested lists and maps.
    pub depth: usize,
}

/// The bytes that JSON adds to a value: `{"S":""},`.
const TAG: usize = 10;
/// The stored bytes of a list or map, and of each value in it.
const CONTAINER: usize = 3;
const ELEMENT: usize = 1;

impl Measure {
    pub fn item(item: &HashMap<String, AttributeValue>) -> Self {
        let mut measure = Self::default();
        for (name, value) in item {
            measure.add_named(name, value);
        }
        measure
    }

    fn add_named(&mut self, name: &str, value: &AttributeValue) {
        let value = Self::value(value);
        self.stored += name.len() + value.stored;
        self.wire += escaped(name) + CONTAINER + value.wire;
        self.depth = self.depth.max(value.depth);
    }

    fn value(value: &AttributeValue) -> Self {
        let flat = |stored, wire| Self { stored, wire: wire + TAG, depth: 0 };
        match value {
            AttributeValue::S(text) => flat(text.len(), escaped(text)),
            AttributeValue::N(number) => flat(number_size(number), number.len()),
            AttributeValue::B(bytes) => flat(bytes.as_ref().len(), base64(bytes.as_ref().len())),
            AttributeValue::Bool(_) | AttributeValue::Null(_) => flat(1, 5),
            AttributeValue::Ss(texts) => {
                let (stored, wire) =
                    (texts.iter().map(String::len), texts.iter().map(|text| escaped(text) + 3));
                flat(stored.sum(), wire.sum())
            }
            AttributeValue::Ns(numbers) => {
                let stored = numbers.iter().map(|number| number_size(number));
                flat(stored.sum(), numbers.iter().map(|number| number.len() + 3).sum())
            }
            AttributeValue::Bs(blobs) => {
                let sizes = || blobs.iter().map(|blob| blob.as_ref().len());
                flat(sizes().sum(), sizes().map(|size| base64(size) + 3).sum())
            }
            AttributeValue::L(values) => {
                let mut list = Self { stored: CONTAINER, wire: TAG, depth: 0 };
                for value in values.iter().map(Self::value) {
                    list.stored += value.stored + ELEMENT;
                    list.wire += value.wire;
                    list.depth = list.depth.max(value.depth);
                }
                Self { depth: list.depth + 1, ..list }
            }
            AttributeValue::M(values) => {
                let mut map = Self::item(values);
                map.stored += CONTAINER + ELEMENT * values.len();
                Self { wire: map.wire + TAG, depth: map.depth + 1, ..map }
            }
            _ => Self::default(),
        }
    }
}

/// The stored bytes of a number: one for each two significant digits, one more, and one for a minus sign.
fn number_size(number: &str) -> usize {
    let mantissa = number.split(['e', 'E']).next().unwrap_or_default();
    let digits: String = mantissa.chars().filter(char::is_ascii_digit).collect();
    let significant = if mantissa.contains('.') {
        digits.trim_start_matches('0').len()
    } else {
        digits.trim_matches('0').len()
    };
    significant.div_ceil(2) + 1 + usize::from(number.starts_with('-'))
}

/// The bytes of a text in JSON.
fn escaped(text: &str) -> usize {
    let extra = |byte: u8| match byte {
        b'"' | b'\\' => 1,
        0..=0x1f => 5,
        _ => 0,
    };
    text.len() + text.bytes().map(extra).sum::<usize>()
}

fn base64(bytes: usize) -> usize {
    bytes.div_ceil(3) * 4
}

#[cfg(test)]
mod tests {
    use super::{Measure, number_size};
    use aws_sdk_dynamodb::types::AttributeValue as Value;

    #[test]
    fn sizes_follow_the_rules_of_dynamodb() {
        let item = [
            ("id".to_owned(), Value::S("äb".into())),
            ("n".to_owned(), Value::N("-12.50".into())),
            ("l".to_owned(), Value::L(vec![Value::Bool(true), Value::Null(true)])),
            ("m".to_owned(), Value::M([("k".to_owned(), Value::S("v".into()))].into())),
        ];
        let measure = Measure::item(&item.into());
        let expected = (2 + 3) + (1 + 4) + (1 + 3 + 2 * 2) + (1 + 3 + 1 + 2);
        assert_eq!(measure.stored, expected);
        assert_eq!(measure.depth, 1);
        assert!(measure.wire > measure.stored);
    }

    #[test]
    fn leading_and_trailing_zeros_do_not_count() {
        assert_eq!(number_size("0"), 1);
        assert_eq!(number_size("1000"), 2);
        assert_eq!(number_size("0.001"), 2);
        assert_eq!(number_size("12345"), 4);
    }

    #[test]
    fn depth_counts_lists_and_maps() {
        let mut value = Value::S("x".into());
        for _ in 0..5 {
            value = Value::L(vec![value]);
        }
        assert_eq!(Measure::item(&[("a".to_owned(), value)].into()).depth, 5);
    }
}
