//! The texts of the messages.

use quiz_discord::compose;
use quiz_events::{
    HistogramBin, NoticeKind, NoticeMessage, OperatorActed, ParkCause, Sink, SyncFailed, SyncFinished,
};
use serde_json::Value;

use crate::common::{EVIL, acted, alarm, all_kinds, at, dropped, failed, finished, notice, parked, problem};

fn payloads(messages: &[NoticeMessage]) -> Vec<Value> {
    compose(messages).iter().map(quiz_discord::Post::payload).collect()
}

fn posted(messages: &[NoticeMessage]) -> String {
    Value::from(payloads(messages)).to_string()
}

fn sync(sink: Sink, session: &str) -> NoticeMessage {
    notice(&format!("{sink}-{session}"), NoticeKind::SyncFinished(finished(sink, session)))
}

#[test]
fn both_sinks_share_a_card_with_picture() {
    let posts = compose(&[sync(Sink::Warehouse, "s"), sync(Sink::Reports, "s")]);
    assert_eq!(posts.len(), 1);
    assert_eq!((posts[0].pictures.len(), posts[0].notices.len()), (1, 2));
    assert!(posts[0].pictures[0].png.starts_with(b"\x89PNG"));
    insta::assert_json_snapshot!(posts[0].payload());
}

#[test]
fn unchanged_items_are_counted() {
    let text = |rows_written, unchanged| {
        let finished = SyncFinished { rows_written, unchanged, ..finished(Sink::Reports, "s") };
        let payloads = payloads(&[notice("1", NoticeKind::SyncFinished(finished))]);
        let fields = payloads[0]["embeds"][0]["fields"].as_array().unwrap().clone();
        let field = fields.into_iter().find(|field| field["name"] == "Reports").unwrap();
        let value = field["value"].as_str().unwrap();
        value.split(", in ").next().unwrap_or(value).to_owned()
    };
    insta::assert_snapshot!(
        [text(1, 50_000), text(0, 1), text(0, 50_001), text(2, 0)].join("\n"),
        @r"
    1 item written, 50,000 unchanged
    1 item unchanged
    50,001 items unchanged
    2 items
    "
    );
}

#[test]
fn footer_names_the_senders_commits() {
    let with_commit = |message: NoticeMessage, commit: &str| match message {
        NoticeMessage::Notice(mut notice) => {
            notice.commit = Some(commit.to_owned());
            NoticeMessage::Notice(notice)
        }
        other => other,
    };
    let (old, new) = ("0123456789abcdef", "fedcba9876543210");
    let footer = |messages: &[NoticeMessage]| payloads(messages)[0]["embeds"][0]["footer"]["text"].clone();
    let written = |sink, commit| with_commit(sync(sink, "s"), commit);
    let lost = with_commit(notice("lost", failed(Sink::Warehouse, &["s"], "no answer")), new);
    assert_eq!(
        footer(&[written(Sink::Reports, old), written(Sink::Warehouse, old)]),
        "reports and warehouse, commit 0123456789ab"
    );
    assert_eq!(
        footer(&[written(Sink::Reports, old), lost]),
        "reports, commit 0123456789ab · warehouse, commit fedcba987654"
    );
    let dropped = with_commit(notice("1", dropped("a test run", &[])), old);
    assert_eq!(footer(&[dropped]), "quiz-etl, commit 0123456789ab");
    let running = with_commit(notice("1", NoticeKind::BackfillStarted(crate::common::backfill(1, 0))), old);
    assert_eq!(footer(&[running]), "quiz-etl, commit 0123456789ab");
    let many: Vec<NoticeMessage> = (0..30)
        .map(|test| with_commit(sync(Sink::Reports, &format!("s{test}")), if test < 29 { old } else { new }))
        .collect();
    assert_eq!(footer(&many), "reports, commit 0123456789ab · reports, commit fedcba987654");
    assert_eq!(footer(&[alarm("ALARM")]), Value::Null);
}

#[test]
fn failed_sink_has_a_next_step() {
    let mut reports = finished(Sink::Reports, "s");
    reports.problems = vec![problem("question_without_key", "give the question a key, then sync again")];
    let written = notice("1", NoticeKind::SyncFinished(reports));
    insta::assert_json_snapshot!(payloads(&[
        written,
        notice("2", failed(Sink::Warehouse, &["s"], "no permission"))
    ]));
}

#[test]
fn attempt_ids_are_dropped_not_replayed() {
    for (session_ids, choice) in
        [(&["a1"][..], "--session a1"), (&["a1", "a2"], "--code session_id_of_attempt")]
    {
        let failed = SyncFailed {
            session_ids: session_ids.iter().map(ToString::to_string).collect(),
            error_code: ParkCause::SESSION_ID_OF_ATTEMPT.to_owned(),
            ..SyncFailed::default()
        };
        let posted = posted(&[notice("1", NoticeKind::SyncFailed(failed))]);
        let step = format!("`quiz-etl dlq drop {choice} --reason 'id of an attempt'`");
        assert!(posted.contains(&step) && !posted.contains("dlq replay"), "{posted}");
    }
}

#[test]
fn other_kinds_have_cards() {
    let messages = [
        notice("1", parked("`session_id` must be a text, but is a number")),
        notice("2", failed(Sink::Reports, &["a", "b"], "could not read quiz: no answer")),
        alarm("ALARM"),
        alarm("OK"),
        notice("3", dropped("events of a test run", &["not_an_event", "quiz_not_found"])),
        crate::common::other("Your budget has exceeded\nits limit"),
    ];
    insta::assert_json_snapshot!(payloads(&messages));
}

