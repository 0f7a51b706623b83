use quiz_domain::{AttemptResults, Quiz, Ranking, ScoredAttempt, SessionResult, Standing};

use super::text::{number, optional};
use crate::ui::{short, table};

/// How many takers of a shared rank are named.
const NAMED: usize = 3;

/// One ranked taker.
pub(crate) struct Ranked<'a> {
    /// Index into the test's attempts.
    pub index: usize,
    pub attempt: &'a ScoredAttempt,
    pub standing: Standing,
}

/// The ranked takers by rank, and by user id within a rank.
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

/// Whether two takers share a rank.
pub(crate) fn same_rank(a: &Ranked, b: &Ranked) -> bool {
    a.standing.rank == b.standing.rank
}

/// The highest ranks with each taker's marks by section: `most` takers, of a shared rank (with a `=`
/// before it) the first few.
#[must_use]
pub fn top_ranks(test: &SessionResult, most: usize) -> String {
    let AttemptResults::Scored { attempts, rankings, .. } = &test.results else {
        return "a form has no ranks".to_owned();
    };
    let Some((overall, sections)) = rankings.split_first() else { return String::new() };
    let ranked = by_rank(attempts, overall);
    if ranked.is_empty() {
        return "nobody is ranked yet".to_owned();
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
        rows.extend(group.iter().take(named).filter_map(|taker| row(&test.quiz, taker, tie, sections)));
        if group.len() > named {
            rows.push(vec![String::new(), format!("and {} more", group.len() - named)]);
        }
    }
    table(2, &header, rows)
}

fn row(quiz: &Quiz, taker: &Ranked, tie: &str, sections: &[Ranking]) -> Option<Vec<String>> {
    let score = taker.attempt.score(quiz, None)?;
    let mut cells = vec![
        format!("{tie}{}", taker.standing.rank),
        short(&taker.attempt.user_id),
        format!("{}/{}", number(score.marks), number(score.max_marks)),
        optional(score.percentage()),
        number(taker.standing.percentile),
    ];
    cells.extend(sections.iter().map(|section| optional(section.marks.get(taker.index).copied())));
    Some(cells)
}
