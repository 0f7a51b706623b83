//! The promise of the pipeline, tested with thousands of random histories.
//!
//! Students start, resume and complete attempts. Events arrive twice, late, out of order or never. Workers crash, stall
//! and lose their lease between any two calls. Stores and queues fail, and apply writes after their callers gave up.
//! The invariant: at the end each sink holds exactly the results of one quiet run over the final documents, or the
//! dead-letter queue holds the cause. Planted bugs show that the oracle finds a fault.
//!
//! The seed decides the whole history: `ORACLE_SEED=n cargo test -p quiz-local --test it oracle::` runs one history,
//! `ORACLE_HISTORIES=n` sets their number.

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

/// One in this many histories includes the warehouse, because its files take most of the time.
const WITH_WAREHOUSE: u64 = 16;

fn has_warehouse(seed: u64, bug: Option<Bug>) -> bool {
    // only reports can be written late
    let is_of_reports = matches!(bug, Some(Bug::LateBeyondLease | Bug::EndsBeforeLate));
    seed.is_multiple_of(WITH_WAREHOUSE) && !is_of_reports
}

fn number(variable: &str) -> Option<u64> {
    std::env::var(variable).ok()?.parse().ok()
}

/// The first history with a fault; one thread for each core.
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
fn every_history_ends_as_a_quiet_run() {
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
fn join_without_lease_check_is_found() {
    is_found(Bug::BlindJoin);
}

#[test]
fn write_after_the_lease_is_found() {
    is_found(Bug::NoFence);
}

#[test]
fn acknowledgement_before_the_write_is_found() {
    is_found(Bug::AcknowledgedFirst);
}

#[test]
fn read_covering_equal_send_time_is_found() {
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
