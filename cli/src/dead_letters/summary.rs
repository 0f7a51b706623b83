use std::cmp::Reverse;
use std::collections::BTreeMap;

use jiff::Timestamp;
use quiz_sns_sqs::dead_letters::DeadLetter;

/// The messages of one queue with one cause.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct CauseGroup {
    pub queue: String,
    pub error_code: String,
    pub messages: usize,
    pub oldest: Option<Timestamp>,
    pub newest: Option<Timestamp>,
    /// A test session, from the first message that names one.
    pub example_session: Option<String>,
    /// The error of the first message.
    pub example_error: String,
}

/// Groups messages by queue and cause, sorted by queue, then by frequency.
pub(crate) fn group_by_cause<'a>(letters: impl IntoIterator<Item = &'a DeadLetter>) -> Vec<CauseGroup> {
    let mut groups: BTreeMap<(&str, &str), CauseGroup> = BTreeMap::new();
    for letter in letters {
        let group = groups.entry((&letter.queue, &letter.error_code)).or_insert_with(|| CauseGroup {
            queue: letter.queue.clone(),
            error_code: letter.error_code.clone(),
            messages: 0,
            oldest: None,
            newest: None,
            example_session: None,
            example_error: letter.error.clone(),
        });
        group.messages += 1;
        let since = letter.since();
        group.oldest = group.oldest.into_iter().chain(since).min();
        group.newest = group.newest.max(since);
        if group.example_session.is_none() {
            group.example_session = letter.session_ids.first().cloned();
        }
    }
    let mut groups: Vec<CauseGroup> = groups.into_values().collect();
    groups.sort_by(|one, other| {
        (&one.queue, Reverse(one.messages)).cmp(&(&other.queue, Reverse(other.messages)))
    });
    groups
}

/// The number of leading characters, at least 8, that distinguishes the ids of all messages.
pub(crate) fn distinct_prefix_length<'a>(letters: impl IntoIterator<Item = &'a DeadLetter>) -> usize {
    let mut ids: Vec<&str> = letters.into_iter().map(|letter| letter.message_id.as_str()).collect();
    ids.sort_unstable();
    let shared = ids.windows(2).map(|pair| match pair {
        [one, other] => one.chars().zip(other.chars()).take_while(|(a, b)| a == b).count(),
        _ => 0,
    });
    shared.max().map_or(0, |shared| shared + 1).max(8)
}

#[cfg(test)]
mod tests {
    use super::{distinct_prefix_length, group_by_cause};
    use crate::dead_letters::fixtures::letter;

    #[test]
    fn messages_are_grouped_by_queue_and_cause() {
        let mut first = letter("1", "reports-dlq", "unknown_quiz", 60);
        first.session_ids.clear();
        let letters = [
            letter("0", "warehouse-dlq", "unknown_quiz", 5),
            letter("2", "reports-dlq", "ranking_failed", 10),
            first,
            letter("3", "reports-dlq", "unknown_quiz", 20),
        ];
        let groups = group_by_cause(&letters);
        let shown: Vec<_> = groups
            .iter()
            .map(|group| (group.queue.as_str(), group.error_code.as_str(), group.messages))
            .collect();
        assert_eq!(
            shown,
            [
                ("reports-dlq", "unknown_quiz", 2),
                ("reports-dlq", "ranking_failed", 1),
                ("warehouse-dlq", "unknown_quiz", 1)
            ]
        );
        assert_eq!((groups[0].oldest, groups[0].newest), (letters[2].since(), letters[3].since()));
        assert_eq!(groups[0].example_session.as_ref(), letters[3].session_ids.first());
    }

    #[test]
    fn short_ids_are_distinct() {
        let one = |id| letter(id, "q", "c", 0);
        assert_eq!(distinct_prefix_length(&[one("0123456789ab"), one("11")]), 8);
        assert_eq!(distinct_prefix_length(&[one("0123456789ab"), one("11"), one("0123456789cd")]), 11);
        assert_eq!(distinct_prefix_length(&[]), 8);
    }
}
