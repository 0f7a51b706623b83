use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::fs::File;
use std::io::BufReader;
use std::path::Path;

use anyhow::{Context, bail};
use quiz_dynamo::DynamoStates;
use quiz_events::{SessionClock, SessionDescription, SessionTarget, Sink};
use quiz_mongo::MongoCatalog;
use quiz_sync_state::{StateKey, SyncState, SyncStates};

use crate::backfill::args::Choice;
use crate::backfill::list::{Listed, ids, of_id, read_list};
use crate::backfill::settings::Documents;
use crate::ui::WrongUse;

/// A test to sync.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chosen {
    pub target: SessionTarget,
    /// What the chooser says of it, beside what is known.
    pub description: Option<SessionDescription>,
}

/// The tests to sync, in the order in which they are published.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Choices {
    pub tests: Vec<Chosen>,
    /// Quizzes of the wanted type and time that no sync has ever named, and that were left out.
    pub unknown_quizzes: Vec<String>,
}

impl Choice {
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.sessions.is_empty() && self.file.is_none() && !self.asks_documents()
    }

    /// Whether choosing needs MongoDB.
    fn asks_documents(&self) -> bool {
        self.quiz_type.is_some() || self.since.is_some() || self.until.is_some()
    }
}

/// Finds the tests: those that are named, and of them, or of all, those of the wanted type and time.
///
/// # Errors
/// [`WrongUse`] where nothing is asked for; a file or an id that cannot be read; stores that do not answer.
pub async fn choose(
    choice: &Choice,
    documents: &Documents,
    states: &DynamoStates,
) -> anyhow::Result<Choices> {
    if choice.is_empty() {
        let say = "say which tests: their session ids, --file, --quiz-type, --since or --until";
        return Err(WrongUse(say.to_owned()).into());
    }
    let mut named = named(&choice.sessions, states).await?;
    if let Some(file) = &choice.file {
        named.extend(of_file(file, documents.settings.session_clock, states).await?);
    }
    let named = once_each(named);
    if !choice.asks_documents() {
        return Ok(Choices { tests: named, unknown_quizzes: Vec::new() });
    }
    let quizzes = quizzes(choice, &documents.catalog).await?;
    if !named.is_empty() || choice.file.is_some() {
        let wanted: HashSet<&String> = quizzes.iter().collect();
        let tests = named.into_iter().filter(|test| wanted.contains(&test.target.quiz_id)).collect();
        return Ok(Choices { tests, unknown_quizzes: Vec::new() });
    }
    let states = states.all().await.context("the sync states cannot be read")?;
    Ok(of_quizzes(quizzes, &states, choice.include_unknown))
}

/// The quizzes of the wanted type and time, the longest unanswered first.
async fn quizzes(choice: &Choice, catalog: &MongoCatalog) -> anyhow::Result<Vec<String>> {
    let of_type = match &choice.quiz_type {
        Some(quiz_type) => Some(catalog.of_type(quiz_type).await?),
        None => None,
    };
    if choice.since.is_none() && choice.until.is_none() {
        return Ok(of_type.unwrap_or_default().into_iter().collect());
    }
    let answered = catalog.last_answered(choice.since, choice.until).await?;
    let ids = answered.into_iter().map(|it| it.quiz_id);
    Ok(ids.filter(|id| of_type.as_ref().is_none_or(|wanted| wanted.contains(id))).collect())
}

/// The sessions that the states know of the quizzes.
fn of_quizzes(quizzes: Vec<String>, states: &[(StateKey, SyncState)], include_unknown: bool) -> Choices {
    let mut sessions: HashMap<&str, BTreeSet<&str>> = HashMap::new();
    for (key, state) in states {
        sessions.entry(&state.quiz_id).or_default().insert(&key.session_id);
    }
    let mut choices = Choices::default();
    for quiz_id in quizzes {
        let mut take = |session_id: &str| match SessionTarget::new(session_id, Some(&quiz_id), "session_id") {
            Ok(target) => choices.tests.push(Chosen { target, description: None }),
            // an earlier release took such ids
            Err(error) => tracing::warn!(session_id, %error, "left out: no event can name it"),
        };
        match sessions.get(quiz_id.as_str()) {
            Some(sessions) => sessions.iter().for_each(|session| take(session)),
            None if include_unknown => take(&quiz_id),
            None => choices.unknown_quizzes.push(quiz_id),
        }
    }
    choices
}

/// Tests by session ids, which a word may hold several of. Of one whose id names no quiz the state may know it.
pub async fn named(words: &[String], states: &DynamoStates) -> anyhow::Result<Vec<Chosen>> {
    let mut tests = Vec::with_capacity(words.len());
    for session_id in words.iter().flat_map(|word| ids(word)) {
        let listed = of_id(session_id).map_err(|error| WrongUse(error.to_string()))?;
        tests.push(resolved(listed, states).await?);
    }
    if tests.is_empty() && !words.is_empty() {
        return Err(WrongUse("no session id is given".to_owned()).into());
    }
    Ok(tests)
}

