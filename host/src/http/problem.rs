//! Problems (RFC 9457) that the host itself has to tell, in the shape of those of the
//! components: `{"type", "title", "status", "detail"}`.

use bytes::Bytes;
use http::{HeaderValue, Response, StatusCode, header};
use serde::Serialize;

/// The closed list of what the host answers itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Problem {
    /// The path can be understood in more than one way; says how.
    Path(&'static str),
    /// No route.
    NotFound,
    /// More bytes than this.
    BodyTooLarge(u64),
    /// No byte of the body for so many seconds.
    BodyTooSlow(u64),
    /// The endpoint failed.
    Failed,
    /// The endpoint did not answer in time.
    TimedOut,
    /// There is no place for the request at the moment.
    Overloaded,
}

#[derive(Serialize)]
struct Document {
    r#type: &'static str,
    title: &'static str,
    status: u16,
    detail: String,
}

impl Problem {
    pub(super) fn response<B: From<Bytes>>(self) -> Response<B> {
        let (status, kind, title) = self.describe();
        let document = Document {
            r#type: kind,
            title,
            status: status.as_u16(),
            detail: self.detail(),
        };
        // Strings and a number always serialise.
        let text = serde_json::to_vec(&document).unwrap_or_default();
        let mut response = Response::new(Bytes::from(text).into());
        *response.status_mut() = status;
        let headers = response.headers_mut();
        headers.insert(
            header::CONTENT_TYPE,
            HeaderValue::from_static("application/problem+json"),
        );
        if self == Self::Overloaded {
            headers.insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
        }
        response
    }

    /// Status, type and title; the same as the components use where they have the same problem.
    fn describe(self) -> (StatusCode, &'static str, &'static str) {
        use StatusCode as S;
        match self {
            Self::Path(_) => (S::BAD_REQUEST, "/problems/malformed", "malformed request"),
            Self::NotFound => (S::NOT_FOUND, "/problems/not-found", "not found"),
            Self::BodyTooLarge(_) => (
                S::PAYLOAD_TOO_LARGE,
                "/problems/too-large",
                "body too large",
            ),
            Self::BodyTooSlow(_) => (S::REQUEST_TIMEOUT, "/problems/too-slow", "request too slow"),
            Self::Failed => (
                S::INTERNAL_SERVER_ERROR,
                "/problems/internal",
                "internal error",
            ),
            Self::TimedOut => (S::GATEWAY_TIMEOUT, "/problems/timeout", "timed out"),
            Self::Overloaded => (
                S::SERVICE_UNAVAILABLE,
                "/problems/unavailable",
                "temporarily unavailable",
            ),
        }
    }

    fn detail(self) -> String {
        match self {
            Self::Path(why) => format!("the path {why}"),
            Self::NotFound => "nothing is at this path".into(),
            Self::BodyTooLarge(max) => format!("body must be at most {max} bytes"),
            Self::BodyTooSlow(seconds) => {
                format!("no piece of the body came for {seconds} seconds")
            }
            Self::Failed => "the endpoint failed; the log of the host says why".into(),
            Self::TimedOut => "the endpoint did not answer in time".into(),
            Self::Overloaded => "too many requests are being worked on; try again".into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use http::header;
    use serde_json::{Value, json};

    use super::Problem;

    #[test]
    fn problems_have_the_shape_of_those_of_the_components() {
        let response = Problem::BodyTooLarge(8).response::<Bytes>();
        assert_eq!(response.status(), 413);
        assert_eq!(
            response.headers()[header::CONTENT_TYPE],
            "application/problem+json"
        );
        let body: Value = serde_json::from_slice(response.body()).unwrap();
        let expected = json!({
            "type": "/problems/too-large",
            "title": "body too large",
            "status": 413,
            "detail": "body must be at most 8 bytes",
        });
        assert_eq!(body, expected);
    }
}
