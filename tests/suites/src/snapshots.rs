//! The suite of [`SnapshotStore`], and a store in memory.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use async_trait::async_trait;
use futures::future::join_all;
use quiz_pipeline::ports::{SnapshotStore, StoreError};

/// Snapshots in memory, for tests of the code that reads and saves them.
#[derive(Debug, Default)]
pub struct MemorySnapshots(Mutex<HashMap<String, Vec<u8>>>);

impl MemorySnapshots {
    fn with<T>(&self, change: impl FnOnce(&mut HashMap<String, Vec<u8>>) -> T) -> T {
        change(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Drops all snapshots, as their expiry does.
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

/// Asserts the promises of the port. `piece` is the size in bytes of the store's pieces, if it cuts snapshots. The suite
/// owns the quizzes whose ids begin with `quiz`.
pub async fn snapshot_store(store: &dyn SnapshotStore, quiz: &str, piece: usize) {
    loaded_snapshot_equals_saved_bytes(store, quiz, piece).await;
    newer_snapshot_replaces_older(store, quiz, piece).await;
    each_quiz_has_its_own_snapshot(store, quiz, piece).await;
    concurrent_saves_never_mix(store, quiz, piece).await;
    load_during_a_save_is_whole(store, quiz, piece).await;
}

/// Bytes whose pieces all differ, also from the pieces of another seed.
fn bytes(seed: u64, length: usize) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        state.to_be_bytes()[0]
    };
    std::iter::repeat_with(next).take(length).collect()
}

/// Compares without printing megabytes.
fn assert_same(found: Option<&Vec<u8>>, saved: &Vec<u8>, what: &str) {
    let length = found.map(Vec::len);
    assert!(found == Some(saved), "{what}: {length:?} bytes differ from the {} saved", saved.len());
}

async fn saved(store: &dyn SnapshotStore, quiz: &str, seed: u64, length: usize) {
    let snapshot = bytes(seed, length);
    store.save(quiz, snapshot.clone()).await.unwrap();
    assert_same(store.load(quiz).await.unwrap().as_ref(), &snapshot, &format!("{quiz}, seed {seed}"));
}

async fn loaded_snapshot_equals_saved_bytes(store: &dyn SnapshotStore, quiz: &str, piece: usize) {
    let lengths = [0, 1, piece - 1, piece, piece + 1, 2 * piece, 3 * piece + 7];
    for (length, seed) in lengths.into_iter().zip(1..) {
        let quiz = format!("{quiz} of {length} bytes");
        assert_eq!(store.load(&quiz).await.unwrap(), None, "no snapshot yet");
        saved(store, &quiz, seed, length).await;
    }
}

async fn newer_snapshot_replaces_older(store: &dyn SnapshotStore, quiz: &str, piece: usize) {
    let quiz = format!("{quiz} renewed");
    for (length, seed) in [2 * piece, 3 * piece, 3 * piece, piece + 1, 5, 0, 2 * piece].into_iter().zip(1..) {
        saved(store, &quiz, seed, length).await;
    }
    // the same bytes again
    saved(store, &quiz, 7, 2 * piece).await;
}

async fn each_quiz_has_its_own_snapshot(store: &dyn SnapshotStore, quiz: &str, piece: usize) {
    let quizzes = ["a", "a#1", "a#b", "प्रश्न"].map(|name| format!("{quiz} {name}"));
    let snapshots: Vec<Vec<u8>> = (1..).zip(&quizzes).map(|(seed, _)| bytes(seed, piece + 1)).collect();
    for (quiz, snapshot) in quizzes.iter().zip(&snapshots) {
        store.save(quiz, snapshot.clone()).await.unwrap();
    }
    saved(store, &quizzes[0], 9, 2 * piece).await;
    for (quiz, snapshot) in quizzes.iter().zip(&snapshots).skip(1) {
        assert_same(store.load(quiz).await.unwrap().as_ref(), snapshot, quiz);
    }
}

async fn concurrent_saves_never_mix(store: &dyn SnapshotStore, quiz: &str, piece: usize) {
    let quiz = format!("{quiz} raced");
    for round in 0..4 {
        let several = [2 * piece, 2 * piece, 3 * piece].into_iter().zip(1..);
        let snapshots: Vec<Vec<u8>> =
            several.map(|(length, seed)| bytes(10 * round + seed, length)).collect();
        for save in join_all(snapshots.iter().map(|snapshot| store.save(&quiz, snapshot.clone()))).await {
            save.unwrap();
        }
        let found = store.load(&quiz).await.unwrap();
        assert!(found.is_none_or(|snapshot| snapshots.contains(&snapshot)), "mixed or older snapshot");
    }
    saved(store, &quiz, 99, 2 * piece).await;
}

async fn load_during_a_save_is_whole(store: &dyn SnapshotStore, quiz: &str, piece: usize) {
    let quiz = format!("{quiz} loaded during save");
    let snapshots: Vec<Vec<u8>> = (1..=4).map(|seed| bytes(seed, 2 * piece + 1)).collect();
    let saves = async {
        for snapshot in &snapshots {
            store.save(&quiz, snapshot.clone()).await.unwrap();
        }
    };
    let loads = async {
        for _ in 0..8 {
            let found = store.load(&quiz).await.unwrap();
            assert!(found.is_none_or(|snapshot| snapshots.contains(&snapshot)), "mixed snapshot");
        }
    };
    futures::join!(saves, loads);
    assert_same(store.load(&quiz).await.unwrap().as_ref(), &snapshots[3], &quiz);
}

#[test]
fn memory_snapshots_fulfil_the_port() {
    let store = MemorySnapshots::default();
    futures::executor::block_on(snapshot_store(&store, "quiz", 100));
    store.forget();
    assert_eq!(futures::executor::block_on(store.load("quiz renewed")).unwrap(), None);
}
