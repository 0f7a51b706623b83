use std::net::SocketAddr;

use anyhow::{Context, Result};
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::Mutex;
use tokio::task::{JoinHandle, JoinSet};

/// The connections that wait to be accepted.
const BACKLOG: u32 = 1024;

/// A port before a server of any protocol. A test can close the port, as if the server were stopped, and open the port
/// again. The gate runs on the runtime of its first opening and ends with this runtime.
#[derive(Debug)]
pub struct TcpGate {
    address: SocketAddr,
    upstream: String,
    /// Bound but never listening: reserves the port while the gate is closed.
    _reserved: TcpSocket,
    forwarding: Mutex<Option<JoinHandle<()>>>,
}

impl TcpGate {
    /// Opens a gate before `upstream`, a server's `host:port`.
    ///
    /// # Errors
    /// When no port is free.
    pub async fn start(upstream: &str) -> Result<Self> {
        let reserved = socket_at(SocketAddr::from(([127, 0, 0, 1], 0)))?;
        let address = reserved.local_addr()?;
        let (upstream, forwarding) = (upstream.to_owned(), Mutex::default());
        let gate = Self { address, upstream, _reserved: reserved, forwarding };
        gate.open().await?;
        Ok(gate)
    }

    /// The address to connect to instead of the upstream.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Accepts connections again; does nothing on an open gate.
    ///
    /// # Errors
    /// When the gate cannot listen on its port.
    pub async fn open(&self) -> Result<()> {
        let mut forwarding = self.forwarding.lock().await;
        if forwarding.is_none() {
            let listener = socket_at(self.address)?.listen(BACKLOG).context("the gate's port is taken")?;
            *forwarding = Some(tokio::spawn(forward(listener, self.upstream.clone())));
        }
        Ok(())
    }

    /// Closes all connections and refuses new ones.
    pub async fn close(&self) {
        if let Some(forwarding) = self.forwarding.lock().await.take() {
            forwarding.abort();
            // the task was cancelled
            let _ = forwarding.await;
        }
    }
}

fn socket_at(address: SocketAddr) -> Result<TcpSocket> {
    let socket = TcpSocket::new_v4()?;
    socket.set_reuseaddr(true)?;
    socket.set_reuseport(true)?;
    socket.bind(address).with_context(|| format!("cannot bind {address}"))?;
    Ok(socket)
}

async fn forward(listener: TcpListener, upstream: String) {
    // all connections end when this future drops the set
    let mut connections = JoinSet::new();
    while let Ok((mut near, _)) = listener.accept().await {
        let upstream = upstream.clone();
        connections.spawn(async move {
            let mut far = TcpStream::connect(&upstream).await?;
            copy_bidirectional(&mut near, &mut far).await
        });
        while connections.try_join_next().is_some() {}
    }
}

#[cfg(test)]
mod tests {
    use std::io::ErrorKind;

    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;

    async fn echo() -> SocketAddr {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move {
            loop {
                let (mut stream, _) = listener.accept().await.unwrap();
                tokio::spawn(async move {
                    let (mut reader, mut writer) = stream.split();
                    tokio::io::copy(&mut reader, &mut writer).await
                });
            }
        });
        address
    }

    async fn is_echoed(stream: &mut TcpStream) -> bool {
        let mut answer = [0; 5];
        let sent = stream.write_all(b"hello").await;
        sent.is_ok() && stream.read_exact(&mut answer).await.is_ok() && answer == *b"hello"
    }

    #[tokio::test]
    async fn gate_closes_and_opens_again() {
        let gate = TcpGate::start(&echo().await.to_string()).await.unwrap();
        let mut before = TcpStream::connect(gate.address()).await.unwrap();
        assert!(is_echoed(&mut before).await);
        for _ in 0..3 {
            gate.close().await;
            assert!(!is_echoed(&mut before).await);
            let refused = TcpStream::connect(gate.address()).await.unwrap_err();
            assert_eq!(refused.kind(), ErrorKind::ConnectionRefused);
            gate.open().await.unwrap();
            gate.open().await.unwrap();
            before = TcpStream::connect(gate.address()).await.unwrap();
            assert!(is_echoed(&mut before).await);
        }
    }
}
