//! The protocol, checked in every order of events within small bounds: `worker` does what the pipeline's coordinator
//! does, by the crate's own decisions. What a check does not reach is no counterexample: a message that waits, or a
//! run that has no time left, is no loss.

mod system;
mod worker;

use std::collections::BTreeSet;
use std::time::Duration;

use quiz_sync_state::Rules;
use stateright::{Checker, HasDiscoveries, Model};

use system::{Bug, Chances, IN_ORDER, Protocol, REFLECTED};

const fn rules(margin: u64, lease: u64, interval: u64) -> Rules {
    Rules {
        margin: Duration::from_millis(margin),
        lease: Duration::from_millis(lease),
        late: Duration::ZERO,
        interval: Duration::from_millis(interval),
    }
}

const NONE: Chances =
    Chances { crashes: 0, duplicates: 0, failures: 0, pauses: 0, heartbeats: 0, hurries: 0 };

const SMALL: Protocol = Protocol {
    rules: rules(0, 2, 0),
    completions: 2,
    workers: 2,
    parts: 1,
    last_tick: 4,
    skew: 0,
    messages: 4,
    chances: NONE,
    bug: None,
};

/// No follow-up becomes visible within the bounds, so that none makes up for a mistake.
const NO_FOLLOW_UP: Protocol = Protocol { rules: rules(0, 2, 9), ..SMALL };

fn check(protocol: Protocol) -> impl Checker<Protocol> {
    let checker = protocol.checker().spawn_bfs().join();
    println!("{} states, {} deep", checker.unique_state_count(), checker.max_depth());
    for name in [REFLECTED, IN_ORDER] {
        if let Some(path) = checker.discovery(name) {
            let last = path.last_state().clone();
            let actions: Vec<String> = path.into_actions().iter().map(|it| format!("{it:?}")).collect();
            panic!("not so: {name}\n{}\n{last:#?}", actions.join("\n"));
        }
    }
    assert!(checker.is_done());
    checker
}

/// Every property, and each of the protocol's ways is taken.
fn holds(protocol: Protocol) {
    check(protocol).assert_properties();
}

fn is_found(bug: Option<Bug>, name: &'static str, protocol: Protocol) {
    let any = HasDiscoveries::AnyOf(BTreeSet::from([name]));
    let checker = Protocol { bug, ..protocol }.checker().finish_when(any).spawn_bfs().join();
    let path = checker.assert_any_discovery(name);
    let (states, steps) = (checker.unique_state_count(), path.into_actions());
    println!("{bug:?} found after {states} states, in {} steps: {steps:?}", steps.len());
}

#[test]
fn nothing_is_lost_where_a_worker_crashes() {
    holds(Protocol { chances: Chances { crashes: 1, ..NONE }, ..SMALL });
}

#[test]
fn nothing_is_lost_where_a_message_is_received_twice() {
    let chances = Chances { duplicates: 1, ..NONE };
    check(Protocol { rules: rules(0, 9, 0), chances, ..SMALL });
}

#[test]
fn nothing_is_lost_where_a_run_fails() {
    holds(Protocol { chances: Chances { failures: 1, ..NONE }, ..SMALL });
}

#[test]
fn nothing_is_lost_where_a_run_pauses_or_extends_its_lease() {
    holds(Protocol { parts: 2, chances: Chances { pauses: 1, ..NONE }, ..SMALL });
    holds(Protocol { parts: 2, chances: Chances { heartbeats: 1, ..NONE }, ..SMALL });
}

#[test]
fn nothing_is_lost_where_a_sync_waits_for_the_interval_or_for_another_worker() {
    let one_crash = Chances { crashes: 1, ..NONE };
    holds(Protocol { rules: rules(0, 2, 2), last_tick: 5, chances: one_crash, ..SMALL });
    holds(Protocol { chances: Chances { hurries: 1, ..NONE }, ..SMALL });
}

#[test]
fn nothing_is_lost_where_clocks_differ_by_the_margin() {
    holds(Protocol { rules: rules(1, 3, 0), skew: 1, last_tick: 6, ..SMALL });
}

#[test]
fn clocks_that_differ_by_more_are_found() {
    is_found(None, REFLECTED, Protocol { skew: 1, ..NO_FOLLOW_UP });
}

#[test]
fn nothing_is_lost_without_follow_ups() {
    check(Protocol { chances: Chances { crashes: 1, ..NONE }, ..NO_FOLLOW_UP });
}

#[test]
fn planted_bugs_are_found() {
    let one_crash = Protocol { chances: Chances { crashes: 1, ..NONE }, ..NO_FOLLOW_UP };
    is_found(Some(Bug::BlindJoin), REFLECTED, NO_FOLLOW_UP);
    is_found(Some(Bug::NoFence), IN_ORDER, NO_FOLLOW_UP);
    is_found(Some(Bug::AckFirst), REFLECTED, one_crash);
    is_found(Some(Bug::CoversOwnTime), REFLECTED, NO_FOLLOW_UP);
    is_found(Some(Bug::ReusedFollowUp), REFLECTED, SMALL);
}

/// A known limit: a copy of a message joins a run, which fails; the other copy begins the next run, and others join
/// that; then the first copy is acknowledged, and the second run fails too. Nothing is left in the queue.
#[test]
fn a_message_that_is_received_twice_is_lost_where_two_runs_fail() {
    let chances = Chances { duplicates: 1, failures: 1, ..NONE };
    is_found(None, REFLECTED, Protocol { chances, ..NO_FOLLOW_UP });
}
