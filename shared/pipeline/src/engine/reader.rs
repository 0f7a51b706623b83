//! Reads the attempts of one test session and gives them to the scorer.
//!
//! Heads first: four fields of each attempt choose the best attempt of each user. Then only the chosen attempts are read,
//! unless a snapshot has them. A chosen document without a start and without answers is no attempt; the next round then
//! takes the user's next best document.

use std::collections::HashSet;
use std::sync::Arc;

use bson::{Bson, Document};
use futures::TryStreamExt;
use quiz_domain::{
    AttemptHead, AttemptSelection, JudgedAttempt, Problems, Quiz, QuizKind, SessionResult, SessionScorer,
    SnapshotKey, SnapshotWriter, TakenDocument, TestSession, user_id,
};
use quiz_events::SessionTarget;

use super::ahead::{ReadAhead, ReadEvent};
use super::refuse_attempt_id;
use super::snapshots::Snapshots;
use crate::error::SyncError;
use crate::ports::{AnswerSource, AttemptBatch, Clock, QuizDocuments};
use crate::request::SessionRequest;
use crate::scope::RunScope;
use crate::sink::SessionWriter;
use crate::stopwatch::Stopwatch;

/// Attempts in a chunk, if the sink wants single attempts. Each chunk is sorted by user id before the sink gets it, because
/// the source has no order.
const CHUNK_ATTEMPTS: usize = 256;
/// Documents of a user that are checked together after the best one was no attempt; four times as many in each further
/// round.
const FIRST_CANDIDATES: usize = 4;

/// Reads, scores and ranks the attempts of a test session.
#[derive(Clone)]
pub(super) struct Reader {
    pub source: Arc<dyn AnswerSource>,
    pub clock: Arc<dyn Clock>,
    pub excluded_users: HashSet<String>,
    pub snapshots: Option<Snapshots>,
}

/// A test session whose quiz is read.
pub(super) struct PreparedSession<'a> {
    pub builder: SessionScorer,
    pub session: TestSession,
    target: SessionTarget,
    snapshot_key: Option<SnapshotKey>,
    scope: &'a RunScope,
}

/// A test session that is read and ranked.
pub(super) struct ReadSession {
    pub test: SessionResult,
    /// Attempts that came from the snapshot and were not read.
    pub known: u64,
    pub snapshot: Option<SnapshotWriter>,
}

