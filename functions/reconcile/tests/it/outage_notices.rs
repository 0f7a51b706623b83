//! Outages found in the sync states, and their notices.

use proptest::prelude::*;
use quiz_events::{Notice, NoticeKind, Outage, OutageOver, Sink};
use quiz_lambda::config::PassLimits;
use quiz_pipeline::Dependency;
use quiz_sync_state::{Failing, LastRun, Recovered, RunResult, StateKey, SyncState};
use reconcile::{Outages, WorkedAt, find_outages, note_work};

use crate::common::{Fixture, HOUR, MINUTE, NOW, failed, key, parked, recovered, synced, time};

const UNAVAILABLE: &str = "source_unavailable";

fn found_outages(states: &[(&str, Sink, SyncState)]) -> Outages {
    let states: Vec<_> =
        states.iter().map(|(session, sink, state)| (key(session, *sink), state.clone())).collect();
    outages_of(&states)
}

fn outages_of(states: &[(StateKey, SyncState)]) -> Outages {
    let mut worked_at = WorkedAt::default();
    note_work(&mut worked_at, states);
    find_outages(states, &worked_at, NOW)
}

fn only_outage(states: &[(&str, Sink, SyncState)]) -> Outage {
    let found = found_outages(states);
    assert_eq!((found.open.len(), found.over.len()), (1, 0), "{found:?}");
    found.open[0].1.clone()
}

#[test]
fn outage_counts_sessions_of_both_sinks_once() {
    let outage = only_outage(&[
        ("A", Sink::Reports, failed(UNAVAILABLE, 2 * HOUR, 9 * MINUTE)),
        ("A", Sink::Warehouse, failed(UNAVAILABLE, HOUR, 8 * MINUTE)),
        ("B", Sink::Reports, failed("source_refused", 3 * HOUR, 7 * MINUTE)),
        ("C", Sink::Reports, parked_by(UNAVAILABLE, HOUR, 30 * MINUTE)),
        ("D", Sink::Reports, synced("q", 4 * HOUR)),
        ("E", Sink::Reports, failed("malformed_quiz", 5 * HOUR, MINUTE)),
    ]);
    let expected = Outage {
        dependency: "MongoDB".into(),
        since: time(NOW - 3 * HOUR),
        waiting: 2,
        parked: 1,
        sinks: vec![Sink::Reports, Sink::Warehouse],
        error_code: "source_refused".into(),
        error: "no answer".into(),
        failed_at: time(NOW - 7 * MINUTE),
        worked_at: Some(time(NOW - 4 * HOUR)),
    };
    assert_eq!(outage, expected);
}

fn parked_by(code: &str, failing: i64, ago: i64) -> SyncState {
    let failing = Some(Failing { since: NOW - failing, code: code.into() });
    SyncState { failing, ..parked("q", ago) }
}

#[test]
fn each_service_has_an_outage_of_its_own() {
    let found = found_outages(&[
        ("A", Sink::Reports, failed("sink_failed", HOUR, MINUTE)),
        ("A", Sink::Warehouse, failed("sink_failed", HOUR, MINUTE)),
        ("B", Sink::Reports, failed("follow_up_not_sent", HOUR, MINUTE)),
    ]);
    let services: Vec<_> =
        found.open.iter().map(|(dependency, outage)| (*dependency, outage.sinks.clone())).collect();
    assert_eq!(
        services,
        [
            (Dependency::DynamoDb, vec![Sink::Reports]),
            (Dependency::BigQuery, vec![Sink::Warehouse]),
            (Dependency::Sqs, vec![Sink::Reports]),
        ]
    );
}

#[test]
fn failure_of_a_moment_is_no_outage() {
    let open = |ago| found_outages(&[("A", Sink::Reports, failed(UNAVAILABLE, ago, MINUTE))]).open.len();
    assert_eq!((open(5 * MINUTE - 1), open(5 * MINUTE)), (0, 1));
    let over = |lasted| found_outages(&[("A", Sink::Reports, recovered(UNAVAILABLE, lasted, 0))]).over.len();
    assert_eq!((over(5 * MINUTE - 1), over(5 * MINUTE)), (0, 1));
    let then_a_moment = found_outages(&[
        ("A", Sink::Reports, recovered(UNAVAILABLE, 30 * MINUTE, 10 * MINUTE)),
        ("B", Sink::Reports, recovered(UNAVAILABLE, MINUTE, 0)),
    ]);
    assert_eq!(then_a_moment.over[0].until, time(NOW - 10 * MINUTE));
}

