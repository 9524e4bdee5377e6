//! Problems (RFC 9457): the one shape in which callers learn what went wrong.

use http::{HeaderName, HeaderValue, Method, StatusCode, header};

use super::{
    Reply, full,
    json::{self, Object},
};
use crate::bindings::types::{Error, Violation};

/// Why there is no other reply. Boxed, because results carry it everywhere and it is rare.
#[derive(Debug)]
pub struct Problem(Box<Content>);

#[derive(Debug)]
struct Content {
    kind: Kind,
    detail: String,
    errors: Vec<Violation>,
    header: Option<(HeaderName, HeaderValue)>,
}

/// The closed list of what can go wrong; each has a status and a stable URI.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Malformed,
    Unauthenticated,
    Forbidden,
    NotFound,
    MethodNotAllowed,
    Conflict,
    PreconditionFailed,
    TooLarge,
    UnsupportedMediaType,
    Invalid,
    RateLimited,
    Internal,
    Unavailable,
}

impl Kind {
    /// Status, type URI and title.
    fn describe(self) -> (StatusCode, &'static str, &'static str) {
        use StatusCode as S;
        match self {
            Self::Malformed => (S::BAD_REQUEST, "/problems/malformed", "malformed request"),
            Self::Unauthenticated => (
                S::UNAUTHORIZED,
                "/problems/unauthenticated",
                "not authenticated",
            ),
            Self::Forbidden => (S::FORBIDDEN, "/problems/forbidden", "not allowed"),
            Self::NotFound => (S::NOT_FOUND, "/problems/not-found", "not found"),
            Self::MethodNotAllowed => (
                S::METHOD_NOT_ALLOWED,
                "/problems/method-not-allowed",
                "method not allowed",
            ),
            Self::Conflict => (S::CONFLICT, "/problems/conflict", "conflict"),
            Self::PreconditionFailed => (
                S::PRECONDITION_FAILED,
                "/problems/precondition-failed",
                "precondition failed",
            ),
            Self::TooLarge => (
                S::PAYLOAD_TOO_LARGE,
                "/problems/too-large",
                "body too large",
            ),
            Self::UnsupportedMediaType => (
                S::UNSUPPORTED_MEDIA_TYPE,
                "/problems/unsupported-media-type",
                "unsupported media type",
            ),
            Self::Invalid => (
                S::UNPROCESSABLE_ENTITY,
                "/problems/invalid",
                "invalid request",
            ),
            Self::RateLimited => (
                S::TOO_MANY_REQUESTS,
                "/problems/rate-limited",
                "too many requests",
            ),
            Self::Internal => (
                S::INTERNAL_SERVER_ERROR,
                "/problems/internal",
                "internal error",
            ),
            Self::Unavailable => (
                S::SERVICE_UNAVAILABLE,
                "/problems/unavailable",
                "temporarily unavailable",
            ),
        }
    }
}

impl Problem {
    /// 400: path, query, headers or body cannot be read.
    pub fn malformed(detail: impl Into<String>) -> Self {
        Self::new(Kind::Malformed, detail)
    }

    /// 422: the body can be read but is not what it must be.
    pub fn invalid(errors: Vec<Violation>) -> Self {
        let detail = match errors.as_slice() {
            [] => "the request breaks a rule".to_owned(),
            [one] if one.pointer.is_empty() => format!("the document {}", one.message),
            [one] => format!("{} {}", one.pointer, one.message),
            many => format!("{} violations, see `errors`", many.len()),
        };
        let mut problem = Self::new(Kind::Invalid, detail);
        problem.0.errors = errors;
        problem
    }

    /// 404: the path leads nowhere.
    pub fn no_route() -> Self {
        Self::not_found("nothing is at this path")
    }

    /// 404.
    pub fn not_found(detail: impl Into<String>) -> Self {
        Self::new(Kind::NotFound, detail)
    }

    /// 405 with the methods that there are; `GET` brings `HEAD` along.
    pub fn method_not_allowed(method: &Method, allowed: &[Method]) -> Self {
        let names = allowed.iter().map(|method| match *method {
            Method::GET => "GET, HEAD",
            ref other => other.as_str(),
        });
        let names = names.collect::<Vec<_>>().join(", ");
        let detail = format!("{method} is not allowed here; allowed: {names}");
        // Methods are tokens, which every header can carry.
        let names = HeaderValue::try_from(names).unwrap_or(HeaderValue::from_static(""));
        Self::new(Kind::MethodNotAllowed, detail).with(header::ALLOW, names)
    }

    /// 413 naming the limit.
    pub fn too_large(bytes_max: usize) -> Self {
        Self::new(
            Kind::TooLarge,
            format!("body must be at most {bytes_max} bytes"),
        )
    }

    /// 415: the body claims to be something other than JSON.
    pub fn unsupported_media_type() -> Self {
        Self::new(
            Kind::UnsupportedMediaType,
            "header `content-type` must be application/json",
        )
    }

    /// 500.
    pub fn internal(detail: impl Into<String>) -> Self {
        Self::new(Kind::Internal, detail)
    }

    /// The HTTP status.
    pub fn status(&self) -> StatusCode {
        self.0.kind.describe().0
    }

    /// What is wrong, in one line.
    pub fn detail(&self) -> &str {
        &self.0.detail
    }

