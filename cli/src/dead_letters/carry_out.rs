use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use quiz_sns_sqs::dead_letters::{Act, Acted, Pace};

use crate::dead_letters::plan::{Part, Plan};
use crate::dead_letters::world::{World, warnings};
use crate::ui::{Interrupt, Terminal};

/// What became of a plan.
pub(crate) struct Outcome<'a> {
    pub parts: Vec<(&'a Part<'a>, Acted)>,
    pub time: Duration,
    pub is_interrupted: bool,
}

impl Outcome<'_> {
    pub fn done(&self) -> usize {
        self.parts.iter().map(|(_, acted)| acted.done.len()).sum()
    }

    /// Not tried.
    pub fn remaining(&self) -> usize {
        self.parts.iter().map(|(_, acted)| acted.remaining).sum()
    }

    pub fn not_found(&self) -> Vec<&str> {
        self.parts.iter().flat_map(|(_, acted)| &acted.not_found).map(String::as_str).collect()
    }

    /// Queue, message id, and why.
    pub fn failed(&self) -> Vec<(&str, &str, String)> {
        let mut all = Vec::new();
        for (part, acted) in &self.parts {
            for (id, error) in &acted.failed {
                all.push((part.queue.name.as_str(), id.as_str(), error.to_string()));
            }
        }
        all
    }

    /// Whether all of the plan is done.
    pub fn is_whole(&self) -> bool {
        let whole =
            |acted: &Acted| acted.failed.is_empty() && acted.not_found.is_empty() && acted.remaining == 0;
        self.parts.iter().all(|(_, acted)| whole(acted))
    }
}

/// Acts on the plan's messages, queue by queue. On an interrupt, what is under way is finished, and the rest given back.
pub(crate) async fn carry_out<'a>(
    world: &World,
    plan: &'a Plan<'a>,
    pace: &Pace,
    interrupt: &Interrupt,
    terminal: Terminal,
) -> Outcome<'a> {
    let bar = progress(plan, terminal);
    let stop = || interrupt.is_raised();
    let started = Instant::now();
    let mut parts = Vec::new();
    for part in &plan.parts {
        let each = || bar.inc(1);
        let acted = world.dead_letters.act(part.queue, &part.ids(), plan.act, pace, &stop, &each).await;
        parts.push((part, acted));
    }
    bar.finish_and_clear();
    for (part, acted) in &parts {
        if let Some(trouble) = &acted.coverage.trouble {
            terminal.warn(&format!("{} could not be read to its end: {trouble}", part.queue.name));
        }
        for warning in warnings(&part.queue.name, &acted.coverage) {
            terminal.warn(&warning);
        }
    }
    let mut outcome = Outcome { parts, time: started.elapsed(), is_interrupted: false };
    outcome.is_interrupted = interrupt.is_raised() && outcome.remaining() > 0;
    outcome
}

fn progress(plan: &Plan<'_>, terminal: Terminal) -> ProgressBar {
    let target = if terminal.progress { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() };
    let bar = ProgressBar::with_draw_target(u64::try_from(plan.messages()).ok(), target);
    let style = ProgressStyle::with_template("{msg} {bar:30} {human_pos} of {human_len}, {eta} to go");
    bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
    bar.set_message(match plan.act {
        Act::Replay => "messages replayed",
        Act::Drop => "messages dropped",
    });
    bar.enable_steady_tick(Duration::from_millis(200));
    bar
}

/// The failures, each reason once: with how many messages, and the id of one.
pub(crate) fn by_reason(failed: &[(&str, &str, String)]) -> Vec<(String, usize, String)> {
    let mut reasons: BTreeMap<(&str, &str), (usize, &str)> = BTreeMap::new();
    for (queue, id, error) in failed {
        reasons.entry((queue, error)).or_insert((0, id)).0 += 1;
    }
    let shown = |((queue, error), (count, id)): ((&str, &str), (usize, &str))| {
        (format!("{queue}: {error}"), count, id.to_owned())
    };
    reasons.into_iter().map(shown).collect()
}
