//! Results as answers: a line of JSON, and after it what a stream carries.

use std::time::Duration;

use bytes::Bytes;
use futures::{StreamExt, stream, stream::BoxStream};
use http::{HeaderValue, Response, header};
use http_body::Frame;
use http_body_util::{BodyExt, Full, StreamBody};
use serde::Serialize;
use tokio::{sync::watch, time::timeout};
use wasmtime_wasi_http::WasiBody;

use crate::contract::{Artifact, Error, Event};

/// Time between two signs of life, empty lines, while there are no events. Shorter than the idle
/// limits of common proxies, and how long it takes to notice that the other side is gone.
const HEARTBEAT: Duration = Duration::from_secs(15);

/// Events written at once; those that are there go together.
const EVENTS_BATCH_MAX: usize = 64;

/// A result as it is.
pub(super) fn value<T: Serialize>(
    result: T,
    _stopping: watch::Receiver<bool>,
) -> Response<WasiBody> {
    with("application/json", full(line(&result)))
}

/// `result<stream<event>, error>`
pub(super) fn events(
    result: Result<BoxStream<'static, Event>, Error>,
    mut stopping: watch::Receiver<bool>,
) -> Response<WasiBody> {
    let events = match result {
        Ok(events) => events,
        Err(error) => return value(Err::<(), _>(error), stopping),
    };
    let head = stream::iter([ended(line(&Ok::<_, Error>(())))]);
    let over = async move {
        // An error is the end of the host, which is over too.
        let _ = stopping.wait_for(|stopping| *stopping).await;
    };
    let batches = events
        .take_until(Box::pin(over))
        .ready_chunks(EVENTS_BATCH_MAX);
    let pieces = stream::unfold(batches, |mut batches| async move {
        let piece = match timeout(HEARTBEAT, batches.next()).await {
            Ok(None) => return None,
            Ok(Some(batch)) => lines(&batch),
            Err(_) => Bytes::from_static(b"\n"),
        };
        Some((piece, batches))
    });
    let frames = head.chain(pieces).map(|bytes| Ok(Frame::data(bytes)));
    with(
        "application/x-ndjson",
        StreamBody::new(frames).boxed_unsync(),
    )
}

/// `result<tuple<artifact, stream<u8>>, error>`
pub(super) fn file(
    result: Result<(Artifact, Bytes), Error>,
    stopping: watch::Receiver<bool>,
) -> Response<WasiBody> {
    let (artifact, bytes) = match result {
        Ok(file) => file,
        Err(error) => return value(Err::<(), _>(error), stopping),
    };
    let head = ended(line(&Ok::<_, Error>((artifact, ()))));
    let frames = stream::iter([head, bytes]).map(|bytes| Ok(Frame::data(bytes)));
    with(
        "application/octet-stream",
        StreamBody::new(frames).boxed_unsync(),
    )
}

/// The JSON text of something that comes from the WIT, which always has one.
fn line(value: &impl Serialize) -> Vec<u8> {
    serde_json::to_vec(value).unwrap_or_default()
}

fn lines(events: &[Event]) -> Bytes {
    let mut text = Vec::new();
    for event in events {
        text.extend(line(event));
        text.push(b'\n');
    }
    text.into()
}

fn ended(mut line: Vec<u8>) -> Bytes {
    line.push(b'\n');
    line.into()
}

fn full(bytes: Vec<u8>) -> WasiBody {
    Full::new(Bytes::from(bytes))
        .map_err(|never| match never {})
        .boxed_unsync()
}

fn with(media_type: &'static str, body: WasiBody) -> Response<WasiBody> {
    let mut response = Response::new(body);
    response
        .headers_mut()
        .insert(header::CONTENT_TYPE, HeaderValue::from_static(media_type));
    response
}