    /// What is wrong where in the body.
    pub fn errors(&self) -> &[Violation] {
        &self.0.errors
    }

    /// The reply that tells it:
    /// `{"type", "title", "status", "detail", "errors": [{"pointer", "message"}]}`.
    pub fn into_reply(self) -> Reply {
        let text = json::object(|object| self.write(object));
        let mut reply = full(self.status(), "application/problem+json", text.into());
        if let Some((name, value)) = self.0.header {
            reply.headers_mut().insert(name, value);
        }
        reply
    }

    /// The members of the reply.
    pub fn write(&self, object: &mut Object) {
        let (status, uri, title) = self.0.kind.describe();
        object.field("type", uri);
        object.field("title", title);
        object.field("status", status.as_u16());
        object.field("detail", &self.0.detail);
        if !self.0.errors.is_empty() {
            object.objects("errors", &self.0.errors, |error, violation| {
                error.field("pointer", &violation.pointer);
                error.field("message", &violation.message);
            });
        }
    }

    fn new(kind: Kind, detail: impl Into<String>) -> Self {
        Self(Box::new(Content {
            kind,
            detail: detail.into(),
            errors: Vec::new(),
            header: None,
        }))
    }

    fn with(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.0.header = Some((name, value));
        self
    }

    /// Tells the client when to try again.
    fn retry_after(self, seconds: u64) -> Self {
        self.with(header::RETRY_AFTER, HeaderValue::from(seconds))
    }
}

impl From<Error> for Problem {
    fn from(error: Error) -> Self {
        match error {
            Error::Invalid(violations) => Self::invalid(violations),
            Error::Unauthenticated => {
                Self::new(Kind::Unauthenticated, "a valid bearer token is required")
                    .with(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"))
            }
            Error::Forbidden(detail) => Self::new(Kind::Forbidden, detail),
            Error::NotFound(detail) => Self::not_found(detail),
            Error::Conflict(detail) => Self::new(Kind::Conflict, detail),
            Error::PreconditionFailed(detail) => Self::new(Kind::PreconditionFailed, detail),
            Error::RateLimited(wait_ms) => {
                let seconds = wait_ms.div_ceil(1000);
                let detail = format!("too many requests; try again in {seconds} seconds");
                Self::new(Kind::RateLimited, detail).retry_after(seconds)
            }
            Error::Unavailable(detail) => Self::new(Kind::Unavailable, detail).retry_after(1),
            Error::Internal(detail) => Self::internal(detail),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Problem;
    use crate::{
        bindings::types::{Error, Violation},
        reply::test::value,
    };
    use http::header;
    use serde_json::json;

    #[test]
    fn every_error_has_its_status() {
        let text = || "why".to_owned();
        for (error, status, kind) in [
            (Error::Unauthenticated, 401, "unauthenticated"),
            (Error::Forbidden(text()), 403, "forbidden"),
            (Error::NotFound(text()), 404, "not-found"),
            (Error::Conflict(text()), 409, "conflict"),
            (
                Error::PreconditionFailed(text()),
                412,
                "precondition-failed",
            ),
            (Error::Invalid(Vec::new()), 422, "invalid"),
            (Error::RateLimited(1), 429, "rate-limited"),
            (Error::Internal(text()), 500, "internal"),
            (Error::Unavailable(text()), 503, "unavailable"),
        ] {
            let reply = Problem::from(error).into_reply();
            assert_eq!(reply.status().as_u16(), status);
            assert_eq!(
                reply.headers()[header::CONTENT_TYPE],
                "application/problem+json"
            );
            let body = value(reply);
            assert_eq!(body["status"], status);
            assert_eq!(body["type"], format!("/problems/{kind}"));
        }
    }

    #[test]
    fn headers_say_what_to_do() {
        let header = |error, name| Problem::from(error).into_reply().headers()[name].clone();
        assert_eq!(
            header(Error::Unauthenticated, header::WWW_AUTHENTICATE),
            "Bearer"
        );
        assert_eq!(header(Error::RateLimited(1_001), header::RETRY_AFTER), "2");
        assert_eq!(header(Error::RateLimited(2_000), header::RETRY_AFTER), "2");
        assert_eq!(
            header(Error::Unavailable(String::new()), header::RETRY_AFTER),
            "1"
        );
    }

    #[test]
    fn violations_are_listed() {
        let violation = |pointer: &str| Violation {
            pointer: pointer.to_owned(),
            message: "must be \"x\"".to_owned(),
        };
        let body = value(Problem::invalid(vec![violation("/a")]).into_reply());
        assert_eq!(
            body,
            json!({
                "type": "/problems/invalid",
                "title": "invalid request",
                "status": 422,
                "detail": "/a must be \"x\"",
                "errors": [{"pointer": "/a", "message": "must be \"x\""}],
            })
        );
        let body = value(Problem::invalid(vec![violation(""), violation("/b")]).into_reply());
        assert_eq!(body["detail"], "2 violations, see `errors`");
        assert_eq!(body["errors"].as_array().unwrap().len(), 2);
    }

    #[test]
    fn problems_without_violations_have_no_list() {
        let body = value(Problem::no_route().into_reply());
        assert!(body.get("errors").is_none());
    }
}
