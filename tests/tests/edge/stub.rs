//! A host that answers whatever it is told to, and the application that asks it: the relay, which calls
//! any function, composed with the link.

use std::{
    net::SocketAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    time::Duration,
};

use anyhow::Result;
use axum::{
    Router,
    body::{Body, Bytes},
    http::{HeaderMap, StatusCode, Uri},
    response::{IntoResponse, Response},
};
use phasewright::endpoints::Manifest;
use phasewright_tests::edge::{Edge, Variables, serve};
use serde_json::Value;
use tokio::{io::AsyncReadExt, net::TcpListener};

use crate::{
    app::binaries,
    client::{Client, Reply},
};

/// What the link shows to hosts.
pub const TOKEN: &str = "a token of the edge";

/// What a host does when it is asked.
#[derive(Clone)]
pub enum Behaviour {
    /// Says this.
    Answer(StatusCode, Vec<u8>),
    /// Says this, and then an empty line from time to time.
    GoOn(&'static str),
}

/// A host.
pub struct Stub {
    pub address: SocketAddr,
    shared: Arc<Shared>,
}

struct Shared {
    behaviour: Mutex<Behaviour>,
    asked: Mutex<Vec<Asked>>,
    streams: Arc<AtomicUsize>,
}

/// What a host was asked.
pub struct Asked {
    pub path: String,
    pub headers: HeaderMap,
    pub body: Value,
}

impl Stub {
    pub async fn start(behaviour: Behaviour) -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let shared = Arc::new(Shared {
            behaviour: Mutex::new(behaviour),
            asked: Mutex::default(),
            streams: Arc::default(),
        });
        let of_server = shared.clone();
        let app = Router::new().fallback(move |uri: Uri, headers: HeaderMap, body: Bytes| {
            let answer = of_server.answer(&uri, headers, &body);
            async move { answer }
        });
        tokio::spawn(async move { axum::serve(listener, app).await });
        Ok(Self { address, shared })
    }

    pub fn says(&self, status: StatusCode, body: impl Into<Vec<u8>>) {
        *self.shared.behaviour.lock().unwrap() = Behaviour::Answer(status, body.into());
    }

    /// What it was asked since it was last looked.
    pub fn asked(&self) -> Vec<Asked> {
        std::mem::take(&mut self.shared.asked.lock().unwrap())
    }

    /// Answers that go on.
    pub fn streams(&self) -> usize {
        self.shared.streams.load(SeqCst)
    }
}

impl Shared {
    fn answer(&self, uri: &Uri, headers: HeaderMap, body: &[u8]) -> Response {
        self.asked.lock().unwrap().push(Asked {
            path: uri.path().to_owned(),
            headers,
            body: serde_json::from_slice(body).unwrap(),
        });
        match self.behaviour.lock().unwrap().clone() {
            Behaviour::Answer(status, body) => (status, body).into_response(),
            Behaviour::GoOn(head) => self.go_on(head),
        }
    }

    fn go_on(&self, head: &'static str) -> Response {
        struct Present(Arc<AtomicUsize>);
        impl Drop for Present {
            fn drop(&mut self) {
                self.0.fetch_sub(1, SeqCst);
            }
        }
        self.streams.fetch_add(1, SeqCst);
        let present = Present(self.streams.clone());
        let pieces = futures::stream::unfold((present, head), |(present, piece)| async move {
            if piece == "\n" {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
            Some((Ok::<_, std::io::Error>(piece), (present, "\n")))
        });
        Body::from_stream(pieces).into_response()
    }
}

/// A host that reads requests and closes the connection, and how often it did.
pub async fn hanging_up() -> Result<(SocketAddr, Arc<AtomicUsize>)> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    let count = Arc::new(AtomicUsize::new(0));
    let counted = count.clone();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut bytes = [0; 1024];
            // What it is does not matter.
            drop(stream.read(&mut bytes).await);
            counted.fetch_add(1, SeqCst);
        }
    });
    Ok((address, count))
}

/// Where nobody listens.
pub async fn nobody() -> Result<SocketAddr> {
    Ok(TcpListener::bind("127.0.0.1:0").await?.local_addr()?)
}

/// The relay, asking these engines.
pub struct Relay(SocketAddr);

impl Relay {
    pub fn start(engines: &str) -> Result<Self> {
        Ok(Self(start(relay_manifest()?, engines)?))
    }

    /// Calls a function with these parameters.
    pub async fn call(&self, interface: &str, name: &str, parameters: &Value) -> Result<Reply> {
        call(self.0, interface, name, parameters).await
    }
}

/// The application with the relay alone.
pub fn relay_manifest() -> Result<Manifest> {
    let text = format!(
        "spin_manifest_version = 2
        [application]
        name = \"relay\"
        version = \"1.0.0\"
        [[trigger.http]]
        route = \"/relay/...\"
        component = \"relay\"
        [component.relay]
        source = \"{}/relay_endpoint.wasm\"
        ",
        binaries()?.display()
    );
    Ok(Manifest::parse(&text, std::path::Path::new("spin.toml"))?)
}

/// An application at the edge of these engines.
pub fn start(manifest: Manifest, engines: &str) -> Result<SocketAddr> {
    let variables = Variables::from([
        ("engine_url", engines.to_owned()),
        ("engine_token", TOKEN.to_owned()),
    ]);
    let link = binaries()?.join("engine_link.wasm");
    serve(Edge::new(manifest, &link, variables)?)
}

/// Has a relay call a function.
pub async fn call(
    relay: SocketAddr,
    interface: &str,
    name: &str,
    parameters: &Value,
) -> Result<Reply> {
    let path = format!("/relay/{interface}/{}", name.replace('-', "_"));
    let mut client = Client::connect(relay).await?;
    let body = parameters.to_string();
    client.request("POST", &path, "", body.as_bytes()).await
}
