use clap::Args;
use clap::builder::NonEmptyStringValueParser;
use jiff::{SignedDuration, Span, SpanRelativeTo, Timestamp};
use quiz_sns_sqs::dead_letters::DeadLetter;

use crate::ui::{WrongUse, quoted};

/// The options that select messages. A message must match each given option, and one of its values.
#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = "Messages")]
pub struct MessageFilter {
    /// The name of a queue or of its dead-letter queue; repeatable.
    #[arg(long, value_name = "NAME", value_parser = NonEmptyStringValueParser::new())]
    pub queue: Vec<String>,
    /// The code of a cause, as `list` shows it; repeatable.
    #[arg(long, value_name = "CODE", value_parser = NonEmptyStringValueParser::new())]
    pub code: Vec<String>,
    /// The id of a test session in the message; repeatable.
    #[arg(long, value_name = "ID", value_parser = NonEmptyStringValueParser::new())]
    pub session: Vec<String>,
    /// Parked longer ago than this, such as 2h or 7d.
    #[arg(long, value_name = "AGE", value_parser = age)]
    pub older_than: Option<SignedDuration>,
    /// Parked within this time, such as 30m.
    #[arg(long, value_name = "AGE", value_parser = age)]
    pub newer_than: Option<SignedDuration>,
    /// The id of a message, or its first characters; repeatable.
    #[arg(long, value_name = "MESSAGE_ID", value_parser = NonEmptyStringValueParser::new())]
    pub id: Vec<String>,
}

impl MessageFilter {
    /// Selects messages by the first characters of their ids.
    #[must_use]
    pub fn by_ids(ids: &[String]) -> Self {
        Self { id: ids.to_vec(), ..Self::default() }
    }

    /// Whether the message matches; the option `--queue` is applied before.
    #[must_use]
    pub fn matches(&self, letter: &DeadLetter, now: Timestamp) -> bool {
        let age = letter.since().map(|since| now.duration_since(since));
        any(&self.code, |code| *code == letter.error_code)
            && any(&self.session, |session| letter.session_ids.contains(session))
            && any(&self.id, |id| begins_with(&letter.message_id, id))
            && self.older_than.is_none_or(|limit| age.is_some_and(|age| age > limit))
            && self.newer_than.is_none_or(|limit| age.is_some_and(|age| age < limit))
    }

    /// The options on the command line, for the audit; `--all` without any.
    #[must_use]
    pub fn options(&self) -> String {
        let mut options = Vec::new();
        let lists =
            [("queue", &self.queue), ("code", &self.code), ("session", &self.session), ("id", &self.id)];
        for (name, values) in lists {
            options.extend(values.iter().map(|value| format!("--{name} {}", quoted(value))));
        }
        options.extend(self.older_than.map(|age| format!("--older-than {age:#}")));
        options.extend(self.newer_than.map(|age| format!("--newer-than {age:#}")));
        if options.is_empty() { "--all".to_owned() } else { options.join(" ") }
    }

    /// Refuses a command that selects no messages.
    ///
    /// # Errors
    /// [`WrongUse`] without `all` and without any other option.
    pub fn require_choice(&self, all: bool) -> Result<(), WrongUse> {
        let lists = [&self.queue, &self.code, &self.session, &self.id];
        let has_option = lists.iter().any(|list| !list.is_empty())
            || self.older_than.is_some()
            || self.newer_than.is_some();
        if all || has_option {
            return Ok(());
        }
        let options = "--id, --code, --session, --queue, --older-than or --newer-than";
        Err(WrongUse(format!("choose messages by {options}, or all with --all")))
    }

    /// Refuses an id that matches no message or several.
    ///
    /// # Errors
    /// The id, and the messages that it matches.
    pub fn require_unique_ids<'a>(
        &self,
        letters: impl IntoIterator<Item = &'a DeadLetter>,
    ) -> anyhow::Result<()> {
        let ids: Vec<&str> = letters.into_iter().map(|letter| letter.message_id.as_str()).collect();
        for id in &self.id {
            let fitting: Vec<&str> =
                ids.iter().copied().filter(|message_id| begins_with(message_id, id)).collect();
            match fitting.len() {
                0 => anyhow::bail!(
                    "no selected message has an id that begins with {id}: quiz-etl dlq list shows the ids"
                ),
                1 => {}
                several => {
                    let some: Vec<&str> = fitting.into_iter().take(5).collect();
                    let some = some.join(", ");
                    return Err(WrongUse(format!(
                        "{several} messages have an id that begins with {id}: {some}"
                    ))
                    .into());
                }
            }
        }
        Ok(())
    }
}

fn any(wanted: &[String], matches: impl Fn(&String) -> bool) -> bool {
    wanted.is_empty() || wanted.iter().any(matches)
}

fn begins_with(message_id: &str, id: &str) -> bool {
    message_id.starts_with(&id.trim().to_ascii_lowercase())
}

