use quiz_domain::{Quiz, Ranking, ScoredAttempt};

use super::html::{Text, card, count, number, or_dash};
use crate::view::{Ranked, by_rank, same_rank};

const RANKS: usize = 10;
/// The most participants named at a shared rank.
const NAMED: usize = 5;

/// The highest ranks, each in a row with the participants who share the rank.
pub(super) fn render(quiz: &Quiz, attempts: &[ScoredAttempt], overall: &Ranking) -> String {
    let ranked = by_rank(attempts, overall);
    if ranked.is_empty() {
        return String::new();
    }
    let rows: String = ranked.chunk_by(same_rank).take(RANKS).map(|group| row(quiz, group)).collect();
    let table = format!(
        "<div class=\"scroll\"><table>\n<tr><th>Rank</th><th class=\"text\">User</th><th>Marks</th>\
         <th class=\"wide\">Percentage</th><th>Percentile</th></tr>\n{rows}</table></div>"
    );
    card("Top ranks", "", &table)
}

fn row(quiz: &Quiz, group: &[Ranked]) -> String {
    let Some(first) = group.first() else { return String::new() };
    let Some(score) = first.attempt.score(quiz, None) else { return String::new() };
    let users: Vec<String> = group
        .iter()
        .take(NAMED)
        .map(|ranked| format!("<bdi>{}</bdi>", Text(&ranked.attempt.user_id)))
        .collect();
    let more = match group.len().saturating_sub(NAMED) {
        0 => String::new(),
        more => format!(" <span class=\"more\">and {} more</span>", count(more)),
    };
    format!(
        "<tr><td>{}</td><td class=\"text\">{}{more}</td><td>{}</td><td class=\"wide\">{}</td><td>{}</td></tr>\n",
        first.standing.rank,
        users.join(", "),
        number(score.marks),
        or_dash(score.percentage()),
        number(first.standing.percentile)
    )
}
