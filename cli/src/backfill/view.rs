//! What a backfill shows, as text and as JSON.

use std::collections::BTreeSet;
use std::time::Duration;

use serde_json::{Value, json};

use crate::backfill::plan::{Impossible, Plan};
use crate::backfill::track::{Counts, FailedTest};
use crate::ui::{Done, Ink, Terminal, count, counted, excerpt, quoted, seconds, short, table};

/// How many tests a plan or a list of failures names.
const NAMED: usize = 10;
/// How many failed tests the suggested command names.
const REPLAYED: usize = 2;

/// What a backfill is about to do.
#[must_use]
pub fn plan(plan: &Plan, unknown_quizzes: &[String], rate: f64, sinks: usize, ink: Ink) -> String {
    let header = ["test", "session", "students", "report items", "warehouse rows"].map(str::to_owned);
    let rows = plan.tests.iter().take(NAMED).map(|planned| {
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
    if plan.tests.len() > NAMED {
        lines.push(format!("and {} more", count(plan.tests.len() - NAMED)));
    }
    let tests = plan.tests.len();
    lines.push(format!(
        "{}, {}: about {} report items and {} warehouse rows\n{} to SNS, {} in the queues; publishing takes {}",
        ink.strong(&counted(tests, "test")),
        counted(plan.students(), "student"),
        count(plan.items()),
        count(plan.rows()),
        counted(tests, "message"),
        count(tests * sinks),
        seconds(publishing(tests, rate)),
    ));
    if !plan.impossible.is_empty() {
        let tests = counted(plan.impossible.len(), "test");
        lines.push(ink.warning(&format!("{tests} cannot be synced as they are, and are left out:")));
        lines.extend(plan.impossible.iter().take(NAMED).map(impossible));
        lines.extend(more(plan.impossible.len()));
    }
    if !unknown_quizzes.is_empty() {
        let quizzes = if unknown_quizzes.len() == 1 { "quiz" } else { "quizzes" };
        lines.push(ink.warning(&format!(
            "{} {quizzes} of that type or time with no known session, left out: name the session in --file, or sync \
             under the quiz's own id with --include-unknown",
            count(unknown_quizzes.len())
        )));
        lines.extend(unknown_quizzes.iter().take(NAMED).map(|it| format!("  {}", short(it))));
        lines.extend(more(unknown_quizzes.len()));
    }
    lines.join("\n")
}

fn publishing(tests: usize, rate: f64) -> Duration {
    Duration::from_secs_f64(f64::from(u32::try_from(tests).unwrap_or(u32::MAX)) / rate)
}

fn impossible(test: &Impossible) -> String {
    format!("  {}: {}", short(&test.session_id), excerpt(&test.why))
}

fn more(all: usize) -> Option<String> {
    (all > NAMED).then(|| format!("  and {} more", count(all - NAMED)))
}

/// The options that choose the failed tests, as many as a line has room for.
fn chosen(failures: &[FailedTest]) -> String {
    let sessions: BTreeSet<&str> = failures.iter().map(|failed| failed.session_id.as_str()).collect();
    let more = if sessions.len() > REPLAYED { " …" } else { "" };
    let options = sessions.iter().take(REPLAYED).map(|id| format!(" --session {}", quoted(id)));
    options.collect::<String>() + more
}

/// How publishing and following ended.
#[derive(Clone, Debug)]
pub struct Ended<'a> {
    pub backfill_id: Option<&'a str>,
    pub counts: Counts,
    pub failures: Vec<FailedTest>,
    pub retrying: Vec<FailedTest>,
    pub impossible: &'a [Impossible],
    pub took: Duration,
    pub interrupted: bool,
    pub followed: bool,
}

impl Ended<'_> {
    #[must_use]
    pub fn is_well(&self) -> bool {
        let is_through = if self.followed {
            self.counts.done == self.counts.tests
        } else {
            self.counts.published == self.counts.tests
        };
        is_through && self.impossible.is_empty()
    }

    #[must_use]
    pub fn done(&self) -> Done {
        if self.is_well() { Done::Well } else { Done::WithFailures }
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
        let mut said = format!("{} of {} published", count(published), counted(tests, "test"));
        if self.followed {
            said =
                format!("{said}, {} done, {} failed, in {}", count(done), count(failed), seconds(self.took));
        }
        let mut lines = vec![if self.is_well() { ink.good(&said) } else { ink.warning(&said) }];
        let (failed, again) = (ink.bad("failed"), ink.warning("tried again"));
        for (what, list) in [(failed, &self.failures), (again, &self.retrying)] {
            lines.extend(list.iter().take(NAMED).map(|it| {
                format!("  {what}  {} ({}): {}", short(&it.session_id), it.sink, excerpt(&it.error))
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
                "next: `quiz-etl dlq list` tells the causes; mend them, then send them again:".to_owned(),
            );
            steps.push(format!("  quiz-etl dlq replay{}", chosen(&self.failures)));
        }
        let is_open = self.interrupted || self.counts.failed > 0 || self.counts.published < self.counts.tests;
        if let (Some(id), true) = (self.backfill_id, is_open) {
            steps.push(format!("to go on with it: quiz-etl backfill --resume {id}"));
        } else if self.interrupted {
            steps.push("the syncs go on: see `quiz-etl status`".to_owned());
        }
        steps
    }

    #[must_use]
    pub fn json(&self) -> Value {
        let of = |list: &[FailedTest]| -> Vec<Value> {
            let told =
                |it: &FailedTest| json!({"session_id": it.session_id, "sink": it.sink, "error": it.error});
            list.iter().map(told).collect()
        };
        let impossible: Vec<Value> =
            self.impossible.iter().map(|it| json!({"session_id": it.session_id, "error": it.why})).collect();
        json!({
            "backfill_id": self.backfill_id, "tests": self.counts.tests, "published": self.counts.published,
            "done": self.counts.done, "failed": of(&self.failures), "retrying": of(&self.retrying),
            "impossible": impossible, "interrupted": self.interrupted, "followed": self.followed,
            "duration_ms": u64::try_from(self.took.as_millis()).unwrap_or(u64::MAX),
        })
    }
}
