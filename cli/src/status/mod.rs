//! `quiz-etl status` shows the standing of each test session in each sink. It reads the sync states and changes nothing.

mod args;
mod closing;
mod details;
mod json;
mod layout;
mod list;
mod moments;
mod overview;
mod run;
mod screen;
mod source;
mod watch;

pub use args::StatusArgs;
pub use run::run;

#[cfg(test)]
mod tests {
    use clap::Parser;
    use jiff::Timestamp;
    use jiff::tz::{Offset, TimeZone};
    use quiz_events::{SessionDescription, Sink};
    use quiz_sync_state::{Failing, FollowUp, LastRun, Lease, Rules, RunResult, StateKey, SyncState};

    use crate::status::args::StatusArgs;
    use crate::status::layout::Canvas;
    use crate::status::moments::Moments;
    use crate::status::overview::{Overview, keys};
    use crate::status::run::{json, text};
    use crate::ui::Ink;

    const NOW: i64 = 1_714_500_000_000;
    const SECOND: i64 = 1_000;
    const MINUTE: i64 = 60 * SECOND;
    const PLAIN: Canvas = Canvas { width: Canvas::WIDTH, lines: None, ink: Ink { colour: false } };

    type Stored = (StateKey, SyncState);

    #[derive(Parser)]
    struct Command {
        #[command(flatten)]
        args: StatusArgs,
    }

    fn args(given: &[&str]) -> StatusArgs {
        Command::try_parse_from(std::iter::once(&"status").chain(given)).unwrap().args
    }

    fn overview(stored: Vec<Stored>, given: &[&str]) -> Overview {
        let now = Timestamp::from_millisecond(NOW).unwrap();
        Overview::new(stored, &args(given), &Rules::default(), now)
    }

    fn shown_on(stored: Vec<Stored>, given: &[&str], canvas: Canvas) -> String {
        let overview = overview(stored, given);
        let zone = TimeZone::fixed(Offset::from_seconds(19_800).unwrap());
        text(&overview, &args(given), &Moments { now: overview.at, zone }, canvas)
    }

    fn shown(stored: Vec<Stored>, given: &[&str]) -> String {
        shown_on(stored, given, PLAIN)
    }

    fn key(session: &str, sink: Sink) -> StateKey {
        StateKey { session_id: session.to_owned(), sink }
    }

    fn ended(result: RunResult, ago: i64) -> SyncState {
        let is_failure = matches!(result, RunResult::Failed | RunResult::Parked);
        let error =
            is_failure.then(|| "there is no quiz 6715 in the database quiz. It may come later".to_owned());
        let failing =
            is_failure.then(|| Failing { since: NOW - ago - 10 * MINUTE, code: "unknown_quiz".to_owned() });
        let read_started_at = NOW - ago - 5 * SECOND;
        SyncState {
            revision: 7,
            quiz_id: "6715f621e1eb083bfa9b56cc".to_owned(),
            requested_through: read_started_at - 2 * SECOND,
            synced_through: if is_failure { 0 } else { read_started_at - 1 },
            generation: read_started_at - SECOND,
            last: LastRun {
                result: Some(result),
                error,
                participants: 1_204,
                rows_written: 6_020,
                read_started_at,
                finished_at: NOW - ago,
                duration_ms: 4_200,
                ..LastRun::default()
            },
            failing,
            ..SyncState::default()
        }
    }

    fn named(name: &str, state: SyncState) -> SyncState {
        let session =
            SessionDescription { test_name: Some(name.to_owned()), ..SessionDescription::default() };
        SyncState { session: Some(session), ..state }
    }

    fn requested(ago: i64) -> SyncState {
        SyncState { revision: 1, requested_through: NOW - ago, ..SyncState::default() }
    }

