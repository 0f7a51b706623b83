//! The suite of [`SnapshotStore`], and one in memory.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use async_trait::async_trait;
use futures::future::join_all;
use quiz_pipeline::ports::{SnapshotStore, StoreError};

/// Snapshots in memory, for tests of what reads and saves them.
#[derive(Debug, Default)]
pub struct MemorySnapshots(Mutex<HashMap<String, Vec<u8>>>);

impl MemorySnapshots {
    fn with<T>(&self, change: impl FnOnce(&mut HashMap<String, Vec<u8>>) -> T) -> T {
        change(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Loses all of them, as time does.
    pub fn forget(&self) {
        self.with(HashMap::clear);
    }
}

#[async_trait]
impl SnapshotStore for MemorySnapshots {
    async fn load(&self, quiz_id: &str) -> Result<Option<Vec<u8>>, StoreError> {
        Ok(self.with(|all| all.get(quiz_id).cloned()))
    }

    async fn save(&self, quiz_id: &str, snapshot: Vec<u8>) -> Result<(), StoreError> {
        self.with(|all| all.insert(quiz_id.to_owned(), snapshot));
        Ok(())
    }
}

/// Asserts that a store of snapshots does what the port promises. `piece` is in how many bytes it cuts them, if it does.
/// The quizzes whose ids begin with `quiz` are the suite's.
pub async fn snapshot_store(store: &dyn SnapshotStore, quiz: &str, piece: usize) {
    what_is_saved_is_loaded_byte_for_byte(store, quiz, piece).await;
    a_newer_one_replaces_an_older(store, quiz, piece).await;
    quizzes_have_their_own(store, quiz, piece).await;
    of_two_saves_at_once_one_wins_or_neither(store, quiz, piece).await;
    what_is_loaded_beside_a_save_is_whole(store, quiz, piece).await;
}

/// Bytes in which no piece is like another, nor like one of another seed.
fn bytes(seed: u64, length: usize) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        state.to_be_bytes()[0]
    };
    std::iter::repeat_with(next).take(length).collect()
}

/// A difference of megabytes is not to be printed.
fn assert_same(found: Option<&Vec<u8>>, saved: &Vec<u8>, what: &str) {
    let length = found.map(Vec::len);
    assert!(found == Some(saved), "{what}: {length:?} bytes that are not the {} saved", saved.len());
}

async fn saved(store: &dyn SnapshotStore, quiz: &str, seed: u64, length: usize) {
    let snapshot = bytes(seed, length);
    store.save(quiz, snapshot.clone()).await.unwrap();
    assert_same(store.load(quiz).await.unwrap().as_ref(), &snapshot, &format!("{quiz}, seed {seed}"));
}

async fn what_is_saved_is_loaded_byte_for_byte(store: &dyn SnapshotStore, quiz: &str, piece: usize) {
    let lengths = [0, 1, piece - 1, piece, piece + 1, 2 * piece, 3 * piece + 7];
    for (length, seed) in lengths.into_iter().zip(1..) {
        let quiz = format!("{quiz} of {length} bytes");
        assert_eq!(store.load(&quiz).await.unwrap(), None, "nothing is there yet");
        saved(store, &quiz, seed, length).await;
    }
}

async fn a_newer_one_replaces_an_older(store: &dyn SnapshotStore, quiz: &str, piece: usize) {
    let quiz = format!("{quiz} renewed");
    for (length, seed) in [2 * piece, 3 * piece, 3 * piece, piece + 1, 5, 0, 2 * piece].into_iter().zip(1..) {
        saved(store, &quiz, seed, length).await;
    }
    // the same again
    saved(store, &quiz, 7, 2 * piece).await;
}

async fn quizzes_have_their_own(store: &dyn SnapshotStore, quiz: &str, piece: usize) {
    let quizzes = ["a", "a#1", "a#b", "प्रश्न"].map(|it| format!("{quiz} {it}"));
    let snapshots: Vec<Vec<u8>> = (1..).zip(&quizzes).map(|(seed, _)| bytes(seed, piece + 1)).collect();
    for (quiz, snapshot) in quizzes.iter().zip(&snapshots) {
        store.save(quiz, snapshot.clone()).await.unwrap();
    }
    saved(store, &quizzes[0], 9, 2 * piece).await;
    for (quiz, snapshot) in quizzes.iter().zip(&snapshots).skip(1) {
        assert_same(store.load(quiz).await.unwrap().as_ref(), snapshot, quiz);
    }
}

async fn of_two_saves_at_once_one_wins_or_neither(store: &dyn SnapshotStore, quiz: &str, piece: usize) {
    let quiz = format!("{quiz} raced");
    for round in 0..4 {
        let several = [2 * piece, 2 * piece, 3 * piece].into_iter().zip(1..);
        let snapshots: Vec<Vec<u8>> =
            several.map(|(length, seed)| bytes(10 * round + seed, length)).collect();
        for save in join_all(snapshots.iter().map(|it| store.save(&quiz, it.clone()))).await {
            save.unwrap();
        }
        let found = store.load(&quiz).await.unwrap();
        assert!(found.is_none_or(|it| snapshots.contains(&it)), "a mixture, or an older one");
    }
    saved(store, &quiz, 99, 2 * piece).await;
}

async fn what_is_loaded_beside_a_save_is_whole(store: &dyn SnapshotStore, quiz: &str, piece: usize) {
    let quiz = format!("{quiz} loaded meanwhile");
    let snapshots: Vec<Vec<u8>> = (1..=4).map(|seed| bytes(seed, 2 * piece + 1)).collect();
    let saves = async {
        for snapshot in &snapshots {
            store.save(&quiz, snapshot.clone()).await.unwrap();
        }
    };
    let loads = async {
        for _ in 0..8 {
            let found = store.load(&quiz).await.unwrap();
            assert!(found.is_none_or(|it| snapshots.contains(&it)), "a mixture");
        }
    };
    futures::join!(saves, loads);
    assert_same(store.load(&quiz).await.unwrap().as_ref(), &snapshots[3], &quiz);
}

#[test]
fn the_one_in_memory_does_what_the_port_promises() {
    let store = MemorySnapshots::default();
    futures::executor::block_on(snapshot_store(&store, "quiz", 100));
    store.forget();
    assert_eq!(futures::executor::block_on(store.load("quiz renewed")).unwrap(), None);
}
