//! Ids and documents in the forms in which MongoDB stores them.

use bson::error::ErrorKind;
use bson::{Bson, Document, RawDocument, Utf8Lossy};
use quiz_domain::unreadable;

use crate::error::MongoError;

/// The stored forms of an id: a text and, if the text is hexadecimal with 24 digits, an `ObjectId`.
pub(crate) fn stored_forms(id: &str) -> Vec<Bson> {
    let as_object_id = bson::oid::ObjectId::parse_str(id).ok().map(Bson::ObjectId);
    std::iter::once(Bson::String(id.to_owned())).chain(as_object_id).collect()
}

/// The stored forms of a user's id: those of [`stored_forms`] and, if the text is an integer, a number. MongoDB
/// compares numbers of all types by value.
pub(crate) fn user_forms(id: &str) -> Vec<Bson> {
    let number = id.parse().ok().map(Bson::Int64);
    stored_forms(id).into_iter().chain(number).collect()
}

/// Decodes a document. MongoDB accepts texts that are not UTF-8; their broken characters become U+FFFD, so that the
/// document is not lost.
pub(crate) fn decode(raw: &RawDocument) -> Result<Document, MongoError> {
    Document::try_from(raw).or_else(|error| {
        Utf8Lossy::<Document>::try_from(raw)
            .map(|lossy| lossy.0)
            .map_err(|_| MongoError::Undecodable(error.to_string()))
    })
}

/// Fields that identify a document: with a replaced character they could equal the id of another document or user.
const IDS: [&str; 3] = ["_id", "user_id", "quiz_id"];

/// Decodes like [`decode`]. An unreadable document becomes the placeholder of [`unreadable`] with the reason, so that
/// its neighbours are still read and the domain counts the problem.
pub(crate) fn decode_or_placeholder(raw: &RawDocument, what: &str) -> Document {
    let decoded = match IDS.into_iter().find(|field| raw.get(field).is_err_and(|error| is_utf8_error(&error)))
    {
        Some(field) => Err(format!("its field {field} is not UTF-8")),
        None => decode(raw).map_err(|error| error.to_string()),
    };
    decoded.unwrap_or_else(|error| {
        let id = raw.get("_id").ok().flatten().and_then(|id| Bson::try_from(id).ok());
        let shown = id.as_ref().map_or_else(|| "unknown".to_owned(), Bson::to_string);
        tracing::warn!(id = shown, what, error, "cannot read stored document");
        unreadable(id, &error)
    })
}

fn is_utf8_error(error: &bson::error::Error) -> bool {
    matches!(error.kind, ErrorKind::Utf8Encoding { .. })
}

#[cfg(test)]
mod tests {
    use super::{decode, decode_or_placeholder, stored_forms};
    use bson::{Bson, RawDocumentBuf, doc, rawdoc};
    use quiz_domain::unreadable_cause;

    /// Replaces the bytes `from` in the document.
    fn damaged(document: &RawDocumentBuf, from: &[u8], to: &[u8]) -> RawDocumentBuf {
        let mut bytes = document.as_bytes().to_vec();
        let at = bytes.windows(from.len()).position(|window| window == from).unwrap();
        bytes[at..at + to.len()].copy_from_slice(to);
        RawDocumentBuf::from_bytes(bytes).unwrap()
    }

    #[test]
    fn id_matches_both_stored_types() {
        assert_eq!(stored_forms("abc"), [Bson::String("abc".into())]);
        let forms = stored_forms("6715f621e1eb083bfa9b56cc");
        assert!(matches!(forms[..], [Bson::String(_), Bson::ObjectId(_)]));
    }

    #[test]
    fn broken_text_keeps_its_document() {
        let document = rawdoc! { "_id": "a", "answers": [{ "answer": "xyz" }] };
        let read = decode(&damaged(&document, b"xyz", b"x\xffz")).unwrap();
        assert_eq!(read, doc! { "_id": "a", "answers": [{ "answer": "x\u{fffd}z" }] });
    }

    #[test]
    fn broken_document_keeps_its_id_and_reason() {
        let document = rawdoc! { "_id": "a", "user_id": "u", "ended": true };
        // a boolean that is neither 0 nor 1
        let broken = damaged(&document, b"ended\0\x01", b"ended\0\x07");
        assert!(decode(&broken).is_err());
        let read = decode_or_placeholder(&broken, "attempts");
        assert_eq!(read.get_str("_id").unwrap(), "a");
        let why = unreadable_cause(&read).unwrap();
        assert!(why.starts_with("the stored document is not valid BSON: "), "{why}");
    }

    #[test]
    fn broken_user_id_becomes_no_other_user() {
        let document = rawdoc! { "_id": "a", "user_id": "xyz", "text": "more" };
        let read = decode_or_placeholder(&damaged(&document, b"xyz", b"x\xffz"), "attempts");
        assert_eq!(unreadable_cause(&read), Some("its field user_id is not UTF-8"));
        assert_eq!(read.get("user_id"), None);
        let read = decode_or_placeholder(&damaged(&document, b"more", b"m\xffre"), "attempts");
        assert_eq!(read, doc! { "_id": "a", "user_id": "xyz", "text": "m\u{fffd}re" });
    }
}
