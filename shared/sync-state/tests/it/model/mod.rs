//! The lease protocol, checked in every order of events within small bounds.
//!
//! Workers take messages, decide by the crate's own rules, and do the same steps as the pipeline's coordinator. A check
//! fails if, with nothing under way, the sink lacks an announced completion, or if a run writes after another run has taken
//! over. A state outside the bounds is not checked. Planted bugs show that the checks find mistakes.
//!
//! See docs/decisions/0008-sync-state.md.

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

/// No follow-up becomes visible within the bounds, so that none hides a mistake.
const NO_FOLLOW_UP: Protocol = Protocol { rules: rules(0, 2, 9), ..SMALL };

fn check(protocol: Protocol) -> impl Checker<Protocol> {
    let checker = protocol.checker().spawn_bfs().join();
    println!("{} states, {} deep", checker.unique_state_count(), checker.max_depth());
    for name in [REFLECTED, IN_ORDER] {
        if let Some(path) = checker.discovery(name) {
            let last = path.last_state().clone();
            let actions: Vec<String> =
                path.into_actions().iter().map(|action| format!("{action:?}")).collect();
            panic!("not so: {name}\n{}\n{last:#?}", actions.join("\n"));
        }
    }
    assert!(checker.is_done());
    checker
}

/// Checks all properties, and that each branch of the protocol is reached.
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
fn nothing_is_lost_after_a_crash() {
    holds(Protocol { chances: Chances { crashes: 1, ..NONE }, ..SMALL });
}

#[test]
fn nothing_is_lost_after_a_duplicate_receive() {
    let chances = Chances { duplicates: 1, ..NONE };
    check(Protocol { rules: rules(0, 9, 0), chances, ..SMALL });
}

#[test]
fn nothing_is_lost_after_a_failure() {
    holds(Protocol { chances: Chances { failures: 1, ..NONE }, ..SMALL });
}

#[test]
fn nothing_is_lost_with_pauses_and_heartbeats() {
    holds(Protocol { parts: 2, chances: Chances { pauses: 1, ..NONE }, ..SMALL });
    holds(Protocol { parts: 2, chances: Chances { heartbeats: 1, ..NONE }, ..SMALL });
}

#[test]
fn nothing_is_lost_with_deferred_syncs() {
    let one_crash = Chances { crashes: 1, ..NONE };
    holds(Protocol { rules: rules(0, 2, 2), last_tick: 5, chances: one_crash, ..SMALL });
    holds(Protocol { chances: Chances { hurries: 1, ..NONE }, ..SMALL });
}

#[test]
fn nothing_is_lost_within_the_clock_margin() {
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
fn duplicate_receive_and_two_failures_lose_a_message() {
    let chances = Chances { duplicates: 1, failures: 1, ..NONE };
    is_found(None, REFLECTED, Protocol { chances, ..NO_FOLLOW_UP });
}
