//! Replies: JSON, streams and problems, ready for the SDK to send.

pub mod json;
pub mod problem;
pub mod stream;

use std::convert::Infallible;

use bytes::Bytes;
use futures::stream::LocalBoxStream;
use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode, header};
use http_body::Frame;
use http_body_util::{Either, Full, StreamBody};

use crate::{Problem, request::condition::is_fresh};

/// What a component answers.
pub type Reply = Response<Body>;

/// Bytes in one piece, or one after the other as the client takes them.
pub type Body = Either<Full<Bytes>, StreamBody<LocalBoxStream<'static, FrameResult>>>;

/// A piece of a streamed body. It cannot fail: a stream that breaks ends.
pub type FrameResult = Result<Frame<Bytes>, Infallible>;

/// A reply with a JSON text.
pub fn with_json(status: StatusCode, text: impl Into<Bytes>) -> Reply {
    full(status, "application/json", text.into())
}

/// A reply with a JSON text that is the same for everybody and changes with the program only, to be
/// asked for again before it is used again; or 304 when the client has it already.
///
/// # Errors
///
/// 500 when no header can carry the tag.
pub fn with_tag(headers: &HeaderMap, tag: &str, text: &'static str) -> Result<Reply, Problem> {
    let mut reply = if is_fresh(headers, tag) {
        empty(StatusCode::NOT_MODIFIED)
    } else {
        with_json(StatusCode::OK, text)
    };
    set(&mut reply, header::ETAG, tag)?;
    set(&mut reply, header::CACHE_CONTROL, "no-cache")?;
    Ok(reply)
}

/// A reply without a body.
pub fn empty(status: StatusCode) -> Reply {
    let mut reply = Response::new(Either::Left(Full::default()));
    *reply.status_mut() = status;
    reply
}

/// A reply with a body in one piece, whose length is told so that it need not be sent in chunks.
fn full(status: StatusCode, content_type: &'static str, body: Bytes) -> Reply {
    let mut reply = empty(status);
    let headers = reply.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    headers.insert(header::CONTENT_LENGTH, HeaderValue::from(body.len()));
    *reply.body_mut() = Either::Left(Full::new(body));
    reply
}

/// Adds a header.
///
/// # Errors
///
/// 500 when the engine gave a text that no header can carry.
pub fn set(reply: &mut Reply, name: HeaderName, text: &str) -> Result<(), Problem> {
    let Ok(value) = HeaderValue::from_str(text) else {
        return Err(Problem::internal(format!(
            "header `{name}` cannot carry its value"
        )));
    };
    reply.headers_mut().insert(name, value);
    Ok(())
}

#[cfg(test)]
pub(crate) mod test {
    //! Looking into replies.

    use futures::executor::block_on;
    use http_body_util::BodyExt;

    use super::Reply;

    /// The body's text, collected to its end.
    pub fn text(reply: Reply) -> String {
        let body = block_on(reply.into_body().collect()).unwrap();
        String::from_utf8(body.to_bytes().to_vec()).unwrap()
    }

    /// The body as JSON.
    pub fn value(reply: Reply) -> serde_json::Value {
        serde_json::from_str(&text(reply)).unwrap()
    }
}
