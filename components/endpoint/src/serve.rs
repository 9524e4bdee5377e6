//! The way into a component and out of it: `wasi:http/handler`.
//!
//! The SDK asks the host for all that a request has: its scheme, its authority, its options, its
//! headers a second time. Here are only the questions whose answers the endpoints look at, since for a
//! short request they are a good part of what it costs.

use std::{
    pin::Pin,
    task::{Context, Poll},
};

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Uri};
use http_body::Frame;
use spin_sdk::{
    http::IntoResponse,
    wasip3::{
        http::types::{self, ErrorCode},
        http_compat::IncomingRequestBody,
    },
};

use crate::Reply;

#[doc(hidden)]
pub use spin_sdk::wasip3;

/// What a component is asked.
pub type Request = http::Request<Body>;

/// A body that the host is asked for when it is read.
pub struct Body {
    untouched: Option<types::Request>,
    read: Option<IncomingRequestBody>,
}

/// Exports an `async fn(Request) -> Reply` as the handler of a component.
#[macro_export]
macro_rules! serve {
    ($handle:path) => {
        mod exported {
            use $crate::serve::wasip3::{
                exports::http::handler::Guest,
                http::types::{ErrorCode, Request, Response},
            };

            struct Component;
            $crate::serve::wasip3::http::service::export!(Component);

            impl Guest for Component {
                async fn handle(request: Request) -> Result<Response, ErrorCode> {
                    $crate::serve::answer(request, $handle).await
                }
            }
        }
    };
}

/// Takes a request of the host apart, and gives it the reply.
///
/// # Errors
///
/// When the host gives what no request can have, or does not take the reply.
pub async fn answer(
    request: types::Request,
    handle: impl AsyncFnOnce(Request) -> Reply,
) -> Result<types::Response, ErrorCode> {
    handle(taken(request)?).await.into_response()
}

fn taken(request: types::Request) -> Result<Request, ErrorCode> {
    let uri = match request.get_path_with_query() {
        Some(path) => Uri::from_maybe_shared(Bytes::from(path))
            .map_err(|_| ErrorCode::HttpRequestUriInvalid)?,
        None => Uri::default(),
    };
    let method =
        Method::try_from(request.get_method()).map_err(|_| ErrorCode::HttpRequestMethodInvalid)?;
    let headers = headers(request.get_headers().copy_all())?;
    let mut taken = Request::new(Body {
        untouched: Some(request),
        read: None,
    });
    *taken.uri_mut() = uri;
    *taken.method_mut() = method;
    *taken.headers_mut() = headers;
    Ok(taken)
}

fn headers(all: Vec<(String, Vec<u8>)>) -> Result<HeaderMap, ErrorCode> {
    let mut headers = HeaderMap::with_capacity(all.len());
    for (name, value) in all {
        let broken = || ErrorCode::InternalError(Some(format!("header {name:?} is malformed")));
        let value = HeaderValue::from_maybe_shared(Bytes::from(value)).map_err(|_| broken())?;
        let name = HeaderName::from_bytes(name.as_bytes()).map_err(|_| broken())?;
        headers.append(name, value);
    }
    Ok(headers)
}

impl http_body::Body for Body {
    type Data = Bytes;
    type Error = ErrorCode;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, ErrorCode>>> {
        if let Some(request) = self.untouched.take() {
            self.read = Some(IncomingRequestBody::new(request)?);
        }
        match &mut self.read {
            Some(body) => Pin::new(body).poll_frame(cx),
            None => Poll::Ready(None),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_keep_their_order_and_bytes() {
        let all = [("accept", "a"), ("x-other", "\u{e9}"), ("accept", "b")];
        let all = all.map(|(name, value)| (name.to_owned(), value.as_bytes().to_vec()));
        let headers = headers(all.to_vec()).unwrap();
        let accepted: Vec<_> = headers.get_all("accept").iter().collect();
        assert_eq!(accepted, ["a", "b"]);
        assert_eq!(headers["x-other"].as_bytes(), "\u{e9}".as_bytes());
    }

    #[test]
    fn a_malformed_header_is_named() {
        let all = vec![("x-bad".to_owned(), b"a\nb".to_vec())];
        let Err(ErrorCode::InternalError(Some(text))) = headers(all) else {
            panic!("it was taken");
        };
        assert_eq!(text, "header \"x-bad\" is malformed");
    }
}
