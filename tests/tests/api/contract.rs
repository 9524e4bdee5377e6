//! The `OpenAPI` document as the tests hold the server to it: every answer that comes to [`Api`] has to
//! be one that the document describes.
//!
//! [`Api`]: crate::api::Api

pub mod read;

use std::{collections::BTreeMap, sync::Arc};

use jsonschema::Validator;
use serde_json::Value;
use tokio::sync::OnceCell;

use crate::{
    api::excerpt,
    client::{Client, Reply},
    host::shared,
};

/// Where the document is.
pub const PATH: &str = "/api/openapi.json";

/// Headers that any answer may have: what HTTP needs, and what the listener adds.
const HEADERS_ANYWHERE: [&str; 6] = [
    "connection",
    "content-length",
    "content-type",
    "date",
    "transfer-encoding",
    "x-request-id",
];

/// What the document says, with its schemas compiled.
pub struct Contract {
    pub operations: Vec<Operation>,
    /// What may be answered where there is no operation.
    anywhere: BTreeMap<u16, Answer>,
    event: Arc<Validator>,
    pub document: Value,
}

/// A method of a path.
pub struct Operation {
    pub method: String,
    pub path: String,
    /// Without references.
    pub parameters: Vec<Value>,
    /// The body of a request, if it takes one.
    pub body: Option<Body>,
    pub answers: BTreeMap<u16, Answer>,
}

/// What a request body may be.
pub struct Body {
    pub examples: Vec<Example>,
    schema: Arc<Validator>,
}

/// A body to send, and what it gives.
pub struct Example {
    pub name: String,
    pub value: Value,
    pub status: u16,
}

/// What may come with a status.
pub struct Answer {
    headers: Vec<Header>,
    /// By media type; empty where there is no body.
    contents: BTreeMap<String, Arc<Validator>>,
}

struct Header {
    name: String,
    is_required: bool,
    schema: Arc<Validator>,
}

/// What the server gives as its document, read once.
pub async fn contract() -> &'static Contract {
    static CONTRACT: OnceCell<Contract> = OnceCell::const_new();
    let read = async || {
        // By hand, as whatever goes through `Api` is checked against this.
        let mut client = Client::connect(shared().address).await.unwrap();
        let reply = client.get(PATH).await.unwrap();
        assert_eq!(reply.status, 200, "{reply:?}");
        Contract::read(reply.json())
    };
    CONTRACT.get_or_init(read).await
}

impl Contract {
    /// The operation that answers, if one does.
    pub fn operation(&self, method: &str, path: &str) -> Option<&Operation> {
        let method = if method == "HEAD" { "GET" } else { method };
        let mut found = self.at(path);
        found.retain(|operation| operation.method == method);
        // What is written out comes before what stands for anything.
        found
            .into_iter()
            .min_by_key(|operation| operation.path.matches('{').count())
    }

    /// The operations of all paths that this one can be.
    fn at(&self, path: &str) -> Vec<&Operation> {
        let path = path.split('?').next().unwrap_or_default();
        let path = path.strip_suffix('/').unwrap_or(path);
        let is_at = |operation: &&Operation| {
            let mut segments = path.split('/');
            let is_like = |known: &str| {
                segments.next().is_some_and(|segment| {
                    known == segment || (known.starts_with('{') && !segment.is_empty())
                })
            };
            operation.path.split('/').all(is_like) && segments.next().is_none()
        };
        self.operations.iter().filter(is_at).collect()
    }

    /// Checks that a request may be answered like this.
    pub fn check(&self, method: &str, path: &str, body: &[u8], reply: &Reply) {
        let shown = format!("{method} {}", excerpt(path));
        let Some(operation) = self.operation(method, path) else {
            let answer = self.anywhere.get(&reply.status);
            let answer = answer.unwrap_or_else(|| undocumented(&shown, reply));
            answer.check(&shown, method, reply);
            if !self.at(path).is_empty() {
                assert_eq!(allowed(reply), self.methods(path), "{shown}: Allow");
            }
            return;
        };
        let answer = operation.answers.get(&reply.status);
        let answer = answer.unwrap_or_else(|| undocumented(&shown, reply));
        answer.check(&shown, method, reply);
        if reply.status < 300 {
            operation.check_request(&shown, path, body);
        }
    }

    /// Checks an event of a stream.
    pub fn check_event(&self, event: &Value) {
        is_valid(&self.event, event, "an event of a stream");
    }

