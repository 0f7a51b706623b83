//! Hundreds of students finish at once, with thousands of events: the deployed sync-reports handles all events with a few
//! syncs.

use std::collections::{HashMap, HashSet};
use std::time::Instant;

use anyhow::anyhow;
use quiz_e2e::{PATIENCE, Pipeline};
use quiz_sample::sapa;
use quiz_stack::{Delivery, eventually, insert};
use serde_json::Value;

const SESSIONS: usize = 400;
/// The steps: the number of stored attempts, then the number of published events of ended attempts.
const AT_ONCE: (usize, usize) = (100, 1_250);
const EVENTS: u64 = 5_000;

fn lines<'a>(logged: &'a [Value], message: &str) -> Vec<&'a Value> {
    logged.iter().filter(|line| line["message"] == message).collect()
}

fn messages(lines: &[&Value]) -> u64 {
    lines.iter().filter_map(|line| line["messages"].as_u64()).sum()
}

#[tokio::test]
async fn five_thousand_completions_need_few_syncs() {
    let mut documents = sapa::documents().unwrap();
    let mut sessions = std::mem::take(&mut documents.sessions);
    sessions.truncate(SESSIONS);
    let completions: HashMap<String, String> = sapa::completion_events()
        .unwrap()
        .into_iter()
        .map(|event| (event["user_id"].as_str().unwrap().to_owned(), event.to_string()))
        .collect();
    let pipeline = Pipeline::deploy(&documents, Delivery::Envelope).await;
    let (stack, function) = (pipeline.stack, &pipeline.deployed);
    let database = stack.mongodb().await.unwrap().database(function.deployment.name());
    function.set_environment(&[("SYNC_INTERVAL_SECONDS", "90")]).await;
    function.consume(10, 4).await;

    let started = Instant::now();
    let mut random = fastrand::Rng::with_seed(7);
    let mut users: Vec<String> = Vec::new();
    for (at, chunk) in sessions.chunks(AT_ONCE.0).enumerate() {
        let is_last = (at + 1) * AT_ONCE.0 >= SESSIONS;
        if is_last {
            // only the read of a follow-up can see these
            let synced = eventually("the first sync", PATIENCE, async || {
                Ok((!lines(&function.logged().await, "sync finished").is_empty()).then_some(()))
            });
            synced.await.unwrap();
        }
        insert(&database, "sessions", chunk.to_vec()).await.unwrap();
        let ended = chunk.iter().filter(|session| session.get_bool("has_quiz_ended").unwrap());
        let ended = ended.map(|session| session.get_str("user_id").unwrap().to_owned());
        users.extend(ended.filter(|user| user != sapa::ADMINISTRATOR));
        // the newest users always get an event, and each user gets several
        let repeated = users.iter().rev().cycle().take(AT_ONCE.1);
        let mut events: Vec<String> = repeated.map(|user| completions[user].clone()).collect();
        random.shuffle(&mut events);
        stack.publish_all(&function.topic, &events, &[]).await.unwrap();
    }
    let published = started.elapsed().as_secs_f64();
    eventually("all but a follow-up to be consumed", PATIENCE, async || {
        let depth = stack.queue_depth(&function.queue.url).await?;
        if depth.visible + depth.in_flight == 0 { Ok(Some(())) } else { Err(anyhow!("{depth:?}")) }
    })
    .await
    .unwrap();
    let consumed = started.elapsed().as_secs_f64();
    function.wait().await;
    let done = started.elapsed().as_secs_f64();

    assert_eq!(function.dead_letters().await, 0);
    let users: HashSet<String> = users.into_iter().collect();
    let items = pipeline.session_items(&pipeline.v1, sapa::SESSION_ID).await;
    assert_eq!(items.len(), users.len() * 5);
    let reported = items.iter().map(|item| item["user_id"].as_str().unwrap().to_owned());
    assert_eq!(reported.collect::<HashSet<_>>(), users);
    assert_eq!(pipeline.session_items(&pipeline.v2, sapa::SESSION_ID).await.len(), users.len());

    let logged = function.logged().await;
    let syncs = lines(&logged, "sync finished");
    let absorbed = messages(&lines(&logged, "messages done without a sync of their own"));
    let batches = lines(&logged, "batch handled");
    println!(
        "{EVENTS} events published in {published:.1} s, consumed after {consumed:.1} s, done after {done:.1} s: {} \
         syncs of {} messages, {absorbed} messages absorbed, {} handled in {} batches",
        syncs.len(),
        messages(&syncs),
        messages(&batches),
        batches.len()
    );
    assert!((2..=5).contains(&syncs.len()), "{syncs:?}");
    assert!(messages(&syncs) + absorbed >= EVENTS, "some messages were not handled");
}
