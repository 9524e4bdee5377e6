//! One call, sent to one host after the other until one of them answers.

use std::{
    pin::pin,
    time::{Duration, Instant},
};

use bytes::Bytes;
use futures::future::{Either, select};
use http::{HeaderValue, Request, StatusCode, header};
use http_body_util::Full;
use serde::Serialize;
use spin_sdk::{
    http::Response,
    wasip3::{
        http::types::{ErrorCode, RequestOptions},
        http_compat::RequestOptionsExtension,
    },
};

use crate::{
    answer::Reply,
    bindings::types::{Caller, Error},
    engines::{Engines, prefer},
};

/// From the call to the head of its answer, with all hosts that are tried: the time that people wait
/// for a page.
const TIME: Duration = Duration::from_secs(30);

/// To a host that does not even refuse. Hosts are near, or at least on the same continent.
const CONNECT_TIME: Duration = Duration::from_secs(3);

/// What hosts are asked for.
pub struct Function {
    /// Name of the interface, as in Rust.
    pub interface: &'static str,
    /// Name of the function, as in Rust.
    pub name: &'static str,
    pub how: How,
}

/// How often a call may be sent, and how long it may take.
#[derive(Clone, Copy)]
pub struct How {
    is_repeatable: bool,
    time: Duration,
}

/// Done twice it is the same as done once.
pub const AGAIN: How = How {
    is_repeatable: true,
    time: TIME,
};

/// Done twice it is something else.
pub const ONCE: How = How {
    is_repeatable: false,
    time: TIME,
};

impl How {
    pub fn only_if(self, is_repeatable: bool) -> Self {
        Self {
            is_repeatable,
            ..self
        }
    }

    /// For calls that take as long as they are told to.
    pub fn longer_by(self, time_ms: u32) -> Self {
        Self {
            time: self.time + Duration::from_millis(time_ms.into()),
            ..self
        }
    }
}

/// Why a host gave no answer.
struct Failure {
    why: String,
    /// False when it cannot be reached, or does not let us in.
    may_have_begun: bool,
}

/// The answer of the first host that gives one.
pub async fn send(
    function: &Function,
    caller: Option<&Caller>,
    parameters: &impl Serialize,
) -> Result<Reply, Error> {
    let deadline = Instant::now() + function.how.time;
    // What comes from the WIT always has a JSON form.
    let body = Bytes::from(serde_json::to_vec(parameters).unwrap_or_default());
    let engines = Engines::look_up().await?;
    let mut begun = 0;
    for (number, url) in engines.in_turn() {
        let request = request(url, &engines.token, function, caller, body.clone());
        let answer = match request {
            Ok(request) => within(left(deadline), spin_sdk::http::send(request)).await,
            Err(_) => Some(Err(ErrorCode::HttpRequestUriInvalid)),
        };
        let failure = match judge(answer) {
            Ok(response) => {
                prefer(number);
                return reply(function, response, deadline);
            }
            Err(failure) => failure,
        };
        eprintln!(
            "{}.{} by {url}: {}",
            function.interface, function.name, failure.why
        );
        begun += usize::from(failure.may_have_begun);
        if begun > 0 && !function.how.is_repeatable {
            let unknown = "the engine did not answer; it may have done what was asked";
            return Err(Error::Unavailable(unknown.to_owned()));
        }
        // What may have begun is repeated once.
        if begun > 1 {
            break;
        }
    }
    Err(Error::Unavailable("no engine answers".to_owned()))
}

fn request(
    url: &str,
    token: &str,
    Function {
        interface, name, ..
    }: &Function,
    caller: Option<&Caller>,
    body: Bytes,
) -> Result<Request<Full<Bytes>>, http::Error> {
    let name = name.replace('_', "-");
    let mut request = Request::post(format!("{url}/engine/v1/{interface}/{name}"))
        .header(header::AUTHORIZATION, format!("Bearer {token}"))
        .header(header::CONTENT_TYPE, "application/json")
        .header(header::CONTENT_LENGTH, body.len());
    for (name, value) in [
        (
            "traceparent",
            caller.and_then(|caller| caller.traceparent.as_ref()),
        ),
        (
            "x-request-id",
            caller.and_then(|caller| caller.request_id.as_ref()),
        ),
    ] {
        // What no header can carry came from no header.
        if let Some(Ok(value)) = value.map(|value| HeaderValue::from_str(value)) {
            request = request.header(name, value);
        }
    }
    let options = RequestOptions::new();
    // Where it is not supported the deadline remains.
    let _ = options.set_connect_timeout(nanoseconds(CONNECT_TIME));
    request
        .extension(RequestOptionsExtension(options))
        .body(Full::new(body))
}

fn nanoseconds(time: Duration) -> Option<u64> {
    time.as_nanos().try_into().ok()
}

/// Whether it is the engine that answers.
fn judge(answer: Option<Result<Response, ErrorCode>>) -> Result<Response, Failure> {
    let failure = |why: String, may_have_begun| Failure {
        why,
        may_have_begun,
    };
    let response = match answer {
        None => return Err(failure("not in time".to_owned(), true)),
        Some(Err(error)) => return Err(failure(error.to_string(), !is_before_all(&error))),
        Some(Ok(response)) => response,
    };
    match response.status() {
        status @ (StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN) => Err(failure(
            format!("{status}: the token does not open the engine API"),
            false,
        )),
        status if status.is_server_error() => Err(failure(status.to_string(), true)),
        _ => Ok(response),
    }
}

/// What goes wrong before a byte of the request has gone out.
fn is_before_all(error: &ErrorCode) -> bool {
    use ErrorCode as E;
    matches!(
        error,
        E::DnsTimeout
            | E::DnsError(_)
            | E::DestinationNotFound
            | E::DestinationUnavailable
            | E::DestinationIpProhibited
            | E::DestinationIpUnroutable
            | E::ConnectionRefused
            | E::ConnectionTimeout
            | E::ConnectionLimitReached
            | E::TlsProtocolError
            | E::TlsCertificateError
            | E::TlsAlertReceived(_)
            | E::HttpRequestDenied
            | E::HttpRequestUriInvalid
    )
}

fn reply(function: &Function, response: Response, deadline: Instant) -> Result<Reply, Error> {
    match response.status() {
        StatusCode::OK => Ok(Reply::new(response.into_body(), deadline)),
        StatusCode::NOT_FOUND => Err(Error::Internal(format!(
            "the engine has no {}.{}: it is of another version",
            function.interface, function.name
        ))),
        StatusCode::PAYLOAD_TOO_LARGE => Err(Error::Internal(
            "the request is larger than the engine takes".to_owned(),
        )),
        status => Err(Error::Internal(format!(
            "the engine API answered {status}: engine and link do not fit together"
        ))),
    }
}

/// What is left until then.
pub fn left(deadline: Instant) -> Duration {
    deadline.saturating_duration_since(Instant::now())
}

/// None when it takes longer.
pub async fn within<T>(time: Duration, work: impl Future<Output = T>) -> Option<T> {
    match select(pin!(work), pin!(spin_sdk::time::sleep(time))).await {
        Either::Left((result, _)) => Some(result),
        Either::Right(_) => None,
    }
}
