use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;

const HEAD_END: &[u8] = b"\r\n\r\n";

/// Reads the head and the body of the next HTTP request; `None` at the end of the connection. `bytes` has the bytes that
/// were read ahead, and is empty at first.
pub async fn read_request(connection: &mut TcpStream, bytes: &mut Vec<u8>) -> Option<(String, Vec<u8>)> {
    loop {
        if let Some((head, length)) = head(bytes)
            && bytes.len() >= head + length
        {
            let rest = bytes.split_off(head + length);
            let body = bytes.split_off(head);
            let head = String::from_utf8_lossy(&std::mem::replace(bytes, rest)).into_owned();
            return Some((head, body));
        }
        if connection.read_buf(bytes).await.ok()? == 0 {
            return None;
        }
    }
}

/// The lengths of the head and of the body.
fn head(bytes: &[u8]) -> Option<(usize, usize)> {
    let end = bytes.windows(HEAD_END.len()).position(|window| window == HEAD_END)? + HEAD_END.len();
    let head = String::from_utf8_lossy(bytes.get(..end)?).to_lowercase();
    let length = head.lines().find_map(|line| line.strip_prefix("content-length:"))?;
    Some((end, length.trim().parse().ok()?))
}
