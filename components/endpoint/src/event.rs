//! Events: the journal as JSON, page by page, and as server-sent events.

use bytes::Bytes;
use http::StatusCode;

use crate::{
    Problem, Reply,
    bindings::events::{Event, Page},
    reply::{
        self,
        json::{self, Object},
    },
    request::query::Query,
};

/// Events in one page of the journal; also what a page has when the query does not say.
const LIMIT_MAX: u32 = 1_000;

/// Which part of the journal is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Range {
    /// Events after this one; 0 for all.
    pub after: u64,
    /// How many at most.
    pub limit: u32,
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
}

/// The reply with a page of the journal. Shape: `{items: [{seq, at, kind, node, payload}], next}`,
/// where `next` is the `after` of the next page or null.
pub fn listed(page: &Page) -> Reply {
    let bytes = bytes(&page.items);
    let text = json::page_sized(bytes, &page.items, page.next, write_event);
    reply::with_json(StatusCode::OK, text)
}

/// A batch of events as server-sent events: `id` is the number to resume after, `event` the kind,
/// `data` the event as JSON.
pub fn framed(events: &[Event]) -> Bytes {
    let mut text = Vec::with_capacity(bytes(events));
    for event in events {
        let head = format!("id: {}\nevent: {}\ndata: ", event.seq, event.kind);
        text.extend_from_slice(head.as_bytes());
        let start = text.len();
        json::write_object(&mut text, |object| write_event(object, event));
        // Documents may hold line breaks between their tokens, where any white space is as good; in
        // an event stream they would end the data.
        for byte in &mut text[start..] {
            if matches!(byte, b'\n' | b'\r') {
                *byte = b' ';
            }
        }
        text.extend_from_slice(b"\n\n");
    }
    text.into()
}

/// About how long these are as text. Payloads may be megabytes, and memory is scarce.
fn bytes(events: &[Event]) -> usize {
    let sizes = events.iter();
    let sizes = sizes.map(|event| event.payload.len() + json::FIELDS_BYTES);
    sizes.sum()
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
    use super::{Event, Page, Range, framed, listed};
    use crate::{
        reply::test::value,
        request::{query::Query, test::head},
    };
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
    }

    #[test]
    fn a_page_has_events_and_where_the_next_begins() {
        let page = |next| {
            let items = vec![event(1)];
            value(listed(&Page { items, next }))
        };
        let items = json!([{
            "seq": 1,
            "at": "2026-01-01T00:00:00Z",
            "kind": "node_started",
            "node": "n",
            "payload": {"a": 1},
        }]);
        assert_eq!(page(Some(1)), json!({"items": items, "next": 1}));
        assert_eq!(page(None), json!({"items": items, "next": null}));
    }

    #[test]
    fn an_event_is_one_line_of_data() {
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
             \"payload\":{    \"a\": 1  }}\n\n"
        );
    }
}
