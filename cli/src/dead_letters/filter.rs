use clap::Args;
use clap::builder::NonEmptyStringValueParser;
use jiff::{SignedDuration, Span, SpanRelativeTo, Timestamp};
use quiz_sns_sqs::dead_letters::DeadLetter;

use crate::ui::WrongUse;

/// Which messages: those that fit each kind of option that is given, and one of its values.
#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = "Which messages")]
pub struct Filter {
    /// The name of a queue, or of its dead-letter queue; may be given again.
    #[arg(long, value_name = "NAME", value_parser = NonEmptyStringValueParser::new())]
    pub queue: Vec<String>,
    /// The code of a cause, as `list` shows it; may be given again.
    #[arg(long, value_name = "CODE", value_parser = NonEmptyStringValueParser::new())]
    pub code: Vec<String>,
    /// The id of a test session that the message names; may be given again.
    #[arg(long, value_name = "ID", value_parser = NonEmptyStringValueParser::new())]
    pub session: Vec<String>,
    /// There for longer than this, such as 2h or 7d.
    #[arg(long, value_name = "AGE", value_parser = age)]
    pub older_than: Option<SignedDuration>,
    /// There for less than this, such as 30m.
    #[arg(long, value_name = "AGE", value_parser = age)]
    pub newer_than: Option<SignedDuration>,
    /// A message's id, or its beginning; may be given again.
    #[arg(long, value_name = "MESSAGE_ID", value_parser = NonEmptyStringValueParser::new())]
    pub id: Vec<String>,
}

impl Filter {
    /// Messages by the beginnings of their ids.
    #[must_use]
    pub fn of_ids(ids: &[String]) -> Self {
        Self { id: ids.to_vec(), ..Self::default() }
    }

    /// Whether the message fits; its queue is chosen before.
    #[must_use]
    pub fn admits(&self, letter: &DeadLetter, now: Timestamp) -> bool {
        let age = letter.since().map(|since| now.duration_since(since));
        any(&self.code, |code| *code == letter.error_code)
            && any(&self.session, |session| letter.session_ids.contains(session))
            && any(&self.id, |id| begins(&letter.message_id, id))
            && self.older_than.is_none_or(|limit| age.is_some_and(|age| age > limit))
            && self.newer_than.is_none_or(|limit| age.is_some_and(|age| age < limit))
    }

    /// # Errors
    /// [`WrongUse`] where neither `all` nor anything else chooses messages.
    pub fn must_choose(&self, all: bool) -> Result<(), WrongUse> {
        let lists = [&self.queue, &self.code, &self.session, &self.id];
        let chooses = lists.iter().any(|list| !list.is_empty())
            || self.older_than.is_some()
            || self.newer_than.is_some();
        if all || chooses {
            return Ok(());
        }
        let options = "--id, --code, --session, --queue, --older-than or --newer-than";
        Err(WrongUse(format!("choose messages by {options}, or say --all")))
    }

    /// # Errors
    /// Where an id, or the beginning of one, fits no message or several.
    pub fn must_be_clear<'a>(&self, letters: impl IntoIterator<Item = &'a DeadLetter>) -> anyhow::Result<()> {
        let ids: Vec<&str> = letters.into_iter().map(|letter| letter.message_id.as_str()).collect();
        for id in &self.id {
            let fitting: Vec<&str> = ids.iter().copied().filter(|it| begins(it, id)).collect();
            match fitting.len() {
                0 => anyhow::bail!(
                    "no message that was chosen has an id that begins with {id}: quiz-etl dlq list shows the ids"
                ),
                1 => {}
                several => {
                    let some: Vec<&str> = fitting.into_iter().take(5).collect();
                    let some = some.join(", ");
                    return Err(WrongUse(format!("{id} begins the ids of {several} messages: {some}")).into());
                }
            }
        }
        Ok(())
    }
}

fn any(wanted: &[String], fits: impl Fn(&String) -> bool) -> bool {
    wanted.is_empty() || wanted.iter().any(fits)
}

fn begins(message_id: &str, id: &str) -> bool {
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

    use super::{Filter, age};

    fn letter(id: &str, code: &str, sessions: &[&str], parked_seconds_ago: i64) -> DeadLetter {
        DeadLetter {
            message_id: id.into(),
            error_code: code.into(),
            session_ids: sessions.iter().map(|&it| it.into()).collect(),
            parked_at: Some(Timestamp::from_second(1_000_000 - parked_seconds_ago).unwrap()),
            ..DeadLetter::default()
        }
    }

    fn admitted(filter: &Filter) -> Vec<String> {
        let letters = [
            letter("a1", "unknown_quiz", &["A", "B"], 60),
            letter("a2", "unknown_quiz", &["B"], 7_200),
            letter("b1", "ranking_failed", &[], 86_400 * 2),
            DeadLetter { message_id: "c1".into(), error_code: "no_cause".into(), ..DeadLetter::default() },
        ];
        let now = Timestamp::from_second(1_000_000).unwrap();
        let admitted = letters.into_iter().filter(|letter| filter.admits(letter, now));
        admitted.map(|letter| letter.message_id).collect()
    }

    #[test]
    fn every_kind_of_option_narrows_and_each_value_of_one_widens() {
        let texts = |texts: &[&str]| texts.iter().map(|&it| it.to_owned()).collect::<Vec<_>>();
        let hours = |hours| Some(SignedDuration::from_hours(hours));
        assert_eq!(admitted(&Filter::default()), ["a1", "a2", "b1", "c1"]);
        let codes = Filter { code: texts(&["unknown_quiz", "no_cause"]), ..Filter::default() };
        assert_eq!(admitted(&codes), ["a1", "a2", "c1"]);
        assert_eq!(admitted(&Filter { session: texts(&["A"]), ..codes.clone() }), ["a1"]);
        assert_eq!(admitted(&Filter { session: texts(&["C", "B"]), ..Filter::default() }), ["a1", "a2"]);
        assert_eq!(admitted(&Filter::of_ids(&texts(&["A", "c1"]))), ["a1", "a2", "c1"]);
        // one whose age nobody knows is neither older nor newer
        assert_eq!(admitted(&Filter { older_than: hours(1), ..Filter::default() }), ["a2", "b1"]);
        assert_eq!(admitted(&Filter { newer_than: hours(3), ..Filter::default() }), ["a1", "a2"]);
        assert_eq!(
            admitted(&Filter { older_than: hours(1), newer_than: hours(3), ..Filter::default() }),
            ["a2"]
        );
    }

    #[test]
    fn ages_are_written_as_people_do() {
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
    fn a_beginning_must_fit_one_message_and_something_must_be_chosen() {
        let letters = [letter("a1", "x", &[], 0), letter("a2", "x", &[], 0)];
        let clear = |id: &str| Filter::of_ids(&[id.to_owned()]).must_be_clear(&letters);
        assert!(clear("a1").is_ok());
        assert!(clear("b").unwrap_err().to_string().contains("begins with b"));
        let several = clear("a").unwrap_err();
        assert_eq!(several.to_string(), "a begins the ids of 2 messages: a1, a2");
        assert!(several.downcast_ref::<WrongUse>().is_some());
        assert!(Filter::default().must_choose(false).is_err());
        assert!(Filter::default().must_choose(true).is_ok());
        assert!(Filter::of_ids(&["a".to_owned()]).must_choose(false).is_ok());
    }
}
