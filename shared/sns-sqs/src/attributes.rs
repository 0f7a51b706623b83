//! The message attributes of a parked message: its type, and the cause.
//!
//! SQS limits the size of a message with its attributes. A message that arrived can always be parked, because the
//! attributes get only the room that the body leaves. The error text is shortened first; then attributes are left out
//! from the last to the first.

use quiz_events::{ParkCause, QueueMessage};

pub(crate) const TYPE: &str = "type";
pub(crate) const CODE: &str = "error_code";
pub(crate) const ERROR: &str = "error";
pub(crate) const PARKED_AT: &str = "parked_at";
pub(crate) const STRING: &str = "String";

const LONGEST_ERROR: usize = 1_000;
const ELLIPSIS: char = '…';

/// The names and values of the attributes. Together with the body they have at most `limit` bytes.
pub(crate) fn parking_attributes(
    message: &QueueMessage,
    cause: &ParkCause,
    limit: usize,
) -> Vec<(&'static str, String)> {
    let mut room = limit.saturating_sub(message.body.len());
    let fixed = [
        (TYPE, message.event_type.clone().unwrap_or_default()),
        (CODE, cause.code.clone()),
        (PARKED_AT, cause.parked_at.to_string()),
    ];
    let mut attributes = Vec::new();
    for (name, value) in fixed.into_iter().filter(|(_, value)| !value.is_empty()) {
        let value = printable(&value);
        let size = name.len() + STRING.len() + value.len();
        if size > room {
            return attributes;
        }
        room -= size;
        attributes.push((name, value));
    }
    let room = room.saturating_sub(ERROR.len() + STRING.len());
    let error = shortened(&printable(&cause.error), LONGEST_ERROR, room);
    if !error.is_empty() {
        attributes.push((ERROR, error));
    }
    attributes
}

/// The text with U+FFFD for each character that SQS rejects: SQS accepts only the characters of XML 1.0.
fn printable(text: &str) -> String {
    let is_allowed = |character: char| matches!(character, '\t' | '\n' | '\r' | ' '..='\u{d7ff}' | '\u{e000}'..='\u{fffd}' | '\u{10000}'..);
    text.chars().map(|character| if is_allowed(character) { character } else { '\u{fffd}' }).collect()
}

/// The text with at most this many characters and bytes. A shortened text ends with an ellipsis.
fn shortened(text: &str, characters: usize, bytes: usize) -> String {
    if text.len() <= bytes && text.chars().count() <= characters {
        return text.to_owned();
    }
    let Some(bytes) = bytes.checked_sub(ELLIPSIS.len_utf8()) else { return String::new() };
    let mut short = String::new();
    for character in text.chars().take(characters.saturating_sub(1)) {
        if short.len() + character.len_utf8() > bytes {
            break;
        }
        short.push(character);
    }
    if !short.is_empty() {
        short.push(ELLIPSIS);
    }
    short
}

#[cfg(test)]
mod tests {
    use super::{STRING, parking_attributes};
    use quiz_events::{ParkCause, QueueMessage};

    fn parked(body: usize, error: &str, limit: usize) -> Vec<(&'static str, String)> {
        let message =
            QueueMessage { body: "b".repeat(body), event_type: Some("t".into()), ..QueueMessage::default() };
        let cause =
            ParkCause { code: "c".into(), error: error.into(), parked_at: jiff::Timestamp::UNIX_EPOCH };
        let attributes = parking_attributes(&message, &cause, limit);
        let sizes = attributes.iter().map(|(name, value)| name.len() + value.len() + STRING.len());
        assert!(body >= limit || body + sizes.sum::<usize>() <= limit);
        attributes
    }

    fn names(attributes: &[(&'static str, String)]) -> Vec<&'static str> {
        attributes.iter().map(|(name, _)| *name).collect()
    }

    #[test]
    fn short_cause_is_complete() {
        let attributes = parked(10, "no such quiz", 1_000);
        assert_eq!(names(&attributes), ["type", "error_code", "parked_at", "error"]);
        assert_eq!(attributes[3].1, "no such quiz");
    }

    #[test]
    fn long_error_is_shortened() {
        let error = &parked(10, &"ä".repeat(5_000), 262_144)[3].1;
        assert_eq!(error.chars().count(), 1_000);
        assert!(error.ends_with('…'));
        let error = &parked(860, &"ä".repeat(5_000), 1_000)[3].1;
        assert!(error.ends_with('…') && error.len() < 140);
    }

    #[test]
    fn body_has_priority_over_its_cause() {
        assert_eq!(names(&parked(965, "no such quiz", 1_000)), ["type", "error_code"]);
        assert_eq!(names(&parked(1_000, "no such quiz", 1_000)), Vec::<&str>::new());
        assert_eq!(names(&parked(1_010, "no such quiz", 1_000)), Vec::<&str>::new());
    }

    #[test]
    fn invalid_characters_are_replaced_and_empty_attributes_omitted() {
        assert_eq!(parked(0, "a\0b\u{ffff}c\n", 1_000)[3].1, "a\u{fffd}b\u{fffd}c\n");
        assert_eq!(names(&parked(0, "", 1_000)), ["type", "error_code", "parked_at"]);
    }
}
