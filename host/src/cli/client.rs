//! Asking a host over HTTP.

use std::time::Duration;

use anyhow::{Context, Result, bail};
use clap::Args;
use serde_json::Value;
use ureq::{Agent, RequestBuilder};

/// Parameters of a query by name; what has no value is left out.
pub(super) type Query<'q> = [(&'q str, Option<String>)];

/// Which host to ask, and how to show what it says.
#[derive(Debug, Args)]
pub(super) struct Client {
    /// Address of the host
    #[arg(
        long,
        value_name = "URL",
        env = "PHASEWRIGHT_SERVER",
        default_value = "http://127.0.0.1:8080"
    )]
    server: String,
    /// Bearer token, for a host that needs one; from the environment, nobody sees it in a list of
    /// processes
    #[arg(
        long,
        value_name = "TOKEN",
        env = "PHASEWRIGHT_TOKEN",
        hide_env_values = true
    )]
    token: Option<String>,
    /// Print JSON, as the host answers it
    #[arg(long)]
    pub(super) json: bool,
}

impl Client {
    /// GET, with this query.
    pub(super) fn get(&self, path: &[&str], query: &Query) -> Result<Value> {
        let request = self.authorised(agent().get(self.url(path)));
        self.read(asking(request, query).call())
    }

    /// POST a JSON body.
    pub(super) fn post(&self, path: &[&str], body: &Value) -> Result<Value> {
        self.post_with(path, &[], body)
    }

    /// The same, with this query.
    pub(super) fn post_with(&self, path: &[&str], query: &Query, body: &Value) -> Result<Value> {
        let request = self.authorised(agent().post(self.url(path)));
        self.read(asking(request, query).send_json(body))
    }

    /// DELETE.
    pub(super) fn delete(&self, path: &[&str]) -> Result<()> {
        let request = self.authorised(agent().delete(self.url(path)));
        self.text(request.call()).map(|_| ())
    }

    fn authorised<Any>(&self, request: RequestBuilder<Any>) -> RequestBuilder<Any> {
        match &self.token {
            Some(token) => request.header("authorization", format!("Bearer {token}")),
            None => request,
        }
    }

    fn url(&self, path: &[&str]) -> String {
        let mut url = self.server.trim_end_matches('/').to_owned();
        for segment in path {
            url.push('/');
            // Ids need no escape; anything else shall not become another path.
            for byte in segment.bytes() {
                match byte {
                    b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' => {
                        url.push(char::from(byte));
                    }
                    _ => url.push_str(&format!("%{byte:02X}")),
                }
            }
        }
        url
    }

    fn read(&self, answer: Result<http::Response<ureq::Body>, ureq::Error>) -> Result<Value> {
        let text = self.text(answer)?;
        serde_json::from_str(&text).context("failed to read the answer as JSON")
    }

    fn text(&self, answer: Result<http::Response<ureq::Body>, ureq::Error>) -> Result<String> {
        let mut answer = answer.with_context(|| format!("failed to reach {}", self.server))?;
        let status = answer.status();
        let text = answer
            .body_mut()
            .with_config()
            .limit(1 << 30)
            .read_to_string();
        let text = text.with_context(|| format!("failed to read the answer of {}", self.server))?;
        if status.is_success() {
            return Ok(text);
        }
        bail!(
            "{}",
            problem(&text).unwrap_or_else(|| format!("the host answered {status}"))
        );
    }
}

fn asking<Any>(mut request: RequestBuilder<Any>, query: &Query) -> RequestBuilder<Any> {
    for (name, value) in query {
        if let Some(value) = value {
            request = request.query(*name, value);
        }
    }
    request
}

fn agent() -> Agent {
    Agent::config_builder()
        .http_status_as_error(false)
        .timeout_connect(Some(Duration::from_secs(10)))
        .timeout_global(Some(Duration::from_mins(2)))
        .build()
        .into()
}

/// An `application/problem+json` as lines.
fn problem(text: &str) -> Option<String> {
    let problem: Value = serde_json::from_str(text).ok()?;
    let mut lines = problem["detail"]
        .as_str()
        .or(problem["title"].as_str())?
        .to_owned();
    for error in problem["errors"].as_array().into_iter().flatten() {
        let (pointer, message) = (error["pointer"].as_str()?, error["message"].as_str()?);
        lines.push_str(&format!("\n  {pointer}: {message}"));
    }
    Some(lines)
}
