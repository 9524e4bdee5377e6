//! A client of the HTTP interface: JSON in and out.

use std::{fmt, io, time::Duration};

use serde_json::Value;
use ureq::{
    Agent, Body,
    http::{Request, Response},
};

/// Longest answer, in bytes: a journal of every row of every flight is some megabytes.
const ANSWER_BYTES_MAX: u64 = 256 << 20;

/// Longest wait for an answer; `Prefer: wait` may take 60 seconds.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(75);

/// Talks to one host; keeps its connections.
pub struct Client {
    agent: Agent,
    base: String,
}

/// Why there is no answer to work with.
#[derive(Debug)]
pub enum CallError {
    /// Nobody answered, or not to the end.
    Unreachable(ureq::Error),
    /// The host cannot do it now (503) and says that nothing was changed.
    Unavailable(String),
    /// The host refused or failed.
    Refused {
        /// Of the answer.
        status: u16,
        /// The problem, for people.
        problem: String,
    },
}

impl CallError {
    /// May the same call succeed once the host is back?
    pub fn is_passing(&self) -> bool {
        matches!(self, Self::Unreachable(_) | Self::Unavailable(_))
    }
}

impl fmt::Display for CallError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreachable(error) => write!(f, "no answer: {error}"),
            Self::Unavailable(problem) | Self::Refused { problem, .. } => f.write_str(problem),
        }
    }
}

impl std::error::Error for CallError {}

impl From<io::Error> for CallError {
    fn from(error: io::Error) -> Self {
        Self::Unreachable(error.into())
    }
}

impl Client {
    /// A client of the host at `base`, for instance `http://127.0.0.1:8080`.
    pub fn new(base: String) -> Self {
        let agent = Agent::config_builder()
            .http_status_as_error(false)
            .timeout_connect(Some(Duration::from_secs(5)))
            .timeout_recv_response(Some(ANSWER_TIMEOUT))
            .build()
            .new_agent();
        Self { agent, base }
    }

    /// A client that waits so long for the whole of an answer, and no longer.
    pub fn impatient(base: String, patience: Duration) -> Self {
        let agent = Agent::config_builder()
            .http_status_as_error(false)
            .timeout_global(Some(patience))
            .build()
            .new_agent();
        Self { agent, base }
    }

    /// `GET` of a JSON document.
    pub fn get(&self, path: &str) -> Result<Value, CallError> {
        json(self.send("GET", path, &[], None)?)
    }

    /// `GET` of a text.
    pub fn text(&self, path: &str) -> Result<String, CallError> {
        self.send("GET", path, &[], None)?
            .body_mut()
            .with_config()
            .limit(ANSWER_BYTES_MAX)
            .read_to_string()
            .map_err(CallError::Unreachable)
    }

    /// `PUT` of a JSON document.
    pub fn put(&self, path: &str, body: &Value) -> Result<Value, CallError> {
        json(self.send("PUT", path, &[], Some(body.to_string().as_bytes()))?)
    }

    /// `POST` of a JSON document, with headers.
    pub fn post(
        &self,
        path: &str,
        headers: &[(&str, &str)],
        body: &Value,
    ) -> Result<Value, CallError> {
        json(self.send("POST", path, headers, Some(body.to_string().as_bytes()))?)
    }

    /// Sends a request; any status but 2xx is an error.
    pub fn send(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: Option<&[u8]>,
    ) -> Result<Response<Body>, CallError> {
        let url = format!("{}{path}", self.base);
        let mut request = Request::builder().method(method).uri(url);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let answer = match body {
            Some(bytes) => request
                .header("content-type", "application/json")
                .body(bytes)
                .map_err(ureq::Error::Http)
                .and_then(|request| self.agent.run(request)),
            None => request
                .body(())
                .map_err(ureq::Error::Http)
                .and_then(|request| self.agent.run(request)),
        };
        let mut answer = answer.map_err(CallError::Unreachable)?;
        let status = answer.status();
        if status.is_success() {
            return Ok(answer);
        }
        let problem = answer.body_mut().read_to_string().unwrap_or_default();
        let message = format!("{method} {path} answered {status}: {}", explain(&problem));
        Err(match status.as_u16() {
            503 => CallError::Unavailable(message),
            status => CallError::Refused {
                status,
                problem: message,
            },
        })
    }
}

fn json(mut answer: Response<Body>) -> Result<Value, CallError> {
    answer
        .body_mut()
        .with_config()
        .limit(ANSWER_BYTES_MAX)
        .read_json()
        .map_err(CallError::Unreachable)
}

/// A problem (RFC 9457) in one line per violation.
fn explain(body: &str) -> String {
    let Ok(problem) = serde_json::from_str::<Value>(body) else {
        return body.trim().to_owned();
    };
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let mut lines = vec![text(&problem["detail"])];
    for violation in problem["errors"].as_array().into_iter().flatten() {
        let (pointer, message) = (text(&violation["pointer"]), text(&violation["message"]));
        lines.push(format!("  {pointer} {message}"));
    }
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::explain;

    #[test]
    fn a_problem_names_its_places() {
        let problem = r#"{"detail": "2 violations", "errors": [
            {"pointer": "/nodes/0", "message": "is wrong"}, {"pointer": "/id", "message": "is long"}]}"#;
        assert_eq!(
            explain(problem),
            "2 violations\n  /nodes/0 is wrong\n  /id is long"
        );
        assert_eq!(explain("gone\n"), "gone");
    }
}
