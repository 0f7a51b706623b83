use quiz_domain::{AttemptResults, Quiz, Ranking, ScoredAttempt, SessionResult, Standing};

use super::text::{number, optional};
use crate::ui::{short, table};

/// The most participants named at a shared rank.
const NAMED: usize = 3;

/// One ranked participant.
pub(crate) struct Ranked<'a> {
    /// Index into the attempts of the test session.
    pub index: usize,
    pub attempt: &'a ScoredAttempt,
    pub standing: Standing,
}

/// The ranked participants by rank, then by user id.
pub(crate) fn by_rank<'a>(attempts: &'a [ScoredAttempt], overall: &Ranking) -> Vec<Ranked<'a>> {
    let mut ranked: Vec<Ranked> = attempts
        .iter()
        .zip(overall.standings())
        .enumerate()
        .filter_map(|(index, (attempt, standing))| Some(Ranked { index, attempt, standing: standing? }))
        .collect();
    ranked.sort_by(|a, b| (a.standing.rank, &a.attempt.user_id).cmp(&(b.standing.rank, &b.attempt.user_id)));
    ranked
}

/// Whether two participants share a rank.
pub(crate) fn same_rank(a: &Ranked, b: &Ranked) -> bool {
    a.standing.rank == b.standing.rank
}

/// A table of the highest ranks with the marks by section, for at most `most` participants. A shared rank has a `=` before
/// it and names only its first participants.
#[must_use]
pub fn top_ranks(test: &SessionResult, most: usize) -> String {
    let AttemptResults::Scored { attempts, rankings, .. } = &test.results else {
        return "a form has no ranks".to_owned();
    };
    let Some((overall, sections)) = rankings.split_first() else { return String::new() };
    let ranked = by_rank(attempts, overall);
    if ranked.is_empty() {
        return "no participant is ranked yet".to_owned();
    }
    let mut header: Vec<String> = ["Rank", "User", "Marks", "%", "Percentile"].map(str::to_owned).into();
    header.extend(test.quiz.sections.iter().cloned());

    let mut rows = Vec::new();
    let mut left = most;
    for group in ranked.chunk_by(same_rank) {
        let named = group.len().min(NAMED).min(left);
        if named == 0 {
            break;
        }
        left -= named;
        let tie = if group.len() > 1 { "=" } else { "" };
        rows.extend(group.iter().take(named).filter_map(|ranked| row(&test.quiz, ranked, tie, sections)));
        if group.len() > named {
            rows.push(vec![String::new(), format!("and {} more", group.len() - named)]);
        }
    }
    table(2, &header, rows)
}

fn row(quiz: &Quiz, ranked: &Ranked, tie: &str, sections: &[Ranking]) -> Option<Vec<String>> {
    let score = ranked.attempt.score(quiz, None)?;
    let mut cells = vec![
        format!("{tie}{}", ranked.standing.rank),
        short(&ranked.attempt.user_id),
        format!("{}/{}", number(score.marks), number(score.max_marks)),
        optional(score.percentage()),
        number(ranked.standing.percentile),
    ];
    cells.extend(sections.iter().map(|section| optional(section.marks.get(ranked.index).copied())));
    Some(cells)
}
