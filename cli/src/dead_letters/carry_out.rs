use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use quiz_sns_sqs::dead_letters::{ActionReport, DeadLetterAction, Pace};

use crate::dead_letters::client::{DlqClient, warnings};
use crate::dead_letters::plan::{ActionPlan, QueueMessages};
use crate::ui::{Interrupt, Terminal};

/// What a replay or a drop did.
pub(crate) struct PlanOutcome<'a> {
    pub groups: Vec<(&'a QueueMessages<'a>, ActionReport)>,
    pub time: Duration,
    pub is_interrupted: bool,
}

impl PlanOutcome<'_> {
    pub fn done(&self) -> usize {
        self.groups.iter().map(|(_, acted)| acted.done.len()).sum()
    }

    /// Messages that were not tried.
    pub fn remaining(&self) -> usize {
        self.groups.iter().map(|(_, acted)| acted.remaining).sum()
    }

    pub fn not_found(&self) -> Vec<&str> {
        self.groups.iter().flat_map(|(_, acted)| &acted.not_found).map(String::as_str).collect()
    }

    /// Queue, message id and error of each failure.
    pub fn failed(&self) -> Vec<(&str, &str, String)> {
        let mut all = Vec::new();
        for (group, acted) in &self.groups {
            for (id, error) in &acted.failed {
                all.push((group.queue.name.as_str(), id.as_str(), error.to_string()));
            }
        }
        all
    }

    /// Whether each message of the plan is done.
    pub fn is_complete(&self) -> bool {
        let is_complete = |acted: &ActionReport| {
            acted.failed.is_empty() && acted.not_found.is_empty() && acted.remaining == 0
        };
        self.groups.iter().all(|(_, acted)| is_complete(acted))
    }
}

/// Replays or drops the messages of the plan, queue by queue. After Ctrl-C it finishes the current messages and releases
/// the others.
pub(crate) async fn carry_out<'a>(
    client: &DlqClient,
    plan: &'a ActionPlan<'a>,
    pace: &Pace,
    interrupt: &Interrupt,
    terminal: Terminal,
) -> PlanOutcome<'a> {
    let bar = progress(plan, terminal);
    let stop = || interrupt.is_raised();
    let started = Instant::now();
    let mut groups = Vec::new();
    for group in &plan.groups {
        let each = || bar.inc(1);
        let acted = client.dead_letters.act(group.queue, &group.ids(), plan.act, pace, &stop, &each).await;
        groups.push((group, acted));
    }
    bar.finish_and_clear();
    for (group, acted) in &groups {
        if let Some(trouble) = &acted.coverage.trouble {
            terminal.warn(&format!("cannot read all of {}: {trouble}", group.queue.name));
        }
        for warning in warnings(&group.queue.name, &acted.coverage) {
            terminal.warn(&warning);
        }
    }
    let mut outcome = PlanOutcome { groups, time: started.elapsed(), is_interrupted: false };
    outcome.is_interrupted = interrupt.is_raised() && outcome.remaining() > 0;
    outcome
}

fn progress(plan: &ActionPlan<'_>, terminal: Terminal) -> ProgressBar {
    let target = if terminal.progress { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() };
    let bar = ProgressBar::with_draw_target(u64::try_from(plan.messages()).ok(), target);
    let style = ProgressStyle::with_template("{msg} {bar:30} {human_pos} of {human_len}, {eta} to go");
    bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
    bar.set_message(match plan.act {
        DeadLetterAction::Replay => "messages replayed",
        DeadLetterAction::Drop => "messages dropped",
    });
    bar.enable_steady_tick(Duration::from_millis(200));
    bar
}

/// Groups failures by queue and error: the text, the number of messages, and the id of one.
pub(crate) fn group_by_reason(failed: &[(&str, &str, String)]) -> Vec<(String, usize, String)> {
    let mut reasons: BTreeMap<(&str, &str), (usize, &str)> = BTreeMap::new();
    for (queue, id, error) in failed {
        reasons.entry((queue, error)).or_insert((0, id)).0 += 1;
    }
    let shown = |((queue, error), (count, id)): ((&str, &str), (usize, &str))| {
        (format!("{queue}: {error}"), count, id.to_owned())
    };
    reasons.into_iter().map(shown).collect()
}
