//! What a parked message carries beside its body.

use quiz_events::{ParkCause, QueueMessage};

pub(crate) const TYPE: &str = "type";
pub(crate) const CODE: &str = "error_code";
pub(crate) const ERROR: &str = "error";
pub(crate) const PARKED_AT: &str = "parked_at";
pub(crate) const STRING: &str = "String";

const LONGEST_ERROR: usize = 1_000;
const ELLIPSIS: char = '…';

/// Names and values such that they fit beside the body in `limit` bytes. Where there is no room for
/// all, the sentence is shortened first, then they are left out from the last to the first: the body
/// is worth more than any of them.
pub(crate) fn of(message: &QueueMessage, cause: &ParkCause, limit: usize) -> Vec<(&'static str, String)> {
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

/// SQS takes the characters that XML 1.0 has.
fn printable(text: &str) -> String {
    let allowed = |it: char| matches!(it, '\t' | '\n' | '\r' | ' '..='\u{d7ff}' | '\u{e000}'..='\u{fffd}' | '\u{10000}'..);
    text.chars().map(|it| if allowed(it) { it } else { '\u{fffd}' }).collect()
}

/// At most so many characters and bytes, the last one telling that more was there.
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
    use super::{STRING, of};
    use quiz_events::{ParkCause, QueueMessage};

    fn parked(body: usize, error: &str, limit: usize) -> Vec<(&'static str, String)> {
        let message =
            QueueMessage { body: "b".repeat(body), event_type: Some("t".into()), ..QueueMessage::default() };
        let cause =
            ParkCause { code: "c".into(), error: error.into(), parked_at: jiff::Timestamp::UNIX_EPOCH };
        let attributes = of(&message, &cause, limit);
        let sizes = attributes.iter().map(|(name, value)| name.len() + value.len() + STRING.len());
        assert!(body >= limit || body + sizes.sum::<usize>() <= limit);
        attributes
    }

    fn names(attributes: &[(&'static str, String)]) -> Vec<&'static str> {
        attributes.iter().map(|(name, _)| *name).collect()
    }

    #[test]
    fn a_cause_is_whole_where_there_is_room() {
        let attributes = parked(10, "no such quiz", 1_000);
        assert_eq!(names(&attributes), ["type", "error_code", "parked_at", "error"]);
        assert_eq!(attributes[3].1, "no such quiz");
    }

    #[test]
    fn a_long_sentence_is_shortened() {
        let error = &parked(10, &"ä".repeat(5_000), 262_144)[3].1;
        assert_eq!(error.chars().count(), 1_000);
        assert!(error.ends_with('…'));
        let error = &parked(860, &"ä".repeat(5_000), 1_000)[3].1;
        assert!(error.ends_with('…') && error.len() < 140);
    }

    #[test]
    fn the_body_comes_before_its_cause() {
        assert_eq!(names(&parked(965, "no such quiz", 1_000)), ["type", "error_code"]);
        assert_eq!(names(&parked(1_000, "no such quiz", 1_000)), Vec::<&str>::new());
        assert_eq!(names(&parked(1_010, "no such quiz", 1_000)), Vec::<&str>::new());
    }

    #[test]
    fn what_xml_cannot_hold_is_replaced_and_nothing_is_empty() {
        assert_eq!(parked(0, "a\0b\u{ffff}c\n", 1_000)[3].1, "a\u{fffd}b\u{fffd}c\n");
        assert_eq!(names(&parked(0, "", 1_000)), ["type", "error_code", "parked_at"]);
    }
}
