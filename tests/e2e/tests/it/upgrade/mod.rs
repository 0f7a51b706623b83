//! An upgrade from an old version to this one, and back: `tests/upgrade` builds the old version and runs these tests.
//!
//! CloudFormation updates a deployment that has data. During the shift of traffic, both versions get messages from the same
//! queues and use the same tables; a rollback gives the old version what the new one has stored. So each version must read
//! everything that the other one writes. CONTRIBUTING.md says which changes keep this rule.

mod contents;
mod fixture;
mod side_by_side;

use contents::Contents;
use fixture::{UpgradeFixture, Version};

/// The quiz whose completion waits in the queues during an update.
const QUEUED: usize = 1;
/// The quiz whose sync is parked and not finished before an update.
const PARKED: usize = 2;

impl UpgradeFixture {
    /// Leaves a parked test session, a broken message, unread notices and a queued completion to the next version.
    async fn leave_work(&self, round: usize) {
        self.spoil_quiz(PARKED).await;
        let parked = self.complete(PARKED, &format!("parked {round}")).await;
        self.publish(&[parked, "not an id".to_owned()]).await;
        self.consume().await;
        self.restore_quiz(PARKED).await;
        self.pause().await;
        let queued = self.complete(QUEUED, &format!("queued {round}")).await;
        self.publish(&[queued]).await;
    }

    /// Checks that the running version finishes the work of the version before.
    async fn finish_work(&self, round: usize) {
        self.consume().await;
        assert_eq!(self.have_results(QUEUED, &[format!("queued {round}")]).await, [true; 2]);
        for sink in self.sinks() {
            assert_eq!(sink.dead_letters().await, 2 * (round as u64 + 1), "{}", sink.name);
        }

        let parked = [format!("parked {round}")];
        assert_eq!(self.have_results(PARKED, &parked).await, [false; 2]);
        assert_eq!(self.reconcile("live").await, 1, "the parked test session is stale");
        self.consume().await;
        assert_eq!(self.have_results(PARKED, &parked).await, [true; 2]);
        assert_eq!(self.reconcile("live").await, 0);

        self.notices.consume(10, 2).await;
        self.notices.wait().await;
        assert_eq!(self.notices.dead_letters().await, 0);
        assert_eq!(self.deployment.discord.violations(), Vec::<String>::new());
    }

    /// Syncs all test sessions again: their answers are the same, so no report item may change.
    async fn sync_unchanged(&self) {
        let before = self.report_items().await;
        self.publish(&self.session_ids()).await;
        self.consume().await;
        before.assert_equals(&self.report_items().await, "a sync of the same answers");
    }

    async fn report_items(&self) -> Contents {
        Contents::read_reports(self.stack, &self.deployment).await
    }
}

#[tokio::test]
#[ignore = "needs an old version: run tests/upgrade"]
async fn update_and_rollback_keep_all_data() {
    let (old, new) = (Version::old(), Version::new());
    let mut fixture = UpgradeFixture::deploy(&old).await;
    fixture.publish(&fixture.session_ids()).await;
    fixture.consume().await;
    let resources = fixture.kept_resources().await;
    for (round, version) in [&new, &old, &new].into_iter().enumerate() {
        fixture.leave_work(round).await;
        let before = Contents::read(fixture.stack, &fixture.deployment).await;
        assert!(before.count() > 4_000, "{}", before.count());

        fixture.update(version).await;
        let event = format!("the update to the {} version", version.name);
        let updated = fixture.kept_resources().await;
        for (name, made) in &resources {
            assert_eq!(updated.get(name), Some(made), "{event} replaces {name}");
        }
        let after = Contents::read(fixture.stack, &fixture.deployment).await;
        before.assert_equals(&after, &event);
        fixture.finish_work(round).await;
        fixture.sync_unchanged().await;
    }
}
