//! An endpoint that does what no endpoint should; the last segment of the path says what.

use std::{
    hint::black_box,
    sync::atomic::{AtomicU32, Ordering::Relaxed},
    time::Duration,
};

use bytes::Bytes;
use futures::{StreamExt, stream};
use http::StatusCode;
use phasewright_endpoint::{
    Reply,
    reply::{stream::streamed, with_json},
};
use spin_sdk::{
    http::{EmptyBody, Request, body::IncomingBodyExt, send},
    http_service, variables,
};

/// The only variable of the environment that the manifest gives it.
const GREETING: &str = "GREETING";

#[http_service]
async fn handle(request: Request) -> Reply {
    let path = request.uri().path().to_owned();
    match path.rsplit('/').next().unwrap_or_default() {
        "trap" => panic!("as you wish"),
        "loop" => spin(),
        "memory" => fill(),
        "never" => {
            ages().await;
            text("at last")
        }
        "slow" => slow().await,
        "loop-in-stream" => loop_in_stream(),
        "trap-in-stream" => trap_in_stream(),
        "quiet-stream" => quiet_stream(),
        "endless-stream" => streamed(stream::repeat_with(|| Bytes::from_static(&[b'x'; 1024]))),
        "count" => count(),
        "echo" => echo(request).await,
        "deaf" => text("I did not listen"),
        "outbound" => outbound().await,
        "look-around" => look_around(),
        "granted" => granted().await,
        _ => text("nothing special"),
    }
}

fn text(text: impl Into<String>) -> Reply {
    with_json(StatusCode::OK, text.into())
}

fn spin() -> ! {
    loop {
        black_box(());
    }
}

fn fill() -> Reply {
    let mut hoard: Vec<Vec<u8>> = Vec::new();
    loop {
        hoard.push(vec![1; 1 << 20]);
        black_box(&hoard);
    }
}

/// Longer than any test. A component that waits for nothing at all would trap.
async fn ages() {
    spin_sdk::time::sleep(Duration::from_hours(1)).await;
}

async fn slow() -> Reply {
    spin_sdk::time::sleep(Duration::from_millis(300)).await;
    text("slow")
}

/// One piece, and then it computes for ever.
fn loop_in_stream() -> Reply {
    let first = stream::once(async { Bytes::from_static(b"first") });
    streamed(first.chain(stream::once(async { spin() })))
}

fn trap_in_stream() -> Reply {
    let first = stream::once(async { Bytes::from_static(b"first") });
    streamed(first.chain(stream::once(async { panic!("in the middle") })))
}

/// One piece, and then nothing.
fn quiet_stream() -> Reply {
    let first = stream::once(async { Bytes::from_static(b"first") });
    let last = stream::once(async {
        ages().await;
        Bytes::from_static(b"last")
    });
    streamed(first.chain(last))
}

/// How many requests this instance has counted.
fn count() -> Reply {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    text((COUNT.fetch_add(1, Relaxed) + 1).to_string())
}

/// The head of the request, and how many bytes of the body came.
async fn echo(request: Request) -> Reply {
    let mut lines = vec![format!("{} {}", request.method(), request.uri())];
    for (name, value) in request.headers() {
        let value = String::from_utf8_lossy(value.as_bytes());
        lines.push(format!("{name}: {value}"));
    }
    lines.push(match request.into_body().bytes().await {
        Ok(bytes) => format!("{} bytes", bytes.len()),
        Err(error) => format!("broke off: {error:?}"),
    });
    text(lines.join("\n"))
}

async fn outbound() -> Reply {
    let request = http::Request::get("http://127.0.0.1:1/").body(EmptyBody::new());
    match request.map(send) {
        Ok(sent) => match sent.await {
            Ok(response) => text(format!("got {}", response.status())),
            Err(error) => text(format!("refused: {error:?}")),
        },
        Err(error) => text(error.to_string()),
    }
}

/// How many ways to the outside there are.
/// What the manifest gives it.
async fn granted() -> Reply {
    let variable = variables::get("greeting").await.unwrap_or_default();
    let other = variables::get("other").await.is_ok();
    let environment = std::env::var(GREETING).unwrap_or_default();
    text(format!("{variable} {environment} {other}"))
}

fn look_around() -> Reply {
    let ways = [
        std::env::args().next().is_some(),
        std::env::vars().any(|(name, _)| name != GREETING),
        std::fs::read_dir("/").is_ok(),
        std::fs::read_dir(".").is_ok(),
        std::fs::write("/tmp/file", "x").is_ok(),
        std::net::TcpStream::connect("127.0.0.1:80").is_ok(),
        std::net::TcpListener::bind("127.0.0.1:0").is_ok(),
        std::net::UdpSocket::bind("127.0.0.1:0").is_ok(),
    ];
    text(ways.iter().filter(|way| **way).count().to_string())
}