    /// One test session of each standing, and two parked.
    fn one_of_each() -> Vec<Stored> {
        let lease = Lease { owner: "i-1/a".to_owned(), message_id: "m".to_owned(), until: NOW + 40 * SECOND };
        let follow_up = FollowUp { message_id: "m".to_owned(), due: NOW + 40 * SECOND };
        let finished = || ended(RunResult::Finished, 3 * MINUTE);
        vec![
            (key("A_synced", Sink::Reports), named("Algebra", finished())),
            (
                key("B_waiting", Sink::Reports),
                SyncState { follow_up: Some(follow_up), ..requested(20 * SECOND) },
            ),
            (
                key("C_running", Sink::Warehouse),
                SyncState { lease: Some(lease), generation: NOW - 9 * SECOND, ..requested(20 * SECOND) },
            ),
            (key("D_behind", Sink::Reports), requested(50 * MINUTE)),
            (key("E_failed", Sink::Warehouse), named("Physics", ended(RunResult::Failed, 2 * MINUTE))),
            (key("F_parked", Sink::Reports), named("Chemistry", ended(RunResult::Parked, 5 * MINUTE))),
            (key("G_parked", Sink::Reports), ended(RunResult::Parked, 30 * MINUTE)),
        ]
    }

    #[test]
    fn worst_first_then_oldest() {
        insta::assert_snapshot!(shown(one_of_each(), &[]));
        let order = |given: &[&str]| -> Vec<String> {
            overview(one_of_each(), given).rows.into_iter().map(|row| row.key.session_id).collect()
        };
        let worst = ["G_parked", "F_parked", "E_failed", "D_behind", "C_running", "B_waiting"];
        assert_eq!(order(&[]), worst);
        assert_eq!(order(&["--all"]), [worst.as_slice(), &["A_synced"]].concat());
        assert_eq!(order(&["--standing", "synced", "--standing", "failed"]), ["E_failed", "A_synced"]);
        assert_eq!(order(&["--sink", "warehouse"]), ["E_failed", "C_running"]);
        assert_eq!(order(&["--older-than", "10m"]), ["G_parked", "D_behind"]);
    }

    #[test]
    fn trouble_means_parked_failed_or_behind() {
        let trouble = |given: &[&str]| overview(one_of_each(), given).has_trouble();
        assert!(trouble(&[]) && trouble(&["--older-than", "40m"]) && trouble(&["--limit", "1"]));
        assert!(!trouble(&["--older-than", "2h"]) && !trouble(&["--standing", "running"]));
    }

    #[test]
    fn session_shows_all_details() {
        let mut stored = vec![
            (key("E_1", Sink::Reports), named("Physics\u{1b}[2J", ended(RunResult::Parked, 5 * MINUTE))),
            (key("E_1", Sink::Warehouse), SyncState::default()),
            (
                key("E_2", Sink::Reports),
                SyncState { joined: 3, newest_completion: Some(NOW), ..one_of_each().remove(1).1 },
            ),
            (key("E_2", Sink::Warehouse), one_of_each().remove(2).1),
            (key("E_3", Sink::Reports), ended(RunResult::Finished, 26 * 60 * MINUTE)),
            (key("E_3", Sink::Warehouse), SyncState::default()),
        ];
        stored.extend(["no", "where"].map(|session| (key(session, Sink::Reports), SyncState::default())));
        let sessions = ["E_1", "E_2", "E_3", "where", "no", "no"];
        insta::assert_snapshot!(shown(stored.clone(), &sessions));
        assert_eq!(overview(stored, &sessions).unknown, ["no", "where"]);
        assert_eq!(keys(&["a", "b", "a"].map(str::to_owned)).len(), 4);
    }

    #[test]
    fn hostile_names_keep_the_table_intact() {
        let hostile = "\u{1b}[31m\u{202e}'; rm -rf $(HOME)\n\u{7}";
        let parked = |name: &str| named(name, ended(RunResult::Parked, MINUTE));
        let mut noisy = parked(hostile);
        noisy.last.error = Some(format!("{} is not a test: {hostile}", "endless ".repeat(100)));
        let stored = vec![
            (key(hostile, Sink::Reports), noisy),
            (key(&"long".repeat(200), Sink::Warehouse), parked(&"name ".repeat(100))),
            (
                key("wide", Sink::Reports),
                parked("भौतिकी — 物理の試験 — Physik für alle Klassen, zweite Hälfte"),
            ),
        ];
        for width in [82, 120, 200] {
            let table = shown_on(stored.clone(), &[], Canvas { width, ..PLAIN });
            assert!(
                !table.contains(|character: char| {
                    character.is_control() && character != '\n' || character == '\u{202e}'
                }),
                "{table:?}"
            );
            let next = table.lines().position(|line| line.starts_with("3 test sessions")).unwrap();
            assert!(
                table.lines().take(next).all(|line| console::measure_text_width(line) <= width),
                "{table}"
            );
            assert!(!table.contains("--session \u{fffd}"), "{table}");
        }
        insta::assert_snapshot!(shown(stored, &[]));
    }

