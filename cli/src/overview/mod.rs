//! A test at a glance: one HTML page that needs nothing beside itself.
//!
//! It shows counts and the top ranks, and no answer of a single student. User ids, titles and texts
//! come from outside: each is escaped, and the page's policy allows neither scripts nor requests.

#[cfg(test)]
pub(crate) mod fixtures;
mod form;
mod histogram;
mod html;
mod problems;
mod questions;
mod ranks;
mod sections;
#[cfg(test)]
mod tests;

use jiff::Timestamp;
use quiz_domain::{AttemptResults, SessionResult, to_india_time};

use html::{Text, count, number, or_dash};

pub(crate) use html::plain;

const STYLE: &str = include_str!("style.css");

/// The page of a test. The same test gives the same bytes.
#[must_use]
pub fn render(test: &SessionResult) -> String {
    let body = match &test.results {
        AttemptResults::Scored { attempts, rankings, questions } => [
            tiles(test),
            histogram::render(test),
            sections::render(test, rankings),
            questions::render(test, questions),
            rankings.first().map(|overall| ranks::render(&test.quiz, attempts, overall)).unwrap_or_default(),
            problems::render(&test.problems),
            "<footer>Takers with equal marks share a rank, and the ranks after it are left out (1, 2, 2, 4). \
             A percentile is the share of takers with the same marks or fewer.</footer>\n"
                .to_owned(),
        ]
        .concat(),
        AttemptResults::Form(attempts) => {
            [form_tiles(test), form::render(test, attempts), problems::render(&test.problems)].concat()
        }
    };
    format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">\n\
         <title>{name}</title>\n<style>\n{STYLE}</style>\n</head>\n<body>\n<main>\n\
         <h1>{name}</h1>\n{facts}{body}</main>\n</body>\n</html>\n",
        name = Text(test.name()),
        facts = facts(test),
    )
}

fn facts(test: &SessionResult) -> String {
    let mut facts = vec![
        ("Session", Text(&test.session.session_id).to_string()),
        ("Quiz", Text(&test.quiz.id).to_string()),
    ];
    if let Some(start) = test.start {
        facts.push(("Started", india(start)));
    }
    if let Some(end) = test.session.end.or(test.quiz.session_end) {
        facts.push(("Window until", india(end)));
    }
    let facts = facts.iter().map(|(name, value)| format!("<div><dt>{name}</dt><dd>{value}</dd></div>\n"));
    format!("<dl class=\"facts\">\n{}</dl>\n", facts.collect::<String>())
}

fn india(instant: Timestamp) -> String {
    to_india_time(instant).strftime("%-d %B %Y, %H:%M IST").to_string()
}

fn tiles(test: &SessionResult) -> String {
    let figures = test.figures();
    let unranked = test.participants().saturating_sub(figures.ranked as usize);
    let unranked = if unranked > 0 { format!("{} not finished", count(unranked)) } else { String::new() };
    let maximum = format!("of {}", number(test.quiz.max_marks(None)));
    tiles_of(&[
        ("Takers", count(test.participants()), ""),
        ("Ranked", count(figures.ranked), &unranked),
        ("Highest", or_dash(figures.highest), &maximum),
        ("Average", or_dash(figures.average), ""),
        ("Median", or_dash(figures.median), ""),
    ])
}

fn form_tiles(test: &SessionResult) -> String {
    tiles_of(&[
        ("Responses", count(test.participants()), ""),
        ("Questions", count(test.quiz.questions.len()), ""),
    ])
}

fn tiles_of(tiles: &[(&str, String, &str)]) -> String {
    let tile = |(name, value, note): &(&str, String, &str)| {
        let note = if note.is_empty() { String::new() } else { format!("<small>{note}</small>") };
        format!("<div class=\"tile\"><dt>{name}</dt><dd>{value}{note}</dd></div>\n")
    };
    format!("<dl class=\"tiles\">\n{}</dl>\n", tiles.iter().map(tile).collect::<String>())
}
