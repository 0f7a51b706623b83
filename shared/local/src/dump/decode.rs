//! Decodes documents and names the field that cannot be decoded.

use bson::error::{Error as BsonError, ErrorKind};
use bson::raw::{RawBsonRef, RawDocument};
use bson::{Bson, Document};
use quiz_domain::unreadable;

use super::error::Malformed;

/// Deepest nesting that is decoded, in levels; MongoDB stores up to 100.
const DEEPEST: usize = 200;

/// The document, or a placeholder with the reason: the domain counts the placeholder as a problem.
pub(super) fn decode_or_why(raw: &RawDocument) -> Document {
    decode(raw).unwrap_or_else(|error| {
        let id = id(raw);
        let shown = id.as_ref().map_or_else(|| "unknown".to_owned(), Bson::to_string);
        tracing::warn!(id = shown, error = %error, "stored document cannot be read");
        unreadable(id, &error.to_string())
    })
}

pub(super) fn decode(document: &RawDocument) -> Result<Document, Malformed> {
    check(document)?;
    Ok(Document::try_from(document)?)
}

fn id(document: &RawDocument) -> Option<Bson> {
    match document.get("_id").ok()?? {
        RawBsonRef::String(id) => Some(Bson::from(id)),
        RawBsonRef::ObjectId(id) => Some(Bson::ObjectId(id)),
        _ => None,
    }
}

/// Names the first field that cannot be decoded.
pub(super) fn check(document: &RawDocument) -> Result<(), Malformed> {
    for element in document.iter_elements() {
        let element = element?;
        let checked = element.value().map_err(Malformed::from).and_then(check_value);
        checked.map_err(|cause| name_field(element.key().as_str(), cause))?;
    }
    Ok(())
}

fn name_field(field: &str, cause: Malformed) -> Malformed {
    match cause {
        Malformed::Undecodable(BsonError { kind: ErrorKind::Utf8Encoding { .. }, .. }) => {
            Malformed::NotUtf8(field.to_owned())
        }
        Malformed::Undecodable(cause) => Malformed::Field { field: field.to_owned(), cause },
        other => other,
    }
}

/// Checks the nesting with a list, not by recursion: decoding and dropping recurse, and a document that is too deep
/// would overflow their stack.
fn check_value(value: RawBsonRef<'_>) -> Result<(), Malformed> {
    let mut open = vec![(2, value)];
    while let Some((depth, value)) = open.pop() {
        if depth > DEEPEST {
            return Err(Malformed::Nested(DEEPEST));
        }
        match value {
            RawBsonRef::Document(document) => {
                for element in document {
                    push_nested(&mut open, depth, element?.1);
                }
            }
            RawBsonRef::Array(array) => {
                for value in array {
                    push_nested(&mut open, depth, value?);
                }
            }
            RawBsonRef::JavaScriptCodeWithScope(code) => {
                open.push((depth + 1, RawBsonRef::Document(code.scope)));
            }
            _ => {}
        }
    }
    Ok(())
}

fn push_nested<'a>(open: &mut Vec<(usize, RawBsonRef<'a>)>, depth: usize, value: RawBsonRef<'a>) {
    use RawBsonRef::{Array, Document, JavaScriptCodeWithScope};
    if matches!(value, Document(_) | Array(_) | JavaScriptCodeWithScope(_)) {
        open.push((depth + 1, value));
    }
}