    /// The methods that a path takes, in order; `GET` brings `HEAD` along.
    pub fn methods(&self, path: &str) -> Vec<String> {
        let mut methods: Vec<_> = self.at(path).iter().map(|at| at.method.clone()).collect();
        if methods.iter().any(|method| method == "GET") {
            methods.push("HEAD".to_owned());
        }
        methods.sort();
        methods.dedup();
        methods
    }
}

impl Operation {
    /// What was taken has to be what the document says can be sent.
    fn check_request(&self, shown: &str, path: &str, body: &[u8]) {
        let query = path.split_once('?').map_or("", |(_, query)| query);
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            let name = pair.split('=').next().unwrap_or_default();
            let is_known = self
                .parameters
                .iter()
                .any(|parameter| parameter["in"] == "query" && parameter["name"] == name);
            // Probes look at no query.
            let is_free = self.path.starts_with("/health");
            assert!(
                is_known || is_free,
                "{shown}: {name} is not in the document"
            );
        }
        match &self.body {
            Some(known) if !body.is_empty() => {
                let body = serde_json::from_slice(body).unwrap();
                is_valid(&known.schema, &body, &format!("{shown}: the request body"));
            }
            Some(_) => {}
            // A body that nobody reads.
            None => assert!(body.is_empty(), "{shown}: a body is not in the document"),
        }
    }

    /// Its path, with the values of the parameters that `value` knows.
    pub fn path_with(&self, value: impl Fn(&Value) -> String) -> String {
        let in_path = |parameter: &&Value| parameter["in"] == "path";
        self.parameters
            .iter()
            .filter(in_path)
            .fold(self.path.clone(), |path, parameter| {
                let name = parameter["name"].as_str().unwrap();
                path.replace(&format!("{{{name}}}"), &value(parameter))
            })
    }

    /// As tests name it.
    pub fn shown(&self) -> String {
        format!("{} {}", self.method, self.path)
    }
}

impl Answer {
    fn check(&self, shown: &str, method: &str, reply: &Reply) {
        let shown = format!("{shown}: {}", reply.status);
        self.check_headers(&shown, reply);
        if method == "HEAD" {
            return;
        }
        if self.contents.is_empty() {
            assert_eq!(reply.body, "", "{shown}: a body is not in the document");
            return;
        }
        let given = reply.header("content-type").unwrap_or_default();
        let essence = given.split(';').next().unwrap_or_default().trim();
        let content = self.contents.get(essence).or(self.contents.get("*/*"));
        let schema = content.unwrap_or_else(|| panic!("{shown}: {given:?} is not in the document"));
        if essence.ends_with("json") && !self.contents.contains_key("*/*") {
            is_valid(schema, &reply.json(), &shown);
        }
    }

    fn check_headers(&self, shown: &str, reply: &Reply) {
        for header in &self.headers {
            match reply.header(&header.name) {
                Some(value) => is_valid(&header.schema, &value.into(), shown),
                None => assert!(!header.is_required, "{shown}: no header {}", header.name),
            }
        }
        for name in reply.header_names() {
            let is_known = HEADERS_ANYWHERE.contains(&name)
                || self.headers.iter().any(|header| header.name == name);
            assert!(is_known, "{shown}: header {name} is not in the document");
        }
    }
}

/// The methods that an answer names, in order.
fn allowed(reply: &Reply) -> Vec<String> {
    let text = reply.header("allow").unwrap_or_default();
    let mut methods: Vec<_> = text
        .split(", ")
        .filter(|method| !method.is_empty())
        .map(str::to_owned)
        .collect();
    methods.sort();
    methods
}

fn undocumented(shown: &str, reply: &Reply) -> ! {
    panic!(
        "{shown}: {} is not in the document: {}",
        reply.status,
        excerpt(&reply.body)
    )
}

/// Panics with the first few places where a value is off its schema.
pub fn is_valid(schema: &Validator, value: &Value, shown: &str) {
    if schema.is_valid(value) {
        return;
    }
    let errors = schema.iter_errors(value).take(5);
    let errors: Vec<_> = errors
        .map(|error| format!("at {:?}: {}", error.instance_path().as_str(), error))
        .map(|error| excerpt(&error))
        .collect();
    panic!(
        "{shown}: is not what the document says: {}\n{}",
        errors.join("\n"),
        excerpt(&value.to_string())
    );
}
