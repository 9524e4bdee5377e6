//! A server that remembers what reached it.

use std::{
    io::ErrorKind,
    net::{SocketAddr, TcpListener},
};

use axum::{
    Router,
    body::{Bytes, to_bytes},
    extract::Request,
    http::{StatusCode, header::LOCATION},
    response::{IntoResponse, Response},
};
use tokio::sync::mpsc;

/// A server to which one can connect, and that does not answer yet.
pub struct Server {
    pub address: SocketAddr,
    listener: TcpListener,
}

/// A request as it came.
#[derive(Debug, PartialEq, Eq)]
pub struct Received {
    /// `METHOD path`.
    pub line: String,
    pub idempotency_key: Option<String>,
    pub body: Bytes,
}

impl Server {
    pub fn bind() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        Self {
            address: listener.local_addr().unwrap(),
            listener,
        }
    }

    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// Has nobody connected so far? A connection on one machine is there as soon as the client
    /// has asked for it, whether anybody answers or not.
    pub fn is_untouched(&self) -> bool {
        let accepted = self.listener.accept();
        matches!(accepted, Err(error) if error.kind() == ErrorKind::WouldBlock)
    }

    /// Answers from now on, with the body of the request; `/redirect` redirects.
    pub fn serve(self) -> mpsc::UnboundedReceiver<Received> {
        let (received, requests) = mpsc::unbounded_channel();
        let app = Router::new().fallback(async move |request: Request| -> Response {
            let (head, body) = request.into_parts();
            let body = to_bytes(body, usize::MAX).await.unwrap();
            let key = head.headers.get("idempotency-key");
            let path = head.uri.path();
            let _ = received.send(Received {
                line: format!("{} {path}", head.method),
                idempotency_key: key.map(|key| key.to_str().unwrap().to_owned()),
                body: body.clone(),
            });
            match path {
                "/redirect" => (StatusCode::FOUND, [(LOCATION, "/elsewhere")]).into_response(),
                _ => body.into_response(),
            }
        });
        let listener = tokio::net::TcpListener::from_std(self.listener).unwrap();
        tokio::spawn(async move { axum::serve(listener, app).await });
        requests
    }
}
