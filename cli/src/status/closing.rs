use quiz_sync_state::Standing;

use crate::status::overview::Overview;
use crate::ui::{Ink, count, counted, quoted};

/// How many stand how, and for what stands badly what to do next: one line each.
pub fn closing(overview: &Overview, ink: Ink) -> Vec<String> {
    if overview.tests == 0 {
        return vec!["no test was ever synced here: `quiz-etl sync SESSION` asks for one".to_owned()];
    }
    let told = overview.counts.iter().filter(|(it, count)| *count > 0 || *it == Standing::Synced);
    let told: Vec<String> = told
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
    let tests = counted(overview.tests, "test");
    let mut lines = vec![format!("{tests}, each sink counted by itself: {}", told.join(", "))];
    lines.extend(next_step(overview, Standing::Parked, |session| {
        format!("parked: `quiz-etl dlq list --session {session}` tells why")
    }));
    lines.extend(next_step(overview, Standing::Failed, |session| {
        format!("failed: comes again by itself; `quiz-etl status {session}` tells why")
    }));
    lines.extend(next_step(overview, Standing::Behind, |session| {
        format!("behind: where it lasts, `quiz-etl sync {session}` asks again")
    }));
    lines
}

/// For the first that stands so, of those that were asked for.
fn next_step(overview: &Overview, standing: Standing, say: impl FnOnce(&str) -> String) -> Option<String> {
    let row = overview.rows.iter().find(|row| row.standing == standing)?;
    Some(say(&quoted(&row.key.session_id)))
}
