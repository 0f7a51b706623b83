//! What the store does when DynamoDB throttles, fails or refuses: against a stub that answers so.

use std::time::{Duration, Instant};

use quiz_domain::Value;
use quiz_domain::reports::ReportTable::FormResponses;
use quiz_dynamo::WriteLimits;
use quiz_pipeline::ports::{Fence, ReportStore, StoreError};

use crate::common::stub::{Reply, Stub};
use crate::common::{item, items, nested, quick, store_at};

const THROTTLED: Reply = Reply::Error(400, "ProvisionedThroughputExceededException", "too fast");

#[tokio::test]
async fn everything_is_written_in_the_end_whatever_fails_for_a_while() {
    let stub = Stub::start(|number, _| match number {
        0 => Reply::Leave(10),
        1 => Reply::Error(400, "ProvisionedThroughputExceededException", "too fast"),
        2 => Reply::Error(500, "InternalServerError", "oh"),
        3 => Reply::Cut,
        4 => Reply::Html(503),
        5 => Reply::Leave(3),
        6 => Reply::Error(400, "ThrottlingException", "too fast"),
        7 => Reply::Error(400, "RequestLimitExceeded", "too fast"),
        _ => Reply::Take,
    })
    .await;
    let outcome =
        store_at(&stub.endpoint, quick()).put(FormResponses, items(60), &Fence::open()).await.unwrap();
    assert_eq!((outcome.written, outcome.refused.len()), (60, 0));
    assert_eq!(stub.written().len(), 60);
    // nothing was sent twice that was taken, and no layer below retried by itself
    let sizes: Vec<usize> = stub.requests().iter().map(Vec::len).collect();
    assert_eq!(sizes, [25, 10, 10, 10, 10, 10, 3, 3, 3, 25, 10]);
}

#[tokio::test]
async fn a_table_that_stays_throttled_is_unavailable_and_says_what_is_left() {
    let stub = Stub::start(|number, _| if number == 0 { Reply::Take } else { THROTTLED }).await;
    let error =
        store_at(&stub.endpoint, quick()).put(FormResponses, items(60), &Fence::open()).await.unwrap_err();
    assert!(error.is_retryable());
    assert_eq!(
        error.to_string(),
        "could not write table form_question_responses: 35 items are left, after 6 attempts in a row that \
         wrote nothing: ProvisionedThroughputExceededException: too fast"
    );
    assert_eq!(stub.requests().len(), 1 + 6);
}

#[tokio::test]
async fn unprocessed_items_that_stay_so_are_given_up() {
    let stub = Stub::start(|_, keys| Reply::Leave(keys.len())).await;
    let error =
        store_at(&stub.endpoint, quick()).put(FormResponses, items(3), &Fence::open()).await.unwrap_err();
    assert!(error.is_retryable() && error.to_string().contains("3 items are left"), "{error}");
    assert_eq!(stub.requests().len(), 6);
}

#[tokio::test]
async fn retries_end_with_their_time() {
    let stub = Stub::start(|_, _| THROTTLED).await;
    let limits = WriteLimits { attempts: u32::MAX, total: Duration::from_millis(100), ..quick() };
    let started = Instant::now();
    let error =
        store_at(&stub.endpoint, limits).put(FormResponses, items(1), &Fence::open()).await.unwrap_err();
    assert!(error.is_retryable(), "{error}");
    assert!(started.elapsed() < Duration::from_secs(20));
    assert!(stub.requests().len() > 1);
}

#[tokio::test]
async fn a_server_that_is_not_there_is_unavailable() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let store = store_at(&endpoint, quick());
    let error = store.put(FormResponses, items(1), &Fence::open()).await.unwrap_err();
    assert!(matches!(&error, StoreError::Unavailable { .. }), "{error}");
}

#[tokio::test]
async fn a_server_that_does_not_answer_is_given_up() {
    // accepts connections by its backlog, and says nothing
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    let limits = WriteLimits { request: Duration::from_millis(100), attempts: 2, ..quick() };
    let error = store_at(&endpoint, limits).put(FormResponses, items(1), &Fence::open()).await.unwrap_err();
    assert!(error.is_retryable() && error.to_string().contains("1 items are left"), "{error}");
}

