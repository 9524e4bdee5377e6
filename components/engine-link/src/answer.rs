//! What a host answered: a line of JSON, and after it what a stream carries.

use std::time::{Duration, Instant};

use bytes::Bytes;
use http_body_util::BodyExt;
use serde::de::DeserializeOwned;
use spin_sdk::{
    wasip3::{http_compat::IncomingResponseBody, spawn},
    wit_bindgen::{StreamReader, StreamResult},
};

use crate::{
    bindings::{artifacts::Artifact, events::Event, types::Error, wit_stream},
    send::{left, within},
};

/// Between two pieces of a stream. Hosts give a sign of life every 15 seconds.
const PAUSE_MAX: Duration = Duration::from_secs(45);

/// An answer whose head has come.
pub struct Reply {
    pieces: Pieces,
    deadline: Instant,
}

/// The body, piece by piece.
struct Pieces {
    body: IncomingResponseBody,
    /// What has come and was not taken.
    rest: Vec<u8>,
}

impl Reply {
    pub fn new(body: IncomingResponseBody, deadline: Instant) -> Self {
        let rest = Vec::new();
        Self {
            pieces: Pieces { body, rest },
            deadline,
        }
    }

    /// The first line, which is the result but for streams, and what comes after it.
    async fn head<T: DeserializeOwned>(mut self) -> Result<(T, Pieces), Error> {
        let line = within(left(self.deadline), self.pieces.line()).await;
        let line = line.flatten().ok_or_else(broken)?;
        Ok((parse::<Result<T, Error>>(&line)??, self.pieces))
    }

    /// The only line.
    pub async fn whole<T: DeserializeOwned>(self) -> Result<T, Error> {
        let body = within(left(self.deadline), self.pieces.body.collect()).await;
        let body = body.and_then(Result::ok).ok_or_else(broken)?;
        parse(&body.to_bytes())
    }
}

/// A result without a stream.
pub async fn value<T: DeserializeOwned>(reply: Reply) -> Result<T, Error> {
    reply.whole::<Result<T, Error>>().await?
}

/// Events, one a line, as they come.
pub async fn events(reply: Reply) -> Result<StreamReader<Event>, Error> {
    let ((), mut pieces) = reply.head().await?;
    let (mut writer, reader) = wit_stream::new();
    spawn(async move {
        while let Some(lines) = within(PAUSE_MAX, pieces.lines()).await.flatten() {
            let Ok(events) = read_events(&lines) else {
                eprintln!("an event cannot be read");
                break;
            };
            // Empty lines are signs of life. Writing nothing tells whether anybody still reads.
            let is_over = if events.is_empty() {
                writer.write(events).await.0 == StreamResult::Dropped
            } else {
                !writer.write_all(events).await.is_empty()
            };
            if is_over {
                break;
            }
        }
    });
    Ok(reader)
}

/// A file, and its bytes as they come.
pub async fn file(reply: Reply) -> Result<(Artifact, StreamReader<u8>), Error> {
    let ((artifact, ()), mut pieces) = reply.head().await?;
    let (mut writer, reader) = wit_stream::new();
    spawn(async move {
        // Whoever reads knows the size, and finds out when bytes are missing.
        while let Some(bytes) = within(PAUSE_MAX, pieces.next()).await.flatten() {
            if !writer.write_all(bytes).await.is_empty() {
                break;
            }
        }
    });
    Ok((artifact, reader))
}

fn read_events(lines: &[u8]) -> Result<Vec<Event>, Error> {
    let lines = lines.split(|byte| *byte == b'\n');
    lines.filter(|line| !line.is_empty()).map(parse).collect()
}

fn parse<T: DeserializeOwned>(text: &[u8]) -> Result<T, Error> {
    serde_json::from_slice(text).map_err(|error| {
        Error::Internal(format!(
            "the engine answered what cannot be read: {error}; engine and link do not fit together"
        ))
    })
}

fn broken() -> Error {
    Error::Unavailable("the engine broke off its answer".to_owned())
}

impl Pieces {
    /// What has come; none at the end, and when the connection breaks.
    async fn next(&mut self) -> Option<Vec<u8>> {
        if !self.rest.is_empty() {
            return Some(std::mem::take(&mut self.rest));
        }
        loop {
            let frame = self.body.frame().await?.ok()?;
            if let Ok(bytes) = frame.into_data() {
                return Some(Bytes::into(bytes));
            }
        }
    }

    /// One line, without its end. The last one may have none.
    async fn line(&mut self) -> Option<Vec<u8>> {
        let mut line = Vec::new();
        while let Some(bytes) = self.next().await {
            let before = line.len();
            line.extend(bytes);
            if let Some(end) = line[before..].iter().position(|byte| *byte == b'\n') {
                self.rest = line.split_off(before + end + 1);
                line.pop();
                return Some(line);
            }
        }
        (!line.is_empty()).then_some(line)
    }

    /// All lines that have come whole, at least one.
    async fn lines(&mut self) -> Option<Vec<u8>> {
        let mut lines = Vec::new();
        loop {
            let before = lines.len();
            lines.extend(self.next().await?);
            if let Some(end) = lines[before..].iter().rposition(|byte| *byte == b'\n') {
                self.rest = lines.split_off(before + end + 1);
                return Some(lines);
            }
        }
    }
}
