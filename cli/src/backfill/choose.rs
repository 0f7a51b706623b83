use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::fs::File;
use std::io::BufReader;
use std::path::Path;

use anyhow::{Context, bail};
use quiz_dynamo::DynamoStates;
use quiz_events::{SessionClock, SessionDescription, SessionTarget, Sink};
use quiz_mongo::MongoCatalog;
use quiz_sync_state::{StateKey, SyncState, SyncStates, without_refused_sessions};

use crate::backfill::args::SelectionArgs;
use crate::backfill::list::{ListedSession, ids, parse_id, read_list};
use crate::backfill::settings::Documents;
use crate::ui::{WrongUse, counted, quoted};

pub(crate) const NO_SELECTION: &str =
    "select test sessions by session ids, --file, --quiz-type, --since or --until";

/// A test session to sync.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SelectedSession {
    pub target: SessionTarget,
    /// The description from the list, if it has one.
    pub description: Option<SessionDescription>,
}

/// The test sessions to sync, in the order of publication.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Selection {
    pub tests: Vec<SelectedSession>,
    /// Matching quizzes that are left out, because no sync has named them yet.
    pub unknown_quizzes: Vec<String>,
}

impl SelectionArgs {
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.sessions.is_empty() && self.file.is_none() && !self.needs_documents()
    }

    /// The options on the command line, for the audit; session ids are only counted.
    #[must_use]
    pub fn options(&self) -> String {
        let mut options = Vec::new();
        let ids = self.sessions.iter().map(|word| ids(word).count()).sum::<usize>();
        options.extend((ids > 0).then(|| counted(ids, "session id")));
        options.extend(self.file.as_ref().map(|file| format!("--file {}", quoted(&file.to_string_lossy()))));
        options.extend(self.quiz_type.as_ref().map(|kind| format!("--quiz-type {}", quoted(kind))));
        options.extend(self.since.map(|since| format!("--since {since}")));
        options.extend(self.until.map(|until| format!("--until {until}")));
        options.extend(self.include_unknown.then(|| "--include-unknown".to_owned()));
        options.join(" ")
    }

    /// Whether the selection needs MongoDB.
    fn needs_documents(&self) -> bool {
        self.quiz_type.is_some() || self.since.is_some() || self.until.is_some()
    }
}

/// Selects test sessions: the named ones, filtered by quiz type and time; without names, all known sessions of the
/// matching quizzes.
///
/// # Errors
/// [`WrongUse`] without any option; a file or an id that cannot be read; stores that do not answer.
pub async fn choose(
    args: &SelectionArgs,
    documents: &Documents,
    states: &DynamoStates,
) -> anyhow::Result<Selection> {
    if args.is_empty() {
        return Err(WrongUse(NO_SELECTION.to_owned()).into());
    }
    let mut named = named(&args.sessions, states).await?;
    if let Some(file) = &args.file {
        named.extend(read_sessions(file, documents.settings.session_clock, states).await?);
    }
    let named = deduplicated(named);
    if !args.needs_documents() {
        return Ok(Selection { tests: named, unknown_quizzes: Vec::new() });
    }
    let quizzes = quizzes(args, &documents.catalog).await?;
    if !named.is_empty() || args.file.is_some() {
        let wanted: HashSet<&String> = quizzes.iter().collect();
        let tests = named.into_iter().filter(|test| wanted.contains(&test.target.quiz_id)).collect();
        return Ok(Selection { tests, unknown_quizzes: Vec::new() });
    }
    let states = states.get_by_quiz(&quizzes).await.context("cannot read the sync states")?;
    let states = without_refused_sessions(states);
    Ok(known_sessions(quizzes, &states, args.include_unknown))
}

/// The quizzes of the given type and time, oldest last answer first.
async fn quizzes(args: &SelectionArgs, catalog: &MongoCatalog) -> anyhow::Result<Vec<String>> {
    let typed = match &args.quiz_type {
        Some(quiz_type) => Some(catalog.of_type(quiz_type).await?),
        None => None,
    };
    if args.since.is_none() && args.until.is_none() {
        return Ok(typed.unwrap_or_default().into_iter().collect());
    }
    let answered = catalog.last_answered(args.since, args.until).await?;
    let ids = answered.into_iter().map(|answered| answered.quiz_id);
    Ok(ids.filter(|id| typed.as_ref().is_none_or(|wanted| wanted.contains(id))).collect())
}

/// The test sessions of the quizzes that have a sync state.
fn known_sessions(
    quizzes: Vec<String>,
    states: &[(StateKey, SyncState)],
    include_unknown: bool,
) -> Selection {
    let mut sessions: HashMap<&str, BTreeSet<&str>> = HashMap::new();
    for (key, state) in states {
        sessions.entry(&state.quiz_id).or_default().insert(&key.session_id);
    }
    let mut selection = Selection::default();
    for quiz_id in quizzes {
        let mut take = |session_id: &str| match SessionTarget::new(session_id, Some(&quiz_id), "session_id") {
            Ok(target) => selection.tests.push(SelectedSession { target, description: None }),
            // an earlier release accepted such ids
            Err(error) => tracing::warn!(session_id, %error, "session left out: no event can name its id"),
        };
        match sessions.get(quiz_id.as_str()) {
            Some(sessions) => sessions.iter().for_each(|session| take(session)),
            None if include_unknown => take(&quiz_id),
            None => selection.unknown_quizzes.push(quiz_id),
        }
    }
    selection
}