#[test]
fn earlier_failure_does_not_date_the_outage() {
    let outage = only_outage(&[
        ("old", Sink::Reports, failed(UNAVAILABLE, 200 * HOUR, MINUTE)),
        ("new", Sink::Reports, failed(UNAVAILABLE, HOUR, MINUTE)),
        ("fine", Sink::Reports, synced("q", 2 * HOUR)),
    ]);
    assert_eq!((outage.since, outage.waiting), (time(NOW - HOUR), 2));
}

#[test]
fn failure_without_a_retry_is_forgotten() {
    let forced = |state| SyncState { requested_through: 1, synced_through: NOW - 9 * HOUR, ..state };
    let open = |state: SyncState| found_outages(&[("A", Sink::Reports, forced(state))]).open.len();
    let parked = parked_by(UNAVAILABLE, HOUR, HOUR);
    assert_eq!(open(parked.clone()), 0, "reconcile does not request it");
    assert_eq!(open(SyncState { progress: Some("half".into()), ..parked }), 1);
    assert_eq!(open(failed(UNAVAILABLE, 3 * HOUR, HOUR)), 1);
    assert_eq!(open(failed(UNAVAILABLE, 3 * HOUR, 2 * HOUR)), 0);
}

#[test]
fn outage_is_over_once_no_session_waits() {
    let healed = [
        ("A", Sink::Reports, recovered(UNAVAILABLE, 3 * HOUR, 20 * MINUTE)),
        ("A", Sink::Warehouse, recovered(UNAVAILABLE, 2 * HOUR, 10 * MINUTE)),
        ("B", Sink::Reports, recovered("source_refused", HOUR, 15 * MINUTE)),
        // an earlier failure of a moment
        ("C", Sink::Reports, recovered(UNAVAILABLE, 119 * MINUTE, 118 * MINUTE)),
        ("D", Sink::Reports, recovered("malformed_quiz", 9 * HOUR, MINUTE)),
    ];
    let expected = OutageOver {
        dependency: "MongoDB".into(),
        since: time(NOW - 3 * HOUR),
        until: time(NOW - 10 * MINUTE),
        synced: 3,
        sinks: vec![Sink::Reports, Sink::Warehouse],
    };
    let found = found_outages(&healed);
    assert_eq!((found.open.len(), &found.over[..]), (0, &[expected][..]));
    let mut one_waits = healed.to_vec();
    one_waits.push(("E", Sink::Warehouse, failed(UNAVAILABLE, MINUTE, MINUTE)));
    assert_eq!(found_outages(&one_waits), Outages::default(), "neither over nor open for long enough");
    let long_ago = recovered(UNAVAILABLE, 3 * HOUR, 2 * HOUR);
    assert_eq!(found_outages(&[("A", Sink::Reports, long_ago)]), Outages::default());
}

#[test]
fn blip_before_an_outage_does_not_lengthen_it() {
    let found = found_outages(&[
        ("A", Sink::Reports, recovered(UNAVAILABLE, 30 * MINUTE, 10 * MINUTE)),
        ("B", Sink::Reports, recovered(UNAVAILABLE, 119 * MINUTE, 110 * MINUTE)),
    ]);
    assert_eq!((found.over[0].since, found.over[0].synced), (time(NOW - 30 * MINUTE), 1));
}

fn notices(fixture: &Fixture) -> Vec<Notice> {
    std::mem::take(&mut *fixture.services.notices.lock().unwrap())
}

#[tokio::test]
async fn pass_reports_an_outage_instead_of_its_requests() {
    let fixture = Fixture::new(PassLimits::default());
    *fixture.services.is_down.lock().unwrap() = true;
    let by_outage = || parked_by(UNAVAILABLE, HOUR, 40 * MINUTE);
    fixture.plant("A_q", Sink::Reports, by_outage()).await;
    fixture.plant("A_q", Sink::Warehouse, by_outage()).await;
    fixture.pass().await.unwrap_err();
    assert_eq!(fixture.services.sessions_published(), ["A_q"], "its messages wait for the end of the outage");
    let sent = notices(&fixture);
    assert_eq!((sent.len(), &*sent[0].id), (1, "outage.open:MongoDB:1795250164000"));
    let NoticeKind::OutageOpen(outage) = &sent[0].kind else { panic!("{sent:?}") };
    assert_eq!((outage.waiting, outage.parked), (0, 1));

    // a test session with a cause of its own has its notice
    fixture.plant("B_q", Sink::Reports, parked("q", 40 * MINUTE)).await;
    fixture.plant("B_q", Sink::Warehouse, synced("q", MINUTE)).await;
    fixture.later(15 * MINUTE);
    fixture.pass().await.unwrap_err();
    let sent = notices(&fixture);
    assert_eq!(&*sent[0].id, "outage.open:MongoDB:1795251064000");
    let NoticeKind::SyncsRequested(requested) = &sent[1].kind else { panic!("{sent:?}") };
    assert_eq!((sent.len(), requested.count, &*requested.tests[0].session_id), (2, 1, "B_q"));
}

