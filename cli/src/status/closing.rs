use quiz_sync_state::Standing;

use crate::status::overview::Overview;
use crate::ui::{Ink, count, counted, quoted};

/// The counts by standing, then one line with the next step for each bad standing.
pub fn closing(overview: &Overview, ink: Ink) -> Vec<String> {
    if overview.tests == 0 && !overview.has_synced {
        return vec![
            "no unsynced test session found; `quiz-etl status --all` lists synced ones, too".to_owned(),
        ];
    }
    if overview.tests == 0 {
        return vec!["no sync state found: request a sync with `quiz-etl sync SESSION`".to_owned()];
    }
    let is_shown = |(standing, count): &&(Standing, usize)| {
        *count > 0 || (*standing == Standing::Synced && overview.has_synced)
    };
    let counts = overview.counts.iter().filter(is_shown);
    let counts: Vec<String> = counts
        .map(|(standing, number)| {
            let text = format!("{} {}", count(*number), standing.name());
            match standing {
                _ if *number == 0 => text,
                Standing::Parked | Standing::Failed => ink.bad(&text),
                Standing::Behind => ink.warning(&text),
                Standing::Synced => ink.good(&text),
                Standing::Running | Standing::Waiting | Standing::Unknown => text,
            }
        })
        .collect();
    let tests = counted(overview.tests, "test session");
    let mut lines = vec![format!("{tests}, each sink counted separately: {}", counts.join(", "))];
    lines.extend(next_step(overview, Standing::Parked, |session| {
        format!("parked: `quiz-etl dlq list --session {session}` shows the cause")
    }));
    lines.extend(next_step(overview, Standing::Failed, |session| {
        format!("failed: retried by SQS; `quiz-etl status {session}` shows the cause")
    }));
    lines.extend(next_step(overview, Standing::Behind, |session| {
        format!("behind: if it persists, run `quiz-etl sync {session}`")
    }));
    lines
}

/// The line for the first row with this standing; `line` gets the quoted session id.
fn next_step(overview: &Overview, standing: Standing, line: impl FnOnce(&str) -> String) -> Option<String> {
    let row = overview.rows.iter().find(|row| row.standing == standing)?;
    Some(line(&quoted(&row.key.session_id)))
}
