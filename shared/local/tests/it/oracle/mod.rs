//! The promise of the pipeline, tried with thousands of histories: students who start, resume and complete; events
//! that come twice, late, out of order or not at all; workers that crash, stall and lose their lease between any two
//! calls; stores and queues that fail; writes that are applied after they were given up. At the end each sink holds exactly what a single quiet run over the final
//! documents gives, or the dead-letter queue says why not.
//!
//! A history follows from its seed: `ORACLE_SEED=n cargo test -p quiz-local --test it oracle::` runs one alone,
//! `ORACLE_HISTORIES=n` so many.

mod bugs;
mod check;
mod deployment;
mod history;
mod late;
mod ports;
mod sim;

use std::sync::atomic::{AtomicU64, Ordering};

use bugs::Bug;
use quiz_suites::exam as documents;

/// One in so many histories has the warehouse, too: its files cost more time than all else.
const WITH_WAREHOUSE: u64 = 16;

fn has_warehouse(seed: u64, bug: Option<Bug>) -> bool {
    // only reports can be written late
    let is_of_reports = matches!(bug, Some(Bug::LateBeyondLease | Bug::EndsBeforeLate));
    seed.is_multiple_of(WITH_WAREHOUSE) && !is_of_reports
}

fn number(variable: &str) -> Option<u64> {
    std::env::var(variable).ok()?.parse().ok()
}

/// The first of these histories that goes wrong, on as many threads as there are cores.
fn first_fault(histories: u64, bug: Option<Bug>) -> Option<String> {
    let (next, found) = (AtomicU64::new(0), std::sync::Mutex::new(None));
    let threads = std::thread::available_parallelism().map_or(2, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                while found.lock().unwrap().is_none() {
                    let seed = next.fetch_add(1, Ordering::SeqCst);
                    if seed >= histories {
                        return;
                    }
                    if let Err(fault) = history::run(seed, has_warehouse(seed, bug), bug) {
                        found.lock().unwrap().get_or_insert((seed, fault));
                    }
                }
            });
        }
    });
    found.into_inner().unwrap().map(|(seed, fault)| {
        println!("history {seed} goes wrong");
        fault
    })
}

#[test]
fn whatever_breaks_each_sink_holds_what_a_quiet_run_gives_or_the_dead_letter_queue_says_why() {
    if let Some(seed) = number("ORACLE_SEED") {
        history::run(seed, has_warehouse(seed, None), None).unwrap_or_else(|fault| panic!("{fault}"));
        return;
    }
    let histories = number("ORACLE_HISTORIES").unwrap_or(2_000);
    if let Some(fault) = first_fault(histories, None) {
        panic!("{fault}");
    }
}

fn is_found(bug: Bug) {
    let fault = first_fault(2_000, Some(bug));
    assert!(fault.is_some(), "{bug:?} is not found");
}

#[test]
fn a_join_that_does_not_look_at_the_lease_is_found() {
    is_found(Bug::BlindJoin);
}

#[test]
fn a_write_after_the_lease_is_found() {
    is_found(Bug::NoFence);
}

#[test]
fn an_acknowledgement_before_the_write_is_found() {
    is_found(Bug::AcknowledgedFirst);
}

#[test]
fn a_read_that_counts_as_later_than_what_was_sent_at_its_own_time_is_found() {
    is_found(Bug::ReadCoversItsOwnTime);
}

#[test]
fn late_write_beyond_the_lease_is_found() {
    is_found(Bug::LateBeyondLease);
}

#[test]
fn end_before_a_late_write_is_found() {
    is_found(Bug::EndsBeforeLate);
}