async fn resolved(listed: Listed, states: &DynamoStates) -> anyhow::Result<Chosen> {
    let session_id = match listed {
        Listed::Session(test) => return Ok(*test),
        Listed::Id(session_id) => session_id,
    };
    let quiz_id = known_quiz(&session_id, states).await?;
    match SessionTarget::new(&session_id, quiz_id.as_deref(), "session_id") {
        Ok(target) => Ok(Chosen { target, description: None }),
        Err(error) => Err(WrongUse(format!("session {session_id:?}: {error}")).into()),
    }
}

async fn known_quiz(session_id: &str, states: &DynamoStates) -> anyhow::Result<Option<String>> {
    let key = |sink| StateKey { session_id: session_id.to_owned(), sink };
    let states = states.get_many(&Sink::ALL.map(key)).await?;
    Ok(states.into_iter().map(|state| state.quiz_id).find(|quiz_id| !quiz_id.is_empty()))
}

async fn of_file(file: &Path, clock: SessionClock, states: &DynamoStates) -> anyhow::Result<Vec<Chosen>> {
    let (name, list) = if file.as_os_str() == "-" {
        ("standard input".to_owned(), read_list(BufReader::new(std::io::stdin()), clock))
    } else {
        let name = file.display().to_string();
        let opened = File::open(file).with_context(|| format!("cannot read {name}"))?;
        (name, read_list(BufReader::new(opened), clock))
    };
    let list = list.with_context(|| format!("cannot read {name}"))?;
    let mut tests = Vec::with_capacity(list.len());
    for (line, listed) in list {
        tests.push(
            resolved(listed, states).await.with_context(|| format!("cannot read {name}: line {line}"))?,
        );
    }
    if tests.is_empty() {
        bail!("{name} names no test");
    }
    Ok(tests)
}

/// Each session once, at its first place, as the last that names it says.
fn once_each(tests: Vec<Chosen>) -> Vec<Chosen> {
    let mut places: BTreeMap<String, usize> = BTreeMap::new();
    let mut once: Vec<Chosen> = Vec::with_capacity(tests.len());
    for test in tests {
        let place = *places.entry(test.target.session_id.clone()).or_insert(once.len());
        if let Some(known) = once.get_mut(place) {
            let description = test.description.or(known.description.take());
            *known = Chosen { target: test.target, description };
        } else {
            once.push(test);
        }
    }
    once
}

#[cfg(test)]
mod tests {
    use super::{Chosen, of_quizzes, once_each};
    use quiz_events::{SessionDescription, SessionTarget, Sink};
    use quiz_sync_state::{StateKey, SyncState};

    fn chosen(session_id: &str, quiz_id: &str, name: Option<&str>) -> Chosen {
        let target = SessionTarget { session_id: session_id.into(), quiz_id: quiz_id.into() };
        let describe = |name: &str| SessionDescription {
            test_name: Some(name.to_owned()),
            ..SessionDescription::default()
        };
        Chosen { target, description: name.map(describe) }
    }

    #[test]
    fn a_test_is_chosen_once_with_what_was_said_of_it_last() {
        let tests = [
            chosen("A", "q", Some("old")),
            chosen("B", "q", None),
            chosen("A", "q2", Some("new")),
            chosen("A", "q3", None),
        ];
        assert_eq!(once_each(tests.into()), [chosen("A", "q3", Some("new")), chosen("B", "q", None)]);
    }

    #[test]
    fn a_quiz_stands_for_all_its_sessions_and_one_that_none_names_is_told() {
        let state = |session: &str, sink: Sink, quiz: &str| {
            let key = StateKey { session_id: session.into(), sink };
            (key, SyncState { revision: 1, quiz_id: quiz.into(), ..SyncState::default() })
        };
        let states = [
            state("B", Sink::Reports, "q1"),
            state("A", Sink::Reports, "q1"),
            state("A", Sink::Warehouse, "q1"),
            state("C", Sink::Reports, "q3"),
        ];
        let quizzes = || vec!["q1".to_owned(), "q2".to_owned()];
        let known = [chosen("A", "q1", None), chosen("B", "q1", None)];
        let choices = of_quizzes(quizzes(), &states, false);
        assert_eq!((&choices.tests[..], &choices.unknown_quizzes[..]), (&known[..], &["q2".to_owned()][..]));
        let choices = of_quizzes(quizzes(), &states, true);
        assert_eq!(choices.tests.last(), Some(&chosen("q2", "q2", None)));
    }
}
