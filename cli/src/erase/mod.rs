//! `quiz-etl erase`: erases one student from the report tables, the warehouse, the snapshots and the dead-letter queues.
//!
//! Problem: a sync writes each student whose attempts it reads, and a run that read them before they were deleted can
//! write the student at any moment until its lease is over. Idea: let syncs do most of the work.
//!
//! 1. Refuse while MongoDB has attempts of the student, unless the functions exclude the student (`source`).
//! 2. Find the items, rows and parked messages of the student (`find`), show the plan and ask (`plan`, `view`).
//! 3. Delete the snapshots of the student's quizzes, as the next steps can remove what names these quizzes.
//! 4. Request a sync of each test session whose quiz exists, and wait for it. The sync reads after step 1, so its result
//!    lacks the student: it deletes the leftover items, replaces the rows, and ranks the others anew. Runs of one test
//!    session follow each other, and BigQuery refuses the commit of an older run, so no older run writes after it.
//! 5. Where no sync has succeeded, wait until no run has the lease: a later run reads no attempt of the student.
//! 6. Find again. If a synced test session has the student, a run has read new attempts: stop. Delete the rest directly:
//!    test sessions without a quiz, failed syncs, formats that no function writes any more.
//! 7. Delete the snapshots again, as an older run may have stored one, and drop the parked messages.
//! 8. Check MongoDB and find once more: nothing is left.
//!
//! Each step finds what it needs in the stores, and repeats without harm. So a killed command only has to run again: until
//! step 4 the stores name the quizzes of the snapshots, and the parked messages stay until the end.

mod args;
mod find;
mod plan;
mod run;
mod stores;
mod syncs;
mod view;

pub use args::EraseArgs;
pub use run::erase;
