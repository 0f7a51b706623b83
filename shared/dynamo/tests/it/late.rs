//! An abandoned write does not arrive later.
//!
//! After a timeout or an abort, the client's kernel may still hold a part of the request, and would send it while
//! another run writes the same items. So the client must reset the connection. Here the server accepts a connection and
//! reads nothing until the client is gone. Its receive buffer is small, so most of the request is still in the
//! client's kernel at that time.

use std::io::ErrorKind;
use std::sync::Arc;
use std::time::Duration;

use quiz_domain::Value;
use quiz_domain::reports::ReportItem;
use quiz_domain::reports::ReportTable::FormResponses;
use quiz_dynamo::WriteLimits;
use quiz_pipeline::ports::{Fence, ReportStore, SystemClock};
use tokio::io::{AsyncReadExt, Interest};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::time::timeout;

use crate::common::stub::{Reply, Stub};
use crate::common::{item, items, quick, store_at};

const RECEIVE_BUFFER: u32 = 4_096;
/// More than the server's kernel buffers before the server reads.
const BUFFERED: usize = 64 * 1_024;
/// Items and bytes for each: a request that fits into the kernel's buffers, and one of nearly 16 MB, the maximum of
/// BatchWriteItem.
const SIZES: [(usize, usize); 2] = [(20, 1_000), (25, 400_000)];

fn listen() -> (String, TcpListener) {
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(RECEIVE_BUFFER).unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let listener = socket.listen(16).unwrap();
    (format!("http://{}", listener.local_addr().unwrap()), listener)
}

fn texts((count, bytes): (usize, usize)) -> Vec<ReportItem> {
    (0..count).map(|user| item("s", &format!("u{user}"), Value::Text("x".repeat(bytes)))).collect()
}

fn limits(request: Duration) -> WriteLimits {
    WriteLimits { request, attempts: 1, ..quick() }
}

fn fence() -> Fence {
    Fence::new(Arc::new(SystemClock), i64::MAX)
}

/// Accepts the client's connection, and waits until half of the server's buffer is full.
async fn accept(listener: &TcpListener) -> TcpStream {
    let connection = async {
        let (connection, _) = listener.accept().await.unwrap();
        let mut arrived = [0; RECEIVE_BUFFER as usize];
        while connection.peek(&mut arrived).await.unwrap() < arrived.len() / 2 {
            tokio::task::yield_now().await;
        }
        connection
    };
    timeout(Duration::from_mins(1), connection).await.unwrap()
}

/// Reads the rest of the connection: it must end with a reset before the end of the request.
async fn assert_reset(mut connection: TcpStream, case: (usize, usize)) {
    // wait for the reset first: reading earlier would make room for more of the request
    let reset = async { while !connection.ready(Interest::ERROR).await.unwrap().is_error() {} };
    assert!(
        timeout(Duration::from_secs(20), reset).await.is_ok(),
        "{case:?}: the client did not reset the connection"
    );
    let mut bytes = Vec::new();
    let end = loop {
        match timeout(Duration::from_secs(2), connection.read_buf(&mut bytes)).await {
            Ok(Ok(0)) => break "end".to_owned(),
            Ok(Ok(_)) => {}
            Ok(Err(error)) if error.kind() == ErrorKind::ConnectionReset => break "reset".to_owned(),
            Ok(Err(error)) => break error.to_string(),
            Err(_) => break "no end".to_owned(),
        }
    };
    let head = bytes.windows(4).position(|window| window == b"\r\n\r\n").unwrap() + 4;
    let text = String::from_utf8_lossy(&bytes[..head]).to_lowercase();
    let length = text.lines().find_map(|line| line.strip_prefix("content-length:"));
    let whole = head + length.unwrap().trim().parse::<usize>().unwrap();
    let arrived = bytes.len();
    assert!(
        arrived < whole.min(BUFFERED) && end == "reset",
        "{case:?}: {arrived} of {whole} bytes arrived, then {end}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn timed_out_write_is_reset() {
    // the client needs some seconds to encode and sign the large request
    for (size, request) in SIZES.into_iter().zip([Duration::from_millis(500), Duration::from_secs(8)]) {
        let (endpoint, listener) = listen();
        let (store, fence) = (store_at(&endpoint, limits(request)), fence());
        let put = store.put(FormResponses, texts(size), &fence);
        let (answer, connection) = tokio::join!(put, accept(&listener));
        assert!(answer.unwrap_err().is_retryable());
        assert!(fence.last_unanswered().is_some(), "the run must wait for the request");
        assert_reset(connection, size).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn aborted_write_is_reset() {
    for size in SIZES {
        let (endpoint, listener) = listen();
        let (store, fence) = (store_at(&endpoint, limits(Duration::from_mins(1))), fence());
        let under_way = fence.clone();
        let put = tokio::spawn(async move { store.put(FormResponses, texts(size), &under_way).await });
        let connection = accept(&listener).await;
        put.abort();
        assert!(put.await.unwrap_err().is_cancelled());
        assert!(fence.last_unanswered().is_some(), "the run must wait for the request");
        assert_reset(connection, size).await;
    }
}

#[tokio::test]
async fn answered_write_leaves_nothing_to_wait_for() {
    let stub = Stub::start(|number, _| match number {
        0 => Reply::Leave(3),
        1 => Reply::Error(400, "ProvisionedThroughputExceededException", "too fast"),
        _ => Reply::Accept,
    })
    .await;
    let fence = fence();
    let outcome = store_at(&stub.endpoint, quick()).put(FormResponses, items(60), &fence).await.unwrap();
    assert_eq!((outcome.written, stub.written().len()), (60, 60));
    assert_eq!(fence.last_unanswered(), None);
}

#[tokio::test]
async fn repeated_write_counts_as_unanswered() {
    for failure in [|| Reply::Cut, || Reply::Html(500)] {
        let stub = Stub::start(move |number, _| if number == 0 { failure() } else { Reply::Accept }).await;
        let fence = fence();
        let outcome = store_at(&stub.endpoint, quick()).put(FormResponses, items(3), &fence).await.unwrap();
        assert_eq!(outcome.written, 3);
        assert!(fence.last_unanswered().is_some());
    }
}
