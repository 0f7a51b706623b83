//! Renders the overview of a test session: one HTML page without external files.
//!
//! The page shows counts and the top ranks, and no answer of a single student. User ids, titles and texts come from
//! outside: each is escaped, and the page's policy forbids scripts and requests.

#[cfg(test)]
pub(crate) mod fixtures;
mod form;
mod histogram;
mod html;
mod problems;
mod questions;
mod ranks;
mod sections;

use jiff::Timestamp;
use quiz_domain::{AttemptResults, SessionResult, to_india_time};

use html::{Text, count, number, or_dash};

pub(crate) use html::plain;

const STYLE: &str = include_str!("style.css");

/// The page of a test session. The same result gives the same bytes.
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
            "<footer>Participants with equal marks share a rank, and the next ranks are skipped (1, 2, 2, 4). \
             A percentile is the share of participants with the same marks or fewer.</footer>\n"
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
    render_tiles(&[
        ("Participants", count(test.participants()), ""),
        ("Ranked", count(figures.ranked), &unranked),
        ("Highest", or_dash(figures.highest), &maximum),
        ("Average", or_dash(figures.average), ""),
        ("Median", or_dash(figures.median), ""),
    ])
}

fn form_tiles(test: &SessionResult) -> String {
    render_tiles(&[
        ("Responses", count(test.participants()), ""),
        ("Questions", count(test.quiz.questions.len()), ""),
    ])
}

fn render_tiles(tiles: &[(&str, String, &str)]) -> String {
    let tile = |(name, value, note): &(&str, String, &str)| {
        let note = if note.is_empty() { String::new() } else { format!("<small>{note}</small>") };
        format!("<div class=\"tile\"><dt>{name}</dt><dd>{value}{note}</dd></div>\n")
    };
    format!("<dl class=\"tiles\">\n{}</dl>\n", tiles.iter().map(tile).collect::<String>())
}

#[cfg(test)]
mod tests {
    use bson::Bson;
    use quiz_domain::ProblemKind;

    use super::fixtures::{answers, form, quiz, sapa_test, test};
    use super::render;

    const TWO: [(&str, &str); 4] =
        [("Physics", "p1"), ("Physics", "p2"), ("Chemistry", "c1"), ("Chemistry", "c2")];

    /// Asserts that every tag is closed and every attribute quoted.
    fn assert_well_formed(html: &str) {
        let mut open: Vec<&str> = Vec::new();
        let (head, rest) = html.split_once("<style>").unwrap();
        let (_, body) = rest.split_once("</style>").unwrap();
        let without_style = format!("{head}{body}");
        let mut rest = without_style.trim_start_matches("<!doctype html>");
        while let Some((_, after)) = rest.split_once('<') {
            let (tag, after) = after.split_once('>').expect("a tag without an end");
            assert!(!tag.contains('<') && tag.matches('"').count() % 2 == 0, "{tag}");
            rest = after;
            let name = tag.split_whitespace().next().unwrap();
            match name.strip_prefix('/') {
                Some(name) => assert_eq!(open.pop(), Some(name), "in {tag}"),
                None if tag.ends_with('/') || name == "meta" => {}
                None => open.push(name),
            }
        }
        assert!(open.is_empty(), "{open:?}");
        assert!(!html.contains("NaN") && !html.contains("inf\""));
    }

    fn page(test: &quiz_domain::SessionResult) -> String {
        let html = render(test);
        assert_well_formed(&html);
        assert_eq!(html, render(test));
        for outside in ["http:", "https:", "src=", "href=", "@import", "url(", "<script"] {
            assert!(!html.contains(outside), "{outside}");
        }
        html
    }

    #[test]
    fn the_sample_shows_its_figures() {
        let html = page(&sapa_test());
        for shown in [
            "<h1>SAPA Ability Test, August 2012</h1>",
            "SAPA_5020a0d0f1e2d3c4b5000001",
            "8 August 2012, 09:00 IST",
            "<dt>Participants</dt><dd>1,525</dd>",
            "<small>of 64</small>",
            "Spatial Rotation",
            "SAPA item reason.17",
            "No problems found",
        ] {
            assert!(html.contains(shown), "{shown}");
        }
        assert!(!html.contains("test_admin"));
    }

