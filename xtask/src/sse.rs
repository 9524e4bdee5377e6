//! Server-sent events, read as they come.

use std::io::{self, BufRead, BufReader, Read};

/// One event of a stream.
#[derive(Debug, PartialEq, Eq, Default)]
pub struct Event {
    /// The value that `Last-Event-ID` resumes after.
    pub id: String,
    /// What sort of event.
    pub kind: String,
    /// Its lines, joined.
    pub data: String,
}

/// Splits a byte stream into events. Comments, and what is cut off at the end, are left out.
pub struct Events<R> {
    lines: BufReader<R>,
}

impl<R: Read> Events<R> {
    /// The events in `stream`.
    pub fn new(stream: R) -> Self {
        Self {
            lines: BufReader::new(stream),
        }
    }

    /// The next event; none when the stream has ended.
    pub fn next(&mut self) -> io::Result<Option<Event>> {
        let mut event = Event::default();
        let mut data: Vec<String> = Vec::new();
        let mut line = String::new();
        loop {
            line.clear();
            if self.lines.read_line(&mut line)? == 0 {
                return Ok(None);
            }
            let text = line.trim_end_matches(['\n', '\r']);
            if text.is_empty() {
                if data.is_empty() {
                    continue;
                }
                event.data = data.join("\n");
                return Ok(Some(event));
            }
            let (field, value) = text.split_once(':').unwrap_or((text, ""));
            let value = value.strip_prefix(' ').unwrap_or(value);
            match field {
                "id" => value.clone_into(&mut event.id),
                "event" => value.clone_into(&mut event.kind),
                "data" => data.push(value.to_owned()),
                _ => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Event, Events};

    #[test]
    fn events_come_whole_or_not_at_all() {
        let stream = ": hello\n\nid: 1\nevent: node_started\ndata: {\"a\":\ndata: 1}\n\n\
                      :\n\nid:2\r\ndata:x\r\n\r\nid: 3\ndata: cut";
        let mut events = Events::new(stream.as_bytes());
        let event = |id: &str, kind: &str, data: &str| Event {
            id: id.into(),
            kind: kind.into(),
            data: data.into(),
        };
        let first = event("1", "node_started", "{\"a\":\n1}");
        assert_eq!(events.next().unwrap(), Some(first));
        assert_eq!(events.next().unwrap(), Some(event("2", "", "x")));
        assert_eq!(events.next().unwrap(), None);
    }
}
