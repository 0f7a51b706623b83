//! The store with a stub of DynamoDB that throttles, fails or refuses.

use std::time::{Duration, Instant};

use quiz_domain::Value;
use quiz_domain::reports::ReportTable::FormResponses;
use quiz_dynamo::WriteLimits;
use quiz_pipeline::ports::{Fence, ReportStore, StoreError};

use crate::common::stub::{Reply, Stub};
use crate::common::{item, items, nested, quick, store_at};

const THROTTLED: Reply = Reply::Error(400, "ProvisionedThroughputExceededException", "too fast");

#[tokio::test]
async fn transient_failures_are_retried_until_all_is_written() {
    let stub = Stub::start(|number, _| match number {
        0 => Reply::Leave(10),
        1 => Reply::Error(400, "ProvisionedThroughputExceededException", "too fast"),
        2 => Reply::Error(500, "InternalServerError", "oh"),
        3 => Reply::Cut,
        4 => Reply::Html(503),
        5 => Reply::Leave(3),
        6 => Reply::Error(400, "ThrottlingException", "too fast"),
        7 => Reply::Error(400, "RequestLimitExceeded", "too fast"),
        _ => Reply::Accept,
    })
    .await;
    let outcome =
        store_at(&stub.endpoint, quick()).put(FormResponses, items(60), &Fence::open()).await.unwrap();
    assert_eq!((outcome.written, outcome.refused.len()), (60, 0));
    assert_eq!(stub.written().len(), 60);
    // no accepted item was sent again, and the SDK did not retry
    let sizes: Vec<usize> = stub.requests().iter().map(Vec::len).collect();
    assert_eq!(sizes, [25, 10, 10, 10, 10, 10, 3, 3, 3, 25, 10]);
}

#[tokio::test]
async fn permanent_throttling_is_unavailable_with_a_count() {
    let stub = Stub::start(|number, _| if number == 0 { Reply::Accept } else { THROTTLED }).await;
    let error =
        store_at(&stub.endpoint, quick()).put(FormResponses, items(60), &Fence::open()).await.unwrap_err();
    assert!(error.is_retryable());
    assert_eq!(
        error.to_string(),
        "could not write table form_question_responses: 35 items are not written, after 6 attempts in a row \
         without progress: ProvisionedThroughputExceededException: too fast"
    );
    assert_eq!(stub.requests().len(), 1 + 6);
}

#[tokio::test]
async fn items_unprocessed_forever_are_given_up() {
    let stub = Stub::start(|_, keys| Reply::Leave(keys.len())).await;
    let error =
        store_at(&stub.endpoint, quick()).put(FormResponses, items(3), &Fence::open()).await.unwrap_err();
    assert!(error.is_retryable() && error.to_string().contains("3 items are not written"), "{error}");
    assert_eq!(stub.requests().len(), 6);
}

#[tokio::test]
async fn retries_end_at_their_time_limit() {
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
async fn missing_server_is_unavailable() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let store = store_at(&endpoint, quick());
    let error = store.put(FormResponses, items(1), &Fence::open()).await.unwrap_err();
    assert!(matches!(&error, StoreError::Unavailable { .. }), "{error}");
}

#[tokio::test]
async fn silent_server_is_given_up() {
    // the listener's backlog accepts connections; no code answers them
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    let limits = WriteLimits { request: Duration::from_millis(100), attempts: 2, ..quick() };
    let error = store_at(&endpoint, limits).put(FormResponses, items(1), &Fence::open()).await.unwrap_err();
    assert!(error.is_retryable() && error.to_string().contains("1 items are not written"), "{error}");
}

#[tokio::test]
async fn invalid_item_is_isolated_from_its_batch() {
    let stub = Stub::start(|_, keys| {
        let culprit = keys.iter().any(|key| key == "u007#0" || key == "u031#0");
        if culprit { Reply::Error(400, "ValidationException", "bad item") } else { Reply::Accept }
    })
    .await;
    let outcome =
        store_at(&stub.endpoint, quick()).put(FormResponses, items(40), &Fence::open()).await.unwrap();
    let refused: Vec<_> =
        outcome.refused.iter().map(|refusal| (refusal.sort_key.as_str(), refusal.reason.as_str())).collect();
    assert_eq!(refused, [("u007#0", "bad item"), ("u031#0", "bad item")]);
    assert_eq!((outcome.written, stub.written().len()), (38, 38));
    assert!(stub.requests().len() < 22, "halving must save requests: {}", stub.requests().len());
}

#[tokio::test]
async fn item_beyond_the_limits_is_not_sent() {
    let stub = Stub::start(|_, _| Reply::Accept).await;
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
    let reasons: Vec<_> = outcome.refused.iter().map(|refusal| refusal.reason.as_str()).collect();
    assert!(reasons[0].contains("33 levels"), "{reasons:?}");
    assert!(reasons[1].contains("bytes; DynamoDB accepts at most 409600"), "{reasons:?}");
    assert!(reasons[2].contains("has 1025 bytes; DynamoDB accepts at most 1024"), "{reasons:?}");
    assert_eq!(reasons[3], "its session_id is empty");
    assert!(reasons[4].contains("has 2049 bytes; DynamoDB accepts at most 2048"), "{reasons:?}");
    assert_eq!(outcome.refused[0].sort_key, "deep#0");
}

#[tokio::test]
async fn permanent_error_is_refused_without_retry() {
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
    for (code, message, expected) in cases {
        let stub = Stub::start(move |_, _| Reply::Error(400, code, message)).await;
        let error = store_at(&stub.endpoint, quick())
            .put(FormResponses, items(60), &Fence::open())
            .await
            .unwrap_err();
        assert!(matches!(&error, StoreError::Refused { .. }), "{error}");
        let text = error.to_string();
        assert!(text.contains("table form_question_responses") && text.contains(expected), "{text}");
        assert_eq!(stub.requests().len(), 1, "{code}");
    }
}

#[tokio::test]
async fn concurrent_writes_share_the_requests_in_flight() {
    let stub = Stub::start(|_, _| Reply::Accept).await;
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
async fn requests_in_flight_follow_the_throttling() {
    let stub =
        Stub::start(|number, _| if (80..120).contains(&number) { THROTTLED } else { Reply::Accept }).await;
    let store = store_at(&stub.endpoint, WriteLimits { requests: 16, attempts: 50, ..quick() });
    let outcome = store.put(FormResponses, items(6_000), &Fence::open()).await.unwrap();
    assert_eq!((outcome.written, stub.written().len()), (6_000, 6_000));
    let under_way = stub.under_way();
    let peak = |from: usize, to: usize| under_way[from..to].iter().max().copied().unwrap();
    assert!(peak(0, 4) <= 4, "the first requests: {under_way:?}");
    assert!((8..=16).contains(&peak(40, 80)), "all were accepted: {under_way:?}");
    assert!(peak(110, 120) <= 2, "all were throttled: {under_way:?}");
    assert!((4..=16).contains(&peak(200, under_way.len())), "all are accepted again: {under_way:?}");
}