    #[test]
    fn limit_shows_worst_and_counts_the_rest() {
        let stored: Vec<Stored> = (0..5_000)
            .map(|number| {
                let state = if number % 2 == 0 {
                    ended(RunResult::Finished, number * SECOND)
                } else {
                    ended(RunResult::Failed, number * SECOND)
                };
                (key(&format!("T_{number:04}"), Sink::Reports), state)
            })
            .collect();
        let table = shown(stored.clone(), &["--limit", "3"]);
        assert_eq!(table.lines().filter(|line| line.starts_with("T_")).count(), 3);
        assert!(table.contains("T_4999") && table.contains("… and 2,497 more"), "{table}");
        assert!(table.contains("2,500 test sessions, each sink counted separately: 2,500 failed"), "{table}");
        let on_a_screen = shown_on(stored.clone(), &[], Canvas { lines: Some(24), ..PLAIN });
        assert!((20..=24).contains(&on_a_screen.lines().count()), "{on_a_screen}");
        let read = overview(stored, &["--all", "--limit", "10"]);
        let answer: serde_json::Value =
            serde_json::from_str(&json(&read, &args(&["--limit", "10"])).unwrap()).unwrap();
        assert_eq!(answer["tests"].as_array().unwrap().len(), 10);
        assert_eq!((&answer["left_out"], &answer["counts"]["failed"]), (&4_990.into(), &2_500.into()));
    }

    #[test]
    fn json_has_every_field() {
        let read = overview(one_of_each(), &["--all"]);
        let answer: serde_json::Value = serde_json::from_str(&json(&read, &args(&[])).unwrap()).unwrap();
        insta::assert_snapshot!(serde_json::to_string_pretty(&answer["tests"][0]).unwrap());
    }

    #[test]
    fn colours_mark_bad_standings() {
        let table = shown_on(one_of_each(), &["--all"], Canvas { ink: Ink { colour: true }, ..PLAIN });
        for painted in ["\u{1b}[31mparked\u{1b}[0m", "\u{1b}[33mbehind\u{1b}[0m", "\u{1b}[32msynced\u{1b}[0m"]
        {
            assert!(table.contains(painted), "{table}");
        }
        assert!(!table.contains("mrunning\u{1b}"), "{table}");
    }

    #[test]
    fn empty_table_names_the_next_step() {
        insta::assert_snapshot!(shown(Vec::new(), &["--all"]), @"no sync state found: request a sync with `quiz-etl sync SESSION`");
        let synced = vec![(key("A", Sink::Reports), ended(RunResult::Finished, MINUTE))];
        insta::assert_snapshot!(shown(synced.clone(), &["--from", "out"]), @"1 test session, each sink counted separately: 1 synced");
        insta::assert_snapshot!(shown(synced, &[]), @"no unsynced test session found; `quiz-etl status --all` lists synced ones, too");
    }

    #[test]
    fn synced_sessions_are_counted_only_where_they_are_read() {
        let counts = |given: &[&str]| {
            let read = overview(one_of_each(), given);
            let answer: serde_json::Value =
                serde_json::from_str(&json(&read, &args(given)).unwrap()).unwrap();
            answer["counts"].clone()
        };
        assert_eq!((&counts(&[])["synced"], &counts(&[])["parked"]), (&serde_json::Value::Null, &2.into()));
        for given in [&["--all"][..], &["--standing", "synced"], &["--from", "out"]] {
            assert_eq!(counts(given)["synced"], 1, "{given:?}");
        }
    }
}