impl Reader {
    /// Reads the quiz and prepares the scorer.
    pub async fn prepare<'a>(
        &self,
        request: &SessionRequest,
        scope: &'a RunScope,
    ) -> Result<PreparedSession<'a>, SyncError> {
        let target = &request.target;
        let documents = self.source.quiz(&target.quiz_id).await?.ok_or_else(|| SyncError::UnknownQuiz {
            session_id: target.session_id.clone(),
            quiz_id: target.quiz_id.clone(),
        })?;
        let QuizDocuments { quiz: document, questions, problems: source_problems } = documents;
        let (quiz, mut problems) = Quiz::read(&document, &questions)?;
        problems.merge(source_problems);
        let snapshots = self.snapshots.as_ref().filter(|_| quiz.kind != QuizKind::Form);
        let snapshot_key = snapshots.and_then(|snapshots| snapshots.key(&document, &questions));
        let session = request.session(&quiz);
        let builder = SessionScorer::new(quiz, session.clone(), scope.read_started_at, problems);
        Ok(PreparedSession { builder, session, target: target.clone(), snapshot_key, scope })
    }

    /// Reads, scores and ranks the attempts. A writer that wants single attempts gets each of them, by user id.
    pub async fn read(
        &self,
        prepared: PreparedSession<'_>,
        writer: &mut dyn SessionWriter,
        (reading, writing): (&mut Stopwatch, &mut Stopwatch),
    ) -> Result<ReadSession, SyncError> {
        let PreparedSession { mut builder, target, snapshot_key, scope, .. } = prepared;
        let wants_attempts = writer.wants_attempts();
        let mut selection = reading.time(self.selection(&target, builder.problems())).await?;
        let quiz_id = target.quiz_id;
        let known = match (&self.snapshots, snapshot_key) {
            (Some(snapshots), Some(key)) if !wants_attempts && snapshots.is_worthwhile(selection.len()) => {
                if let Some(written) = Snapshots::writer(&key, scope.read_started_at) {
                    builder.record_snapshot(written);
                }
                // a forced sync does not use the snapshot
                if scope.rewrite { None } else { reading.time(snapshots.load(&quiz_id, &key)).await }
            }
            _ => None,
        };
        let mut taken_known = 0;
        let mut best = selection.take_best();
        while !best.is_empty() {
            if let Some(known) = &known {
                let chosen = best.len();
                best.retain(|head| !builder.take_known(head, known));
                taken_known += (chosen - best.len()) as u64;
            }
            let chunks = if wants_attempts { in_chunks(&best) } else { vec![keys(&best)] };
            drop(best);
            let mut documents = ReadAhead::start(Arc::clone(&self.source), quiz_id.clone(), chunks);
            let mut without_attempt = HashSet::new();
            let mut wanted: Vec<Box<JudgedAttempt>> = Vec::new();
            while let Some(read) = reading.time(documents.next()).await? {
                match read {
                    ReadEvent::Batch(batch) => {
                        for taken in take_all(&mut builder, &batch, wants_attempts) {
                            match taken {
                                TakenDocument::Attempt(attempt) if wants_attempts => wanted.push(attempt),
                                TakenDocument::NoAttempt { user_id } => drop(without_attempt.insert(user_id)),
                                TakenDocument::Attempt(_)
                                | TakenDocument::Scored
                                | TakenDocument::Unreadable => {}
                            }
                        }
                    }
                    ReadEvent::EndOfChunk => {
                        wanted.sort_by(|a, b| a.attempt.user_id.cmp(&b.attempt.user_id));
                        for attempt in wanted.drain(..) {
                            writing.time(writer.take(builder.quiz(), &attempt)).await?;
                        }
                    }
                }
            }
            selection.keep(&without_attempt);
            best = reading.time(self.next_best(&mut selection, &builder, &quiz_id)).await?;
        }
        let snapshot = builder.take_snapshot();
        Ok(ReadSession { test: builder.finish()?, known: taken_known, snapshot })
    }

    /// The best remaining attempt of each user, by user id. A user may have opened the quiz thousands of times without an
    /// answer, so each round checks many documents.
    async fn next_best(
        &self,
        selection: &mut AttemptSelection,
        builder: &SessionScorer,
        quiz_id: &str,
    ) -> Result<Vec<AttemptHead>, SyncError> {
        let mut best = Vec::new();
        let mut most = FIRST_CANDIDATES;
        while !selection.is_empty() {
            let mut candidates = selection.take_first(most);
            let empty = self.find_empty(&candidates, builder, quiz_id).await?;
            candidates.retain(|head| !empty.contains(&(head.user_id.clone(), head.stored_id().to_string())));
            candidates.dedup_by(|next, first| next.user_id == first.user_id);
            selection.drop_users(&candidates.iter().map(|head| head.user_id.as_str()).collect());
            best.append(&mut candidates);
            most = most.saturating_mul(4);
        }
        best.sort_unstable_by(|a, b| a.user_id.cmp(&b.user_id));
        Ok(best)
    }

    /// The users and `_id`s of the candidates that are no attempts. The last document of a user is not checked here, because
    /// it is read next anyway.
    async fn find_empty(
        &self,
        candidates: &[AttemptHead],
        builder: &SessionScorer,
        quiz_id: &str,
    ) -> Result<HashSet<(String, String)>, SyncError> {
        let user_heads = candidates.chunk_by(|a, b| a.user_id == b.user_id);
        let keys: Vec<Bson> = user_heads.filter(|heads| heads.len() > 1).flat_map(keys).collect();
        let mut empty = HashSet::new();
        if keys.is_empty() {
            return Ok(empty);
        }
        let mut documents = ReadAhead::start(Arc::clone(&self.source), quiz_id.to_owned(), vec![keys]);
        while let Some(read) = documents.next().await? {
            let ReadEvent::Batch(batch) = read else { continue };
            let documents = batch.documents().map(|document| batch.decode(document));
            let no_attempts = documents.filter(|document| builder.is_untouched(document));
            let key = |document: Document| Some((user_id(&document)?, document.get("_id")?.to_string()));
            empty.extend(no_attempts.filter_map(key));
        }
        Ok(empty)
    }

    /// Saves the snapshot of this read, if there is one.
    pub async fn save(&self, quiz_id: &str, snapshot: Option<SnapshotWriter>) {
        if let Some((snapshots, snapshot)) = self.snapshots.as_ref().zip(snapshot) {
            snapshots.save(quiz_id, snapshot).await;
        }
    }

    /// Reads the heads of all attempts.
    async fn selection(
        &self,
        target: &SessionTarget,
        problems: &mut Problems,
    ) -> Result<AttemptSelection, SyncError> {
        let mut selection = AttemptSelection::new(self.excluded_users.clone());
        let mut heads = self.source.attempt_heads(&target.quiz_id).await?;
        while let Some(head) = heads.try_next().await? {
            if let Some(head) = AttemptHead::read(&head, problems) {
                refuse_attempt_id(target, &head)?;
                selection.add(head);
            }
        }
        selection.merge_states(problems);
        Ok(selection)
    }
}

fn keys(heads: &[AttemptHead]) -> Vec<Bson> {
    heads.iter().map(AttemptHead::stored_id).collect()
}

fn in_chunks(heads: &[AttemptHead]) -> Vec<Vec<Bson>> {
    heads.chunks(CHUNK_ATTEMPTS).map(keys).collect()
}

/// Scores the documents of a batch: most of them as stored bytes, unusual ones after decoding.
fn take_all<'a>(
    builder: &'a mut SessionScorer,
    batch: &'a AttemptBatch,
    wants_attempts: bool,
) -> impl Iterator<Item = TakenDocument> + 'a {
    batch.documents().map(move |document| {
        let taken = builder.take_raw(document, wants_attempts);
        taken.unwrap_or_else(|| builder.take(&batch.decode(document)))
    })
}
