//! The plan and the summary of a backfill, as text and as JSON.

use std::collections::BTreeSet;
use std::time::Duration;

use serde_json::{Value, json};

use crate::backfill::plan::{BackfillPlan, UnsyncableSession};
use crate::backfill::track::{Counts, FailedSync};
use crate::ui::{Done, Ink, Terminal, count, counted, excerpt, quoted, seconds, short, table};

/// Entries shown of each list.
const SHOWN: usize = 10;
/// Sessions named in the suggested replay command.
const REPLAYED: usize = 2;

/// The plan that is shown before the question.
#[must_use]
pub fn plan(plan: &BackfillPlan, unknown_quizzes: &[String], rate: f64, sinks: usize, ink: Ink) -> String {
    let header = ["name", "session", "students", "report items", "warehouse rows"].map(str::to_owned);
    let rows = plan.tests.iter().take(SHOWN).map(|planned| {
        vec![
            planned.name.clone(),
            short(&planned.test.target.session_id),
            count(planned.students),
            count(planned.items),
            count(planned.rows),
        ]
    });
    let mut lines = Vec::new();
    if !plan.tests.is_empty() {
        lines.push(table(2, &header, rows));
    }
    if plan.tests.len() > SHOWN {
        lines.push(format!("and {} more", count(plan.tests.len() - SHOWN)));
    }
    let tests = plan.tests.len();
    lines.push(format!(
        "{}, {}: about {} report items and {} warehouse rows\n{} to SNS, {} in the queues; publishing takes {}",
        ink.strong(&counted(tests, "test session")),
        counted(plan.students(), "student"),
        count(plan.items()),
        count(plan.rows()),
        counted(tests, "message"),
        count(tests * sinks),
        seconds(publishing(tests, rate)),
    ));
    if !plan.unsyncable.is_empty() {
        let sessions = counted(plan.unsyncable.len(), "test session");
        lines.push(ink.warning(&format!("{sessions} left out, with the reason:")));
        lines.extend(plan.unsyncable.iter().take(SHOWN).map(unsyncable));
        lines.extend(more(plan.unsyncable.len()));
    }
    if !unknown_quizzes.is_empty() {
        let quizzes = if unknown_quizzes.len() == 1 { "quiz" } else { "quizzes" };
        lines.push(ink.warning(&format!(
            "{} {quizzes} left out, without a known session: give the session ids in --file, or add \
             --include-unknown to use the quiz ids as session ids",
            count(unknown_quizzes.len())
        )));
        lines.extend(unknown_quizzes.iter().take(SHOWN).map(|quiz_id| format!("  {}", short(quiz_id))));
        lines.extend(more(unknown_quizzes.len()));
    }
    lines.join("\n")
}

fn publishing(tests: usize, rate: f64) -> Duration {
    Duration::from_secs_f64(f64::from(u32::try_from(tests).unwrap_or(u32::MAX)) / rate)
}

fn unsyncable(session: &UnsyncableSession) -> String {
    format!("  {}: {}", short(&session.session_id), excerpt(&session.reason))
}

fn more(all: usize) -> Option<String> {
    (all > SHOWN).then(|| format!("  and {} more", count(all - SHOWN)))
}

/// The options of `dlq replay` for the failed test sessions, as many as fit on a line.
fn session_options(failures: &[FailedSync]) -> String {
    let sessions: BTreeSet<&str> = failures.iter().map(|failed| failed.session_id.as_str()).collect();
    let more = if sessions.len() > REPLAYED { " …" } else { "" };
    let options = sessions.iter().take(REPLAYED).map(|id| format!(" --session {}", quoted(id)));
    options.collect::<String>() + more
}

/// The end of a backfill or a sync: counts, failures and next steps.
#[derive(Clone, Debug)]
pub struct BackfillSummary<'a> {
    pub backfill_id: Option<&'a str>,
    pub counts: Counts,
    pub failures: Vec<FailedSync>,
    pub retrying: Vec<FailedSync>,
    pub unsyncable: &'a [UnsyncableSession],
    pub took: Duration,
    pub interrupted: bool,
    pub followed: bool,
}

impl BackfillSummary<'_> {
    #[must_use]
    pub fn is_success(&self) -> bool {
        let is_complete = if self.followed {
            self.counts.done == self.counts.tests
        } else {
            self.counts.published == self.counts.tests
        };
        is_complete && self.unsyncable.is_empty()
    }

    #[must_use]
    pub fn done(&self) -> Done {
        if self.is_success() { Done::Well } else { Done::WithFailures }
    }

    pub fn print(&self, terminal: Terminal) {
        if terminal.json {
            terminal.print_json(&self.json());
        } else {
            terminal.print(&self.text(terminal.ink()));
        }
    }

    #[must_use]
    pub fn text(&self, ink: Ink) -> String {
        let Counts { tests, published, done, failed, .. } = self.counts;
        let mut outcome = format!("{} of {} published", count(published), counted(tests, "test session"));
        if self.followed {
            outcome = format!(
                "{outcome}, {} done, {} failed, in {}",
                count(done),
                count(failed),
                seconds(self.took)
            );
        }
        let mut lines = vec![if self.is_success() { ink.good(&outcome) } else { ink.warning(&outcome) }];
        let (failed, retrying) = (ink.bad("failed"), ink.warning("retrying"));
        for (status, list) in [(failed, &self.failures), (retrying, &self.retrying)] {
            lines.extend(list.iter().take(SHOWN).map(|sync| {
                format!("  {status}  {} ({}): {}", short(&sync.session_id), sync.sink, excerpt(&sync.error))
            }));
            lines.extend(more(list.len()));
        }
        lines.extend(self.next_steps());
        lines.join("\n")
    }

    fn next_steps(&self) -> Vec<String> {
        let mut steps = Vec::new();
        if !self.failures.is_empty() {
            steps.push(
                "next: fix the causes that `quiz-etl dlq list` shows, then send the messages again:"
                    .to_owned(),
            );
            steps.push(format!("  quiz-etl dlq replay{}", session_options(&self.failures)));
        }
        let is_open = self.interrupted || self.counts.failed > 0 || self.counts.published < self.counts.tests;
        if let (Some(id), true) = (self.backfill_id, is_open) {
            steps.push(format!("to continue: quiz-etl backfill --resume {id}"));
        } else if self.interrupted {
            steps.push("the functions continue: run `quiz-etl status` to follow them".to_owned());
        }
        steps
    }

    #[must_use]
    pub fn json(&self) -> Value {
        let sync = |sync: &FailedSync| json!({"session_id": sync.session_id, "sink": sync.sink, "error": sync.error});
        let syncs = |list: &[FailedSync]| list.iter().map(sync).collect::<Vec<Value>>();
        let unsyncable = self.unsyncable.iter();
        let unsyncable: Vec<Value> = unsyncable
            .map(|session| json!({"session_id": session.session_id, "error": session.reason}))
            .collect();
        json!({
            "backfill_id": self.backfill_id, "tests": self.counts.tests, "published": self.counts.published,
            "done": self.counts.done, "failed": syncs(&self.failures), "retrying": syncs(&self.retrying),
            "impossible": unsyncable, "interrupted": self.interrupted, "followed": self.followed,
            "duration_ms": u64::try_from(self.took.as_millis()).unwrap_or(u64::MAX),
        })
    }
}