/// `30m`, `2h`, `7d`; a day has 24 hours.
fn age(text: &str) -> Result<SignedDuration, String> {
    let span: Result<Span, _> = text.trim().parse();
    let age = span.and_then(|span| span.to_duration(SpanRelativeTo::days_are_24_hours()));
    age.ok().filter(SignedDuration::is_positive).ok_or_else(|| "give an age such as 30m, 2h or 7d".to_owned())
}

#[cfg(test)]
mod tests {
    use crate::ui::WrongUse;
    use jiff::{SignedDuration, Timestamp};
    use quiz_sns_sqs::dead_letters::DeadLetter;

    use super::{MessageFilter, age};

    fn letter(id: &str, code: &str, sessions: &[&str], parked_seconds_ago: i64) -> DeadLetter {
        DeadLetter {
            message_id: id.into(),
            error_code: code.into(),
            session_ids: sessions.iter().map(|&session| session.into()).collect(),
            parked_at: Some(Timestamp::from_second(1_000_000 - parked_seconds_ago).unwrap()),
            ..DeadLetter::default()
        }
    }

    fn matching(filter: &MessageFilter) -> Vec<String> {
        let letters = [
            letter("a1", "unknown_quiz", &["A", "B"], 60),
            letter("a2", "unknown_quiz", &["B"], 7_200),
            letter("b1", "ranking_failed", &[], 86_400 * 2),
            DeadLetter { message_id: "c1".into(), error_code: "no_cause".into(), ..DeadLetter::default() },
        ];
        let now = Timestamp::from_second(1_000_000).unwrap();
        let matching = letters.into_iter().filter(|letter| filter.matches(letter, now));
        matching.map(|letter| letter.message_id).collect()
    }

    #[test]
    fn options_narrow_and_their_values_widen() {
        let texts = |texts: &[&str]| texts.iter().map(|&text| text.to_owned()).collect::<Vec<_>>();
        let hours = |hours| Some(SignedDuration::from_hours(hours));
        assert_eq!(matching(&MessageFilter::default()), ["a1", "a2", "b1", "c1"]);
        let codes = MessageFilter { code: texts(&["unknown_quiz", "no_cause"]), ..MessageFilter::default() };
        assert_eq!(matching(&codes), ["a1", "a2", "c1"]);
        assert_eq!(matching(&MessageFilter { session: texts(&["A"]), ..codes.clone() }), ["a1"]);
        assert_eq!(
            matching(&MessageFilter { session: texts(&["C", "B"]), ..MessageFilter::default() }),
            ["a1", "a2"]
        );
        assert_eq!(matching(&MessageFilter::by_ids(&texts(&["A", "c1"]))), ["a1", "a2", "c1"]);
        // a message of unknown age is neither older nor newer
        assert_eq!(
            matching(&MessageFilter { older_than: hours(1), ..MessageFilter::default() }),
            ["a2", "b1"]
        );
        assert_eq!(
            matching(&MessageFilter { newer_than: hours(3), ..MessageFilter::default() }),
            ["a1", "a2"]
        );
        assert_eq!(
            matching(&MessageFilter {
                older_than: hours(1),
                newer_than: hours(3),
                ..MessageFilter::default()
            }),
            ["a2"]
        );
    }

    #[test]
    fn audit_names_the_options() {
        assert_eq!(MessageFilter::default().options(), "--all");
        let filter = MessageFilter {
            code: vec!["unknown_quiz".into(), "a b".into()],
            older_than: Some(SignedDuration::from_hours(48)),
            ..MessageFilter::default()
        };
        assert_eq!(filter.options(), "--code unknown_quiz --code 'a b' --older-than 48h");
    }

    #[test]
    fn ages_have_units() {
        let seconds = |text: &str| age(text).map(|age| age.as_secs());
        assert_eq!(seconds("30m"), Ok(1_800));
        assert_eq!(seconds("2 hours"), Ok(7_200));
        assert_eq!(seconds("1d 12h"), Ok(129_600));
        assert_eq!(seconds("2w"), Ok(1_209_600));
        for wrong in ["", "soon", "-2h", "0s", "2", "1 month"] {
            assert_eq!(seconds(wrong), Err("give an age such as 30m, 2h or 7d".to_owned()), "{wrong}");
        }
    }

    #[test]
    fn unclear_or_missing_selection_is_refused() {
        let letters = [letter("a1", "x", &[], 0), letter("a2", "x", &[], 0)];
        let clear = |id: &str| MessageFilter::by_ids(&[id.to_owned()]).require_unique_ids(&letters);
        assert!(clear("a1").is_ok());
        assert!(clear("b").unwrap_err().to_string().contains("begins with b"));
        let several = clear("a").unwrap_err();
        assert_eq!(several.to_string(), "2 messages have an id that begins with a: a1, a2");
        assert!(several.downcast_ref::<WrongUse>().is_some());
        assert!(MessageFilter::default().require_choice(false).is_err());
        assert!(MessageFilter::default().require_choice(true).is_ok());
        assert!(MessageFilter::by_ids(&["a".to_owned()]).require_choice(false).is_ok());
    }
}
