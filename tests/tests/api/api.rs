//! A client of a host that speaks the whole interface and panics when an answer is not what it
//! should be, or not what the `OpenAPI` document says it can be.

use std::{net::SocketAddr, time::Duration};

use serde_json::{Value, json};
use tokio::time::timeout;

use crate::{
    client::{Client, Reply},
    contract::contract,
    journal::Journal,
};

/// One host. Each request has a connection of its own.
#[derive(Clone, Copy)]
pub struct Api {
    pub address: SocketAddr,
    /// How long an execution may take before the test gives up.
    pub patience: Duration,
    /// The bearer token of whoever asks.
    pub token: Option<&'static str>,
}

impl Api {
    /// The same host, asked by whoever has this token.
    pub fn with_token(self, token: &'static str) -> Self {
        Self {
            token: Some(token),
            ..self
        }
    }

    fn authorization(self) -> String {
        let token = self
            .token
            .map(|token| format!("authorization: Bearer {token}\r\n"));
        token.unwrap_or_default()
    }

    /// `headers` end with `\r\n` each.
    pub async fn send(self, method: &str, path: &str, headers: &str, body: &[u8]) -> Reply {
        let mut client = Client::connect(self.address).await.unwrap();
        let headers = self.authorization() + headers;
        let reply = client.request(method, path, &headers, body).await;
        let reply = reply.unwrap_or_else(|error| panic!("{method} {path}: {error:#}"));
        contract().await.check(method, path, body, &reply);
        reply
    }

    /// Sends the pieces of a request as they are, and reads the answer.
    pub async fn send_pieces(self, method: &str, path: &str, pieces: &[&[u8]]) -> Reply {
        let mut client = Client::connect(self.address).await.unwrap();
        let line = format!("{method} {path} HTTP/1.1\r\nhost: test\r\n");
        client.send(line.as_bytes()).await.unwrap();
        for piece in pieces {
            client.send(piece).await.unwrap();
        }
        let reply = client.reply(method == "HEAD").await.unwrap();
        contract().await.check(method, path, b"", &reply);
        reply
    }

    pub async fn get(self, path: &str) -> Reply {
        self.send("GET", path, "", b"").await
    }

    /// What is there.
    pub async fn read(self, path: &str) -> Value {
        let reply = self.get(path).await;
        assert_eq!(reply.status, 200, "{path}: {reply:?}");
        reply.json()
    }

    pub async fn post(self, path: &str, body: &Value) -> Reply {
        self.send("POST", path, "", body.to_string().as_bytes())
            .await
    }

    /// Stores a definition under its own id.
    pub async fn put(self, definition: &Value) -> Reply {
        let path = format!("/api/workflows/{}", definition["id"].as_str().unwrap());
        let reply = self
            .send("PUT", &path, "", definition.to_string().as_bytes())
            .await;
        assert_eq!(reply.status, 200, "{}", excerpt(&reply.body));
        reply
    }

    /// Starts an execution and gives its id.
    pub async fn start(self, workflow: &str, body: &Value) -> String {
        let reply = self
            .post(&format!("/api/workflows/{workflow}/execute"), body)
            .await;
        assert_eq!(reply.status, 202, "{}", excerpt(&reply.body));
        text(&reply.json()["execution_id"])
    }

    /// Stores a definition and starts an execution of it.
    pub async fn launch(self, definition: &Value, input: &Value) -> String {
        self.put(definition).await;
        let workflow = definition["id"].as_str().unwrap();
        self.start(workflow, &json!({"input": input})).await
    }

    /// Stores a definition, runs it to its end, and gives the execution.
    pub async fn run(self, definition: &Value, input: &Value) -> Value {
        let execution = self.launch(definition, input).await;
        self.end(&execution).await
    }

    /// The execution, as soon as it is over.
    pub async fn end(self, execution: &str) -> Value {
        self.follow(execution, 0, |_| false).await;
        self.execution(execution).await
    }

    pub async fn execution(self, execution: &str) -> Value {
        self.read(&format!("/api/executions/{execution}")).await
    }

    /// The whole journal so far, page by page.
    pub async fn journal(self, execution: &str) -> Journal {
        let mut events = Vec::new();
        loop {
            let after = events.len();
            let page = self
                .read(&format!("/api/executions/{execution}/events?after={after}"))
                .await;
            events.extend(page["items"].as_array().unwrap().iter().cloned());
            if page["next"].is_null() {
                return Journal(events);
            }
        }
    }

    /// Live events after a number, up to the first one that is wanted, or to the end.
    pub async fn follow(
        self,
        execution: &str,
        after: u64,
        is_wanted: impl Fn(&Value) -> bool,
    ) -> Journal {
        let following = self.follow_patiently(execution, after, is_wanted);
        let Ok(journal) = timeout(self.patience, following).await else {
            panic!(
                "not over in time: {}",
                excerpt(&self.execution(execution).await.to_string())
            );
        };
        journal
    }

