use std::time::Duration;

use quiz_domain::Problem;

use quiz_terminal::Ink;
use quiz_terminal::{count, counted, excerpt, seconds, short};

/// A finished sync of one test.
#[derive(Clone, Debug)]
pub struct OutcomeLine {
    pub test_name: String,
    pub session_id: String,
    pub takers: usize,
    pub ranked: u32,
    /// Items written, and items of older syncs removed.
    pub written: u64,
    pub removed: u64,
    /// Messages that this one sync has served.
    pub messages: usize,
    pub duration: Duration,
    pub problems: Vec<Problem>,
}

/// A few lines: what was done, and each kind of problem with an example and what to do about it.
#[must_use]
pub fn outcome(line: &OutcomeLine, colour: bool) -> String {
    let ink = Ink { colour };
    let mut lines = vec![
        format!(
            "{} {} {}",
            ink.good("synced"),
            ink.strong(&excerpt(&line.test_name)),
            ink.quiet(&short(&line.session_id))
        ),
        format!(
            "  {}, {} ranked; {} written, {} removed; {} in {}",
            counted(line.takers, "taker"),
            count(line.ranked),
            counted(line.written, "item"),
            count(line.removed),
            counted(line.messages, "message"),
            seconds(line.duration)
        ),
    ];
    for problem in &line.problems {
        let kind = ink.warning(&format!("{} × {}", problem.count, problem.kind));
        lines.push(format!("  {kind}: {}", problem.kind.advice()));
        lines.push(format!("    {}", ink.quiet(&format!("for example: {}", excerpt(&problem.example)))));
    }
    lines.join("\n")
}