#[tokio::test]
async fn an_item_that_dynamodb_finds_invalid_costs_no_other() {
    let stub = Stub::start(|_, keys| {
        let culprit = keys.iter().any(|key| key == "u007#0" || key == "u031#0");
        if culprit { Reply::Error(400, "ValidationException", "bad item") } else { Reply::Take }
    })
    .await;
    let outcome =
        store_at(&stub.endpoint, quick()).put(FormResponses, items(40), &Fence::open()).await.unwrap();
    let refused: Vec<_> =
        outcome.refused.iter().map(|it| (it.sort_key.as_str(), it.reason.as_str())).collect();
    assert_eq!(refused, [("u007#0", "bad item"), ("u031#0", "bad item")]);
    assert_eq!((outcome.written, stub.written().len()), (38, 38));
    assert!(stub.requests().len() < 22, "halving is to save requests: {}", stub.requests().len());
}

#[tokio::test]
async fn an_item_that_cannot_be_held_is_not_sent() {
    let stub = Stub::start(|_, _| Reply::Take).await;
    let long = "u".repeat(1_023);
    let items = vec![
        item("session", "fits", nested(32)),
        item("session", "deep", nested(33)),
        item("session", "large", Value::Text("x".repeat(409_600))),
        item("session", &long, Value::Null),
        item("", "no session", Value::Null),
        item(&"s".repeat(2_049), "long session", Value::Null),
        item("session", "fits too", Value::Text("x".repeat(409_000))),
    ];
    let outcome = store_at(&stub.endpoint, quick()).put(FormResponses, items, &Fence::open()).await.unwrap();
    assert_eq!(stub.written().into_iter().collect::<Vec<_>>(), ["fits too#0", "fits#0"]);
    assert_eq!(outcome.written, 2);
    let reasons: Vec<_> = outcome.refused.iter().map(|it| it.reason.as_str()).collect();
    assert!(reasons[0].contains("33 levels"), "{reasons:?}");
    assert!(reasons[1].contains("bytes; DynamoDB takes at most 409600"), "{reasons:?}");
    assert!(reasons[2].contains("has 1025 bytes; DynamoDB takes at most 1024"), "{reasons:?}");
    assert_eq!(reasons[3], "its session_id is empty");
    assert!(reasons[4].contains("has 2049 bytes; DynamoDB takes at most 2048"), "{reasons:?}");
    assert_eq!(outcome.refused[0].sort_key, "deep#0");
}

#[tokio::test]
async fn what_no_retry_mends_is_refused_at_once() {
    let cases = [
        ("ResourceNotFoundException", "Requested resource not found", "there is no such table"),
        ("AccessDeniedException", "not authorized", "allow the role dynamodb:BatchWriteItem"),
        (
            "ValidationException",
            "The provided key element does not match the schema",
            "its keys must be session_id",
        ),
        ("SomethingNewException", "what", "SomethingNewException: what"),
    ];
    for (code, message, said) in cases {
        let stub = Stub::start(move |_, _| Reply::Error(400, code, message)).await;
        let error = store_at(&stub.endpoint, quick())
            .put(FormResponses, items(60), &Fence::open())
            .await
            .unwrap_err();
        assert!(matches!(&error, StoreError::Refused { .. }), "{error}");
        let text = error.to_string();
        assert!(text.contains("table form_question_responses") && text.contains(said), "{text}");
        assert_eq!(stub.requests().len(), 1, "{code}");
    }
}

#[tokio::test]
async fn sessions_that_run_together_share_the_requests_in_flight() {
    let stub = Stub::start(|_, _| Reply::Take).await;
    let store = store_at(&stub.endpoint, WriteLimits { requests: 3, ..quick() });
    let fence = Fence::open();
    let (one, other) = tokio::join!(
        store.put(FormResponses, items(300), &fence),
        store.put(FormResponses, items(300), &fence)
    );
    assert_eq!((one.unwrap().written, other.unwrap().written), (300, 300));
    assert!((2..=3).contains(&stub.peak()), "{} at once", stub.peak());
}

#[tokio::test]
async fn as_many_requests_are_in_flight_as_are_taken_and_fewer_while_it_throttles() {
    let stub =
        Stub::start(|number, _| if (80..120).contains(&number) { THROTTLED } else { Reply::Take }).await;
    let store = store_at(&stub.endpoint, WriteLimits { requests: 16, attempts: 50, ..quick() });
    let outcome = store.put(FormResponses, items(6_000), &Fence::open()).await.unwrap();
    assert_eq!((outcome.written, stub.written().len()), (6_000, 6_000));
    let under_way = stub.under_way();
    let most = |from: usize, to: usize| under_way[from..to].iter().max().copied().unwrap();
    assert!(most(0, 4) <= 4, "it begins with few: {under_way:?}");
    assert!((8..=16).contains(&most(40, 80)), "all were taken: {under_way:?}");
    assert!(most(110, 120) <= 2, "all were throttled: {under_way:?}");
    assert!((4..=16).contains(&most(200, under_way.len())), "all are taken again: {under_way:?}");
}
