//! What the door itself has to say, as a problem (RFC 9457): before the engine has been asked.

use bytes::Bytes;
use http::{HeaderValue, Response, StatusCode, header};
use http_body_util::{BodyExt, Full};
use serde_json::json;
use wasmtime_wasi_http::WasiBody;

use crate::access::Denied;

/// Why a call does not come to the engine.
pub(super) enum Refusal {
    /// Not POST.
    Method,
    /// No token, or one that does not open this door.
    Token(Denied),
    /// The body broke off.
    Body,
    /// Not what the function takes.
    Parameters(serde_json::Error),
    /// The host ends; somebody else has to wait.
    Stopping,
}

pub(super) fn refused(refusal: &Refusal) -> Response<WasiBody> {
    let (status, detail) = match refusal {
        Refusal::Method => (
            StatusCode::METHOD_NOT_ALLOWED,
            "functions are called with POST".to_owned(),
        ),
        Refusal::Token(denied @ Denied::Refused(_)) => {
            (StatusCode::UNAUTHORIZED, denied.to_string())
        }
        Refusal::Token(denied @ Denied::Lacks { .. }) => {
            (StatusCode::FORBIDDEN, denied.to_string())
        }
        Refusal::Body => (
            StatusCode::BAD_REQUEST,
            "the body cannot be read".to_owned(),
        ),
        Refusal::Parameters(error) => (
            StatusCode::BAD_REQUEST,
            format!("the parameters are not those of the function: {error}"),
        ),
        Refusal::Stopping => (StatusCode::SERVICE_UNAVAILABLE, "the host stops".to_owned()),
    };
    let problem = json!({
        "type": "about:blank",
        "title": status.canonical_reason(),
        "status": status.as_u16(),
        "detail": detail,
    });
    let body = Full::new(Bytes::from(problem.to_string()));
    let mut response = Response::new(body.map_err(|never| match never {}).boxed_unsync());
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("application/problem+json"),
    );
    match status {
        StatusCode::METHOD_NOT_ALLOWED => {
            headers.insert(header::ALLOW, HeaderValue::from_static("POST"));
        }
        StatusCode::UNAUTHORIZED => {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        StatusCode::SERVICE_UNAVAILABLE => {
            headers.insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
        }
        _ => {}
    }
    response
}
