//! A sync rewrites an item only if its digest differs from the stored one. So a release that changes a digest rewrites all
//! items of every test session at its next sync: this snapshot makes such a change visible.

use std::fmt::Write;

use quiz_domain::reports::{ContentDigest, ReportTable};
use quiz_e2e::{quizzes, run_local};
use quiz_local::SqliteStore;
use quiz_suites::store::session_items;

#[tokio::test]
async fn report_items_keep_their_digests() {
    let documents = quizzes::documents();
    let folder = run_local(&documents, false);
    let store = SqliteStore::open_existing(folder.path().join("out/reports.db")).unwrap();
    let mut text = String::new();
    for quiz in &documents.quizzes {
        let id = quiz.get_str("_id").unwrap();
        for table in ReportTable::ALL {
            let items = session_items(&store, table, id).await;
            let digests = items.iter().map(|item| {
                let digest = ContentDigest::parse(item[ContentDigest::ATTRIBUTE].as_str().unwrap()).unwrap();
                u128::from_be_bytes(digest.to_bytes())
            });
            // depends on each digest and on the order of the items
            let all = digests.fold(0_u128, |all, digest| all.rotate_left(1) ^ digest);
            if !items.is_empty() {
                writeln!(text, "quiz {id}, {}: {} items, {all:032x}", table.default_name(), items.len())
                    .unwrap();
            }
        }
    }
    insta::assert_snapshot!(text);
}