#[test]
fn operator_actions_have_compact_cards() {
    let replayed = OperatorActed { action: OperatorActed::REPLAY.into(), by: None, ..acted("--all") };
    let begun = OperatorActed { action: OperatorActed::BACKFILL.into(), ..acted("3 test sessions") };
    let messages = [
        notice("1", NoticeKind::OperatorActed(replayed)),
        notice("2", NoticeKind::OperatorActed(acted("a_b"))),
        // its own card says who and why
        notice("3", NoticeKind::OperatorActed(begun)),
    ];
    insta::assert_json_snapshot!(payloads(&messages));
}

#[test]
fn names_cannot_format_link_or_ping() {
    let mut named = finished(Sink::Reports, "s");
    named.test_name = EVIL.to_owned();
    let payload = &payloads(&[notice("1", NoticeKind::SyncFinished(named))])[0];
    let title = payload["embeds"][0]["title"].as_str().unwrap();
    assert!(title.contains("\\@everyone \\`rm \\-rf\\` \\*\\*bold\\*\\*"), "{title}");
    assert!(title.contains("\\[link\\]\\(https\\://evil.example\\)"), "{title}");
    assert_eq!(payload["allowed_mentions"]["parse"], Value::Array(vec![]));
}

#[test]
fn newest_outcome_of_a_sink_is_shown() {
    let mut newer = finished(Sink::Reports, "s");
    newer.participants = 11;
    let posts = compose(&[sync(Sink::Reports, "s"), notice("newer", NoticeKind::SyncFinished(newer))]);
    assert_eq!(posts[0].notices, ["reports-s", "newer"]);
    assert!(posts[0].payload().to_string().contains("11, 2 not final"));
}

#[test]
fn many_sessions_share_cards_except_problems() {
    let mut messages: Vec<NoticeMessage> = Vec::new();
    for test in 0..250 {
        messages.push(sync(Sink::Reports, &format!("s{test}")));
        messages.push(sync(Sink::Warehouse, &format!("s{test}")));
    }
    messages.push(notice("bad", failed(Sink::Reports, &["s7"], "no answer")));
    let posts = compose(&messages);
    assert!(posts.len() <= 6, "{} messages", posts.len());
    assert_eq!(posts.iter().map(|post| post.notices.len()).sum::<usize>(), 501, "all are posted");
    let first = posts[0].payload();
    assert!(first["embeds"][0]["title"].as_str().unwrap().contains("FAILED"), "{first}");
    let text: String = posts.iter().map(|post| post.payload().to_string()).collect();
    assert!((0..250).all(|test| text.contains(&format!("Physics mock s{test}"))));
}

#[test]
fn any_histogram_becomes_a_picture() {
    let with_bins = |bins: &[(f64, f64, u64)]| SyncFinished {
        histogram: bins
            .iter()
            .map(|&(from, to, participants)| HistogramBin { from, to, participants })
            .collect(),
        ..finished(Sink::Reports, "s")
    };
    for bins in [&[(12.0, 13.0, 1)][..], &[(5.0, 6.0, 400)], &[(-30.0, -20.0, 3), (-20.0, -10.0, 9)]] {
        let posts = compose(&[notice("1", NoticeKind::SyncFinished(with_bins(bins)))]);
        assert_eq!(posts[0].pictures.len(), 1, "{bins:?}");
    }
    let posts = compose(&[notice("1", NoticeKind::SyncFinished(with_bins(&[])))]);
    assert!(posts[0].pictures.is_empty(), "a form has none");
}

#[test]
fn every_kind_is_posted_with_any_text() {
    let messages = all_kinds();
    let posts = compose(&messages);
    let mut posted: Vec<&str> = posts.iter().flat_map(|post| &post.notices).map(String::as_str).collect();
    let mut ids: Vec<&str> = messages.iter().map(NoticeMessage::id).collect();
    posted.sort_unstable();
    ids.sort_unstable();
    assert_eq!(posted, ids);
    assert_eq!(at().as_second(), 1_795_250_164);
}

#[test]
fn form_notices_count_responses_not_ranks() {
    let form = |session: &str, is_form| {
        let form = SyncFinished {
            is_form,
            participants: 2,
            ranked: 0,
            highest: None,
            histogram: Vec::new(),
            ..finished(Sink::Reports, session)
        };
        notice(session, NoticeKind::SyncFinished(form))
    };
    let text = posted(&[form("s", true)]);
    assert!(text.contains(r#""name":"Responses","value":"2""#) && !text.contains("not final"), "{text}");
    assert!(posted(&[form("s", false)]).contains("2, 2 not final"));
    let many: Vec<NoticeMessage> = (0..12).map(|at| form(&format!("s{at}"), true)).collect();
    assert!(posted(&many).contains("2 responses, reports"));
}

#[test]
fn invisible_test_name_shows_the_session_id() {
    let named = |test_name: &str| {
        let sync = SyncFinished { test_name: test_name.into(), ..finished(Sink::Reports, "Group_7") };
        posted(&[notice("named", NoticeKind::SyncFinished(sync))])
    };
    for invisible in ["\u{200b}\u{200d}", "\u{3164} ", ""] {
        let text = named(invisible);
        assert!(text.contains("✅ Group\\\\_7: reports written"), "{text}");
    }
    assert!(named("Physics").contains("✅ Physics: reports written"));
}