/// No sync can end its failure, so the card would stay open for ever.
#[tokio::test]
async fn session_without_quiz_has_no_outage() {
    let fixture = Fixture::new(PassLimits::default());
    fixture.plant("A_q", Sink::Reports, parked_by(UNAVAILABLE, HOUR, 40 * MINUTE)).await;
    fixture.services.titles.lock().unwrap().clear();
    fixture.pass().await.unwrap();
    assert_eq!(notices(&fixture), []);
}

#[tokio::test]
async fn first_pass_after_an_outage_requests_parked_sessions() {
    let fixture = Fixture::new(PassLimits::default());
    let by_outage = parked_by(UNAVAILABLE, 26 * HOUR, 5 * MINUTE);
    let requested_before = by_outage.request_again("q", None, NOW - 24 * HOUR);
    fixture.plant("A_q", Sink::Reports, requested_before).await;
    fixture.plant("A_q", Sink::Warehouse, synced("q", MINUTE)).await;
    assert_eq!(fixture.pass().await.unwrap().requested, 1);
    fixture.later(15 * MINUTE);
    assert_eq!(fixture.pass().await.unwrap().requested, 0, "its message is in the queue");
    notices(&fixture);

    let before = fixture.state("A_q", Sink::Reports).await;
    let healed = recovered(UNAVAILABLE, 26 * HOUR, 0);
    let healed = SyncState { recovered: healed.recovered, ..synced("q", 0) };
    assert!(fixture.swap("A_q", Sink::Reports, &before, &healed).await);
    for _ in 0..2 {
        fixture.pass().await.unwrap();
        let sent = notices(&fixture);
        let NoticeKind::OutageOver(over) = &sent[0].kind else { panic!("{sent:?}") };
        assert_eq!((sent.len(), over.synced, &*over.dependency), (1, 1, "MongoDB"));
        fixture.later(15 * MINUTE);
    }
}

prop_compose! {
    fn any_state()(
        code in prop_oneof![Just(UNAVAILABLE), Just("sink_failed"), Just("malformed_quiz")],
        result in prop_oneof![Just(RunResult::Finished), Just(RunResult::Failed), Just(RunResult::Parked)],
        since in 0..6 * HOUR,
        lasting in 0..6 * HOUR,
        requested in 0..6 * HOUR,
        synced in 0..6 * HOUR,
    ) -> SyncState {
        let (since, ended) = (NOW - since, (NOW - since + lasting).min(NOW));
        let last = LastRun { result: Some(result), finished_at: ended, ..LastRun::default() };
        let (code, is_finished) = (code.to_owned(), result == RunResult::Finished);
        SyncState {
            revision: 1,
            requested_through: NOW - requested,
            synced_through: NOW - synced,
            last,
            failing: (!is_finished).then(|| Failing { since, code: code.clone() }),
            recovered: is_finished.then_some(Recovered { since, at: ended, code }),
            ..SyncState::default()
        }
    }
}

proptest! {
    #[test]
    fn service_is_down_or_recovered_but_not_both(
        states in prop::collection::vec((0..4, any::<bool>(), any_state()), 0..9),
    ) {
        let named = |(session, is_report, state): (i32, bool, SyncState)| {
            let sink = if is_report { Sink::Reports } else { Sink::Warehouse };
            (StateKey { session_id: format!("s{session}"), sink }, state)
        };
        let states: Vec<_> = states.into_iter().map(named).collect();
        let found = outages_of(&states);
        let open = found.open.iter().map(|(_, outage)| &outage.dependency);
        let mut names: Vec<&String> = open.chain(found.over.iter().map(|over| &over.dependency)).collect();
        let count = names.len();
        names.sort();
        names.dedup();
        prop_assert_eq!(names.len(), count);
        for (_, outage) in &found.open {
            prop_assert!((1..=4).contains(&(outage.waiting + outage.parked)));
            prop_assert!(outage.since <= outage.failed_at && outage.failed_at <= time(NOW));
        }
        for over in &found.over {
            prop_assert!(over.since <= over.until && over.synced > 0);
        }
    }
}
