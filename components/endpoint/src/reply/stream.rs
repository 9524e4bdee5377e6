//! Streamed bodies: taken from the engine no faster than the client reads.

use std::time::Duration;

use bytes::Bytes;
use futures::{Stream, StreamExt, stream};
use http::{HeaderValue, Response, header};
use http_body::Frame;
use http_body_util::{Either, StreamBody};
use spin_sdk::wit_bindgen::StreamReader;

use super::Reply;

/// Elements read at once; what is there comes at once, so a live stream is not held up.
const BATCH_MAX: usize = 64;

/// Bytes read at once: what HTTP servers write in one go.
const CHUNK_BYTES_MAX: usize = 64 * 1024;

/// Time between two signs of life on an event stream. Shorter than the idle limits of common
/// proxies, and how long an idle stream outlives the client.
const HEARTBEAT: Duration = Duration::from_secs(15);

/// The elements of a stream of the engine, in the batches in which they come.
pub fn batches<T: 'static>(reader: StreamReader<T>) -> impl Stream<Item = Vec<T>> {
    read(reader, BATCH_MAX)
}

/// The bytes of a stream of the engine.
pub fn chunks(reader: StreamReader<u8>) -> impl Stream<Item = Bytes> {
    read(reader, CHUNK_BYTES_MAX).map(Bytes::from)
}

/// Reads until the other end is dropped.
fn read<T: 'static>(reader: StreamReader<T>, items_max: usize) -> impl Stream<Item = Vec<T>> {
    stream::unfold(reader, move |mut reader| async move {
        let (_, items) = reader.read(Vec::with_capacity(items_max)).await;
        // A read that is neither cancelled nor the last one brings at least one item.
        (!items.is_empty()).then_some((items, reader))
    })
}

/// A reply of server-sent events, with a comment from time to time while there are none.
pub fn event_stream(events: impl Stream<Item = Bytes> + 'static) -> Reply {
    let mut reply = streamed(alive(events));
    let headers = reply.headers_mut();
    headers.insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("text/event-stream"),
    );
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    reply
}

/// A reply whose body is streamed; the type and, where known, the length are for the caller to set.
pub fn streamed(pieces: impl Stream<Item = Bytes> + 'static) -> Reply {
    let frames = pieces.map(|bytes| Ok(Frame::data(bytes)));
    Response::new(Either::Right(StreamBody::new(frames.boxed_local())))
}

/// The pieces with heartbeats between them, ending when the pieces do.
fn alive(pieces: impl Stream<Item = Bytes> + 'static) -> impl Stream<Item = Bytes> {
    let ended = stream::once(async { None });
    let beats = stream::unfold((), |()| async {
        spin_sdk::time::sleep(HEARTBEAT).await;
        Some((Some(Bytes::from_static(b":\n\n")), ()))
    });
    stream::select(pieces.map(Some).chain(ended), beats)
        .take_while(|piece| std::future::ready(piece.is_some()))
        .filter_map(std::future::ready)
}