/// Reads session ids from words of the command line; a word may hold several. The sync state gives the quiz of an id
/// that does not end with one.
///
/// # Errors
/// [`WrongUse`] for a wrong id or none; sync states that cannot be read.
pub async fn named(words: &[String], states: &DynamoStates) -> anyhow::Result<Vec<SelectedSession>> {
    let mut tests = Vec::with_capacity(words.len());
    for session_id in words.iter().flat_map(|word| ids(word)) {
        let listed = parse_id(session_id).map_err(|error| WrongUse(error.to_string()))?;
        tests.push(resolve(listed, states).await?);
    }
    if tests.is_empty() && !words.is_empty() {
        return Err(WrongUse("no session id is given".to_owned()).into());
    }
    Ok(tests)
}

async fn resolve(listed: ListedSession, states: &DynamoStates) -> anyhow::Result<SelectedSession> {
    let session_id = match listed {
        ListedSession::Complete(test) => return Ok(*test),
        ListedSession::Id(session_id) => session_id,
    };
    let quiz_id = known_quiz(&session_id, states).await?;
    match SessionTarget::new(&session_id, quiz_id.as_deref(), "session_id") {
        Ok(target) => Ok(SelectedSession { target, description: None }),
        Err(error) => Err(WrongUse(format!("session {session_id:?}: {error}")).into()),
    }
}

async fn known_quiz(session_id: &str, states: &DynamoStates) -> anyhow::Result<Option<String>> {
    let key = |sink| StateKey { session_id: session_id.to_owned(), sink };
    let states = states.get_many(&Sink::ALL.map(key)).await?;
    Ok(states.into_iter().map(|state| state.quiz_id).find(|quiz_id| !quiz_id.is_empty()))
}

async fn read_sessions(
    file: &Path,
    clock: SessionClock,
    states: &DynamoStates,
) -> anyhow::Result<Vec<SelectedSession>> {
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
        tests
            .push(resolve(listed, states).await.with_context(|| format!("cannot read {name}: line {line}"))?);
    }
    if tests.is_empty() {
        bail!("{name} names no test session");
    }
    Ok(tests)
}

/// Removes duplicates: each test session keeps its first position and its last description.
fn deduplicated(tests: Vec<SelectedSession>) -> Vec<SelectedSession> {
    let mut positions: BTreeMap<String, usize> = BTreeMap::new();
    let mut once: Vec<SelectedSession> = Vec::with_capacity(tests.len());
    for test in tests {
        let position = *positions.entry(test.target.session_id.clone()).or_insert(once.len());
        if let Some(known) = once.get_mut(position) {
            let description = test.description.or(known.description.take());
            *known = SelectedSession { target: test.target, description };
        } else {
            once.push(test);
        }
    }
    once
}

#[cfg(test)]
mod tests {
    use super::{SelectedSession, deduplicated, known_sessions};
    use crate::backfill::args::SelectionArgs;
    use quiz_events::{SessionDescription, SessionTarget, Sink};
    use quiz_sync_state::{StateKey, SyncState};

    fn chosen(session_id: &str, quiz_id: &str, name: Option<&str>) -> SelectedSession {
        let target = SessionTarget { session_id: session_id.into(), quiz_id: quiz_id.into() };
        let describe = |name: &str| SessionDescription {
            test_name: Some(name.to_owned()),
            ..SessionDescription::default()
        };
        SelectedSession { target, description: name.map(describe) }
    }

    #[test]
    fn repeated_session_keeps_its_last_description() {
        let tests = [
            chosen("A", "q", Some("old")),
            chosen("B", "q", None),
            chosen("A", "q2", Some("new")),
            chosen("A", "q3", None),
        ];
        assert_eq!(deduplicated(tests.into()), [chosen("A", "q3", Some("new")), chosen("B", "q", None)]);
    }

    #[test]
    fn audit_names_the_selection() {
        let selection = SelectionArgs {
            sessions: vec!["A_q,B_q".into(), "C_q".into()],
            file: Some("new tests.txt".into()),
            since: Some("2026-11-21T12:00:00Z".parse().unwrap()),
            include_unknown: true,
            ..SelectionArgs::default()
        };
        let options = "3 session ids --file 'new tests.txt' --since 2026-11-21T12:00:00Z --include-unknown";
        assert_eq!(selection.options(), options);
    }

    #[test]
    fn quiz_selects_its_known_sessions() {
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
        let selection = known_sessions(quizzes(), &states, false);
        assert_eq!(
            (&selection.tests[..], &selection.unknown_quizzes[..]),
            (&known[..], &["q2".to_owned()][..])
        );
        let selection = known_sessions(quizzes(), &states, true);
        assert_eq!(selection.tests.last(), Some(&chosen("q2", "q2", None)));
    }
}
