use quiz_pipeline::SyncOutcome;

use crate::ui::{Ink, cohort, count, counted, excerpt, seconds, short};

/// A finished sync in a few lines: its counts, then each kind of problem with advice and an example.
#[must_use]
pub fn outcome(outcome: &SyncOutcome, colour: bool) -> String {
    let ink = Ink { colour };
    let mut lines = vec![
        format!(
            "{} {} {}",
            ink.good("synced"),
            ink.strong(&excerpt(&outcome.test_name)),
            ink.quiet(&short(&outcome.session_id))
        ),
        format!(
            "  {}; {} written, {} removed; {} in {}",
            cohort(outcome.participants, outcome.ranked, outcome.is_form),
            counted(outcome.rows_written, "item"),
            count(outcome.deleted),
            counted(outcome.messages, "message"),
            seconds(outcome.duration)
        ),
    ];
    for problem in outcome.problems.iter() {
        let kind = ink.warning(&format!("{} × {}", problem.count, problem.kind));
        lines.push(format!("  {kind}: {}", problem.kind.advice()));
        lines.push(format!("    {}", ink.quiet(&format!("for example: {}", excerpt(&problem.example)))));
    }
    lines.join("\n")
}