    #[test]
    fn page_of_no_participant_and_of_one() {
        let quiz = quiz("Mock", &TWO);
        let html = page(&test(&quiz, &[]));
        assert!(
            html.contains("No participant is ranked yet") && html.contains("<dd>–<small>of 16</small></dd>")
        );
        assert!(!html.contains("Top ranks") && !html.contains("Hardest") && !html.contains("Started"));

        let html = page(&test(&quiz, &[("u1", answers(3, 1, 4), true)]));
        assert!(html.contains("11 to under 12 marks: 1") && html.contains("<bdi>u1</bdi>"));
        assert!(html.contains("21 October 2024, 10:00 IST"));
    }

    #[test]
    fn equal_marks_share_a_rank_and_a_bin() {
        let users: Vec<String> = (0..40).map(|user| format!("u{user:02}")).collect();
        let attempts: Vec<_> = users.iter().map(|user| (user.as_str(), answers(2, 0, 4), true)).collect();
        let html = page(&test(&quiz("Mock", &TWO), &attempts));
        assert!(html.contains("8 to under 9 marks: 40") && html.contains("P25 P50 P75 P90"));
        assert_eq!(html.matches("<bdi>").count(), 5);
        assert!(html.contains("<tr><td>1</td>") && html.contains("and 35 more"));
    }

    #[test]
    fn negative_marks_and_an_unfinished_attempt() {
        let attempts =
            [("u1", answers(0, 4, 4), true), ("u2", answers(0, 3, 4), true), ("u3", answers(4, 0, 4), false)];
        let html = page(&test(&quiz("Mock", &TWO), &attempts));
        assert!(
            html.contains("<dt>Highest</dt><dd>−3<small>") && html.contains("<dd>2<small>1 not finished")
        );
        assert!(html.contains("width:0.0%") && !html.contains("width:-"));
        assert!(!html.contains("u3"));
    }

    #[test]
    fn hostile_names_stay_text() {
        let evil = "</title><script>alert(1)</script>\"'&";
        let mut quiz =
            quiz(evil, &[(evil, "<img onerror=alert(2)> If 3 < x & \u{202e} y"), ("overall", "two")]);
        quiz.insert("_id", "\"><b>");
        let html =
            page(&test(&quiz, &[(evil, answers(1, 1, 2), true), ("a\u{1b}[2J", answers(0, 0, 2), true)]));
        assert!(html.contains("&lt;/title&gt;&lt;script&gt;alert(1)&lt;/script&gt;&quot;&#39;&amp;"));
        assert!(html.contains("If 3 &lt; x &amp; \u{fffd} y"));
        assert!(!html.contains('\u{1b}') && !html.contains('\u{202e}'));
        assert!(html.contains("section renamed"));
    }

    #[test]
    fn problems_come_with_example_and_advice() {
        let html = page(&test(&quiz("Mock", &TWO), &[("u1", vec![Bson::Int32(0)], true)]));
        assert!(html.contains("1 × answer of wrong shape") && html.contains("1 × answers missing"));
        assert!(
            html.contains(
                "Example: session document 6715f621e1eb083bfa9c0000 has records of 1 of 4 questions"
            )
        );
        assert!(html.contains(ProblemKind::AnswersMissing.advice()));
    }

    #[test]
    fn few_questions_are_hardest_or_easiest() {
        let three = [("Physics", "first"), ("Physics", "second"), ("Physics", "third")];
        let attempts = [("u1", answers(2, 1, 3), true), ("u2", answers(1, 2, 3), true)];
        let html = page(&test(&quiz("Mock", &three), &attempts));
        assert_eq!(html.matches("<li><div class=\"question\">").count(), 3);
        let html = page(&test(&quiz("Mock", &three[..1]), &[("u1", answers(1, 0, 1), true)]));
        assert!(html.contains("<h2>The question</h2>") && !html.contains("Easiest"));
    }

    #[test]
    fn a_form_shows_counts_and_no_answers() {
        let html = page(&form());
        assert!(!html.contains("Secretname") && !html.contains("Top ranks") && !html.contains("Sections"));
        for shown in [
            "<dt>Responses</dt><dd>3</dd>",
            "1 of 3 answered",
            "PCM (Physics, Chemistry, Mathematics)</span>",
            "2 (67%)",
            "Which subjects are you good at?",
            "2 of 3 answered",
            "2 (100%)",
            "Option 4",
        ] {
            assert!(html.contains(shown), "{shown}");
        }
    }
}
