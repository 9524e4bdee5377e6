//! Events: the journal as JSON, page by page, and as server-sent events.

use std::fmt::Write as _;

use bytes::Bytes;
use futures::{Stream, StreamExt};
use http::StatusCode;

use crate::{
    Problem, Reply,
    bindings::{events::Event, types::Error},
    reply::{
        self,
        json::{self, Object},
    },
    request::query::Query,
};

/// Events in one page of the journal; also what a page has when the query does not say.
const LIMIT_MAX: u64 = 1_000;

/// Which part of the journal is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Range {
    /// Events after this one; 0 for all.
    pub after: u64,
    /// How many at most.
    pub limit: u64,
}

impl Range {
    /// Parses `after` and `limit`.
    ///
    /// # Errors
    ///
    /// 400 naming the parameter and its range.
    pub fn parse(query: &Query) -> Result<Self, Problem> {
        Ok(Self {
            after: query.number("after", 0, u64::MAX)?.unwrap_or(0),
            limit: query.number("limit", 1, LIMIT_MAX)?.unwrap_or(LIMIT_MAX),
        })
    }

    /// The last event to read, when the journal ends at `last_event`.
    pub fn last(self, last_event: u64) -> u64 {
        last_event.min(self.after.saturating_add(self.limit))
    }
}

/// The reply with the events of a live stream up to number `last`; more are there when the journal
/// goes on to `last_event`. Shape: `{items: [{seq, at, kind, node, payload}], next}`, where `next` is
/// the `after` of the next page or null.
///
/// # Errors
///
/// 503 when the stream gives nothing though there is something: the database has gone meanwhile, and
/// an empty page would say that this is all.
pub async fn listed(
    batches: impl Stream<Item = Vec<Event>>,
    last: u64,
    last_event: u64,
) -> Result<Reply, Problem> {
    let mut events = Vec::new();
    let mut batches = std::pin::pin!(batches);
    while events.last().is_none_or(|event: &Event| event.seq < last)
        && let Some(batch) = batches.next().await
    {
        events.extend(batch.into_iter().filter(|event| event.seq <= last));
    }
    let Some(end) = events.last().map(|event| event.seq) else {
        return Err(Error::Unavailable("the journal cannot be read now".to_owned()).into());
    };
    Ok(page(&events, (end < last_event).then_some(end)))
}

/// The reply when no event is wanted that is there.
pub fn none() -> Reply {
    page(&[], None)
}

fn page(events: &[Event], next: Option<u64>) -> Reply {
    reply::with_json(StatusCode::OK, json::page(events, next, write_event))
}

/// A batch of events as server-sent events: `id` is the number to resume after, `event` the kind,
/// `data` the event as JSON.
pub fn framed(events: &[Event]) -> Bytes {
    let mut text = String::new();
    for event in events {
        let json = json::object_sized(event.payload.len(), |object| write_event(object, event));
        // Only the payload is not of our own writing, and it came as text.
        let json = String::from_utf8_lossy(&json);
        let _ = write!(text, "id: {}\nevent: {}\n", event.seq, event.kind);
        // Documents may hold line breaks between their tokens; each line needs its own `data`.
        for line in json.split(['\n', '\r']).filter(|line| !line.is_empty()) {
            let _ = writeln!(text, "data: {line}");
        }
        text.push('\n');
    }
    text.into()
}

fn write_event(object: &mut Object, event: &Event) {
    object.field("seq", event.seq);
    object.field("at", &event.at);
    object.field("kind", &event.kind);
    object.field("node", &event.node);
    object.document("payload", &event.payload);
}

#[cfg(test)]
mod tests {
    use super::{Event, Range, framed, listed, none};
    use crate::{
        reply::test::value,
        request::{query::Query, test::head},
    };
    use futures::{StreamExt, executor::block_on, stream};
    use serde_json::json;

    fn event(seq: u64) -> Event {
        Event {
            execution_id: "e".to_owned(),
            seq,
            at: "2026-01-01T00:00:00Z".to_owned(),
            kind: "node_started".to_owned(),
            node: Some("n".to_owned()),
            payload: "{\"a\":1}".to_owned(),
        }
    }

    fn range(query: &str) -> Result<Range, crate::Problem> {
        let head = head("GET", &format!("/?{query}"), &[]);
        Range::parse(&Query::parse(&head, &["after", "limit"]).unwrap())
    }

    #[test]
    fn ranges_have_defaults_and_limits() {
        assert_eq!(
            range("").unwrap(),
            Range {
                after: 0,
                limit: 1_000
            }
        );
        assert_eq!(
            range("after=7&limit=1").unwrap(),
            Range { after: 7, limit: 1 }
        );
        for bad in ["limit=0", "limit=1001", "after=-1", "after=x", "limit="] {
            assert!(range(bad).is_err(), "{bad}");
        }
        assert_eq!(range("after=7&limit=2").unwrap().last(100), 9);
        assert_eq!(range("after=7").unwrap().last(8), 8);
        assert_eq!(range("after=18446744073709551615").unwrap().last(8), 8);
    }

    #[test]
    fn a_live_stream_is_read_no_further_than_asked() {
        // Reading on past event 4 would wait for ever, as a live stream does.
        let live = stream::iter([vec![event(2), event(3)], vec![event(4), event(5)]])
            .chain(stream::pending());
        let page = value(block_on(listed(live, 4, 9)).unwrap());
        assert_eq!(page["next"], 4);
        let seqs: Vec<_> = page["items"]
            .as_array()
            .unwrap()
            .iter()
            .map(|e| e["seq"].clone())
            .collect();
        assert_eq!(seqs, [2, 3, 4]);
    }

    #[test]
    fn the_last_page_has_no_next() {
        let live = stream::iter([vec![event(1)]]).chain(stream::pending());
        assert_eq!(
            value(block_on(listed(live, 1, 1)).unwrap()),
            json!({
                "items": [{
                    "seq": 1,
                    "at": "2026-01-01T00:00:00Z",
                    "kind": "node_started",
                    "node": "n",
                    "payload": {"a": 1},
                }],
                "next": null,
            })
        );
        assert_eq!(value(none()), json!({"items": [], "next": null}));
    }

    #[test]
    fn a_stream_that_ends_early_ends_the_page() {
        let short = stream::iter([vec![event(1)]]);
        let page = value(block_on(listed(short, 5, 5)).unwrap());
        assert_eq!(page["next"], 1);
        let nothing = block_on(listed(stream::empty(), 5, 5)).err();
        assert_eq!(nothing.map(|problem| problem.status().as_u16()), Some(503));
    }

    #[test]
    fn events_are_framed_line_by_line() {
        let pretty = Event {
            payload: "{\r\n  \"a\": 1\n\n}".to_owned(),
            node: None,
            ..event(8)
        };
        let text = framed(&[event(7), pretty]);
        assert_eq!(
            std::str::from_utf8(&text).unwrap(),
            "id: 7\nevent: node_started\n\
             data: {\"seq\":7,\"at\":\"2026-01-01T00:00:00Z\",\"kind\":\"node_started\",\"node\":\"n\",\
             \"payload\":{\"a\":1}}\n\n\
             id: 8\nevent: node_started\n\
             data: {\"seq\":8,\"at\":\"2026-01-01T00:00:00Z\",\"kind\":\"node_started\",\"node\":null,\
             \"payload\":{\ndata:   \"a\": 1\ndata: }}\n\n"
        );
    }
}
