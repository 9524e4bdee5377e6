//! Request bodies within their limits, and response bodies of either origin.

use std::{
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicU8, Ordering::Relaxed},
    },
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::{Buf, Bytes};
use http_body::{Body, Frame, SizeHint};
use http_body_util::Full;
use hyper::body::Incoming;
use tokio::time::{Sleep, sleep};
use wasmtime_wasi_http::Error;

/// What is sent to the client: the site's body or the host's own words.
pub(super) enum ResponseBody<B> {
    Site(Delivered<B>),
    Host(Full<Bytes>),
}

impl<B> ResponseBody<B> {
    pub(super) fn site(body: B) -> Self {
        Self::Site(Delivered { body, broken: None })
    }
}

impl<B> From<Bytes> for ResponseBody<B> {
    fn from(bytes: Bytes) -> Self {
        Self::Host(Full::new(bytes))
    }
}

impl<B: Body<Data = Bytes, Error = Error> + Unpin> Body for ResponseBody<B> {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        match self.get_mut() {
            Self::Site(body) => Pin::new(body).poll_frame(cx),
            Self::Host(body) => {
                let frame = Pin::new(body).poll_frame(cx);
                frame.map(|frame| frame.map(|frame| frame.map_err(|never| match never {})))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Site(body) => body.is_end_stream(),
            Self::Host(body) => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Site(body) => body.size_hint(),
            Self::Host(body) => body.size_hint(),
        }
    }
}

/// A body that breaks off only after what came before has been sent: hyper closes a connection
/// without sending what it has gathered for it, but it sends that whenever a body lets it wait.
pub(super) struct Delivered<B> {
    body: B,
    broken: Option<Error>,
}

impl<B: Body<Data = Bytes, Error = Error> + Unpin> Body for Delivered<B> {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        if let Some(error) = self.broken.take() {
            return Poll::Ready(Some(Err(error)));
        }
        match ready!(Pin::new(&mut self.body).poll_frame(cx)) {
            Some(Err(error)) => {
                self.broken = Some(error);
                cx.waker().wake_by_ref();
                Poll::Pending
            }
            frame => Poll::Ready(frame),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.broken.is_none() && self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// Why a request body was cut off.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Cut {
    TooLarge = 1,
    TooSlow = 2,
}

/// Tells whether the body that a component reads has been cut off.
pub(super) struct Verdict(Arc<AtomicU8>);

impl Verdict {
    pub(super) fn cut(&self) -> Option<Cut> {
        match self.0.load(Relaxed) {
            1 => Some(Cut::TooLarge),
            2 => Some(Cut::TooSlow),
            _ => None,
        }
    }
}

/// A request body that is cut off when it becomes too long or stops coming.
pub(super) struct RequestBody {
    body: Incoming,
    bytes_left: u64,
    bytes_max: u64,
    pause_max: Duration,
    pause: Option<Pin<Box<Sleep>>>,
    verdict: Arc<AtomicU8>,
}

impl RequestBody {
    pub(super) fn new(body: Incoming, bytes_max: u64, pause_max: Duration) -> (Self, Verdict) {
        let verdict = Arc::new(AtomicU8::new(0));
        let body = Self {
            body,
            bytes_left: bytes_max,
            bytes_max,
            pause_max,
            pause: None,
            verdict: verdict.clone(),
        };
        (body, Verdict(verdict))
    }

    fn cut<T>(&self, why: Cut, error: Error) -> Poll<Option<Result<T, Error>>> {
        self.verdict.store(why as u8, Relaxed);
        Poll::Ready(Some(Err(error)))
    }
}

impl Body for RequestBody {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        let Poll::Ready(frame) = Pin::new(&mut self.body).poll_frame(cx) else {
            let pause_max = self.pause_max;
            let pause = self.pause.get_or_insert_with(|| Box::pin(sleep(pause_max)));
            return match pause.as_mut().poll(cx) {
                Poll::Ready(()) => self.cut(Cut::TooSlow, Error::ConnectionReadTimeout),
                Poll::Pending => Poll::Pending,
            };
        };
        self.pause = None;
        let frame = match frame {
            Some(Ok(frame)) => frame,
            Some(Err(error)) => return Poll::Ready(Some(Err(error.into()))),
            None => return Poll::Ready(None),
        };
        let bytes = frame.data_ref().map_or(0, Buf::remaining) as u64;
        let Some(left) = self.bytes_left.checked_sub(bytes) else {
            let max = self.bytes_max;
            return self.cut(Cut::TooLarge, Error::HttpRequestBodySize(Some(max)));
        };
        self.bytes_left = left;
        Poll::Ready(Some(Ok(frame)))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use futures::{FutureExt, stream};
    use http_body_util::{BodyExt, StreamBody};

    use super::*;

    #[test]
    fn what_came_before_a_body_breaks_off_can_be_sent() {
        let frames = [
            Ok(Frame::data(Bytes::from_static(b"first"))),
            Err(Error::HttpResponseIncomplete),
        ];
        let mut body = ResponseBody::site(StreamBody::new(stream::iter(frames)));
        let mut next = || body.frame().now_or_never();
        assert!(matches!(next(), Some(Some(Ok(_)))));
        // Here hyper sends.
        assert!(next().is_none());
        assert!(matches!(next(), Some(Some(Err(_)))));
        assert!(matches!(next(), Some(None)));
    }
}