    async fn follow_patiently(
        self,
        execution: &str,
        after: u64,
        is_wanted: impl Fn(&Value) -> bool,
    ) -> Journal {
        let mut stream = Stream::open(self, execution, after).await;
        let mut events = Vec::new();
        while let Some(event) = stream.next().await {
            let is_last = is_wanted(&event);
            events.push(event);
            if is_last {
                break;
            }
        }
        Journal(events)
    }

    /// Follows until there is an event of this kind about this node.
    pub async fn until(self, execution: &str, kind: &str, node: &str) -> Journal {
        let journal = self
            .follow(execution, 0, |event| {
                event["kind"] == kind && event["node"] == node
            })
            .await;
        let last = journal.0.last().unwrap();
        assert_eq!(last["kind"], kind, "{}", excerpt(&last.to_string()));
        journal
    }

    /// The checkpoint that a node waits at, as soon as it does.
    pub async fn checkpoint(self, execution: &str, node: &str, round: usize) -> Value {
        let seen = std::cell::Cell::new(0);
        let opened = self
            .follow(execution, 0, |event| {
                seen.set(
                    seen.get()
                        + usize::from(
                            event["kind"] == "checkpoint_opened" && event["node"] == node,
                        ),
                );
                seen.get() == round
            })
            .await;
        let id = text(&opened.0.last().unwrap()["payload"]["checkpoint"]);
        self.read(&format!("/api/checkpoints/{id}")).await
    }

    pub async fn resolve(self, checkpoint: &Value, decision: &Value) -> Reply {
        let id = checkpoint["checkpoint_id"].as_str().unwrap();
        self.post(&format!("/api/checkpoints/{id}/resolve"), decision)
            .await
    }

    /// Is it still there for others?
    pub async fn is_well(self) {
        for path in ["/health", "/health/ready"] {
            let reply = self.get(path).await;
            assert_eq!(reply.status, 200, "{path}: {reply:?}");
        }
        assert_eq!(self.read("/health").await["status"], "healthy");
    }
}

/// The events of an execution as they come.
struct Stream {
    client: Client,
    text: Vec<u8>,
}

impl Stream {
    async fn open(api: Api, execution: &str, after: u64) -> Self {
        let mut client = Client::connect(api.address).await.unwrap();
        let path = format!("/api/executions/{execution}/events");
        let authorization = api.authorization();
        let head = format!(
            "GET {path} HTTP/1.1\r\nhost: test\r\naccept: text/event-stream\r\n\
             {authorization}last-event-id: {after}\r\n\r\n"
        );
        client.send(head.as_bytes()).await.unwrap();
        let head = client.head().await.unwrap();
        assert_eq!(head.status, 200, "{head:?}");
        assert_eq!(head.header("content-type"), Some("text/event-stream"));
        contract().await.check("GET", &path, b"", &head);
        Self {
            client,
            text: Vec::new(),
        }
    }

    /// None when the stream ends.
    async fn next(&mut self) -> Option<Value> {
        loop {
            let frame_end = self.text.windows(2).position(|pair| pair == b"\n\n");
            if let Some(end) = frame_end {
                let frame: Vec<_> = self.text.drain(..end + 2).collect();
                if let Some(event) = event(str::from_utf8(&frame).unwrap()) {
                    contract().await.check_event(&event);
                    return Some(event);
                }
                continue;
            }
            self.text.extend(self.client.chunk().await.unwrap()?);
        }
    }
}

/// What a frame says under this name, line by line.
fn fields<'f>(frame: &'f str, name: &'f str) -> impl Iterator<Item = &'f str> {
    frame
        .lines()
        .filter_map(move |line| line.strip_prefix(name)?.strip_prefix(": "))
}

/// The event of a frame; none when the frame is only a comment.
fn event(frame: &str) -> Option<Value> {
    let data: Vec<_> = fields(frame, "data").collect();
    if data.is_empty() {
        return None;
    }
    let event: Value = serde_json::from_str(&data.join("\n")).unwrap();
    assert_eq!(
        fields(frame, "id").next(),
        Some(event["seq"].to_string().as_str())
    );
    assert_eq!(fields(frame, "event").next(), event["kind"].as_str());
    Some(event)
}

/// A string of an answer.
pub fn text(value: &Value) -> String {
    value
        .as_str()
        .unwrap_or_else(|| panic!("no string: {value}"))
        .to_owned()
}

/// One node of an execution, or one item of it.
pub fn node<'e>(execution: &'e Value, id: &str, item: Option<u64>) -> &'e Value {
    let nodes = execution["nodes"].as_array().unwrap();
    let found = nodes
        .iter()
        .find(|node| node["id"] == id && node["item"].as_u64() == item);
    found.unwrap_or_else(|| panic!("no node {id} {item:?}"))
}

/// As much of an answer as a message can bear.
pub fn excerpt(text: &str) -> String {
    text.chars().take(2_000).collect()
}
