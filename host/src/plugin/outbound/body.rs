//! The bodies of requests, as guests expect them to be read.

use std::{
    pin::Pin,
    task::{Context, Poll},
};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use http_body_util::BodyExt;
use tokio::runtime::Handle;
use wasmtime_wasi_http::{Error, WasiBody};

/// The body of a request that is sent, read to its end by whoever sends it or, when that one has
/// had enough (of a body that was announced as empty, at once), here. A guest that still writes
/// when its body is dropped takes that for a connection that broke, though all is well.
pub(super) struct ToTheEnd(Option<WasiBody>);

impl ToTheEnd {
    pub(super) fn new(body: WasiBody) -> Self {
        Self(Some(body))
    }
}

impl Body for ToTheEnd {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        let Some(body) = &mut self.0 else {
            return Poll::Ready(None);
        };
        let polled = Pin::new(body).poll_frame(context);
        if matches!(polled, Poll::Ready(None | Some(Err(_)))) {
            self.0 = None;
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.0.as_ref().is_none_or(Body::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        let none = || SizeHint::with_exact(0);
        self.0.as_ref().map_or_else(none, Body::size_hint)
    }
}

impl Drop for ToTheEnd {
    fn drop(&mut self) {
        // Without a runtime the host is gone, and its guests with it.
        if let Some(body) = self.0.take()
            && Handle::try_current().is_ok()
        {
            drain(body);
        }
    }
}

/// Reads the body of a request that is not sent, until the guest ends it or is gone. Were it
/// dropped, the guest might see only that its body is not wanted, and not why.
pub(super) fn drain(mut body: WasiBody) {
    tokio::spawn(async move { while let Some(Ok(_)) = body.frame().await {} });
}

#[cfg(test)]
mod tests {
    use futures::{StreamExt, stream};
    use http_body_util::StreamBody;
    use tokio::sync::mpsc;

    use super::*;

    /// A body of so many frames, and what tells when each of them is read.
    fn body(frames: u8) -> (WasiBody, mpsc::UnboundedReceiver<u8>) {
        let (sender, read) = mpsc::unbounded_channel();
        let frames = stream::iter(0..frames).map(move |number| {
            let _ = sender.send(number);
            Ok(Frame::data(Bytes::from(vec![number])))
        });
        (StreamBody::new(frames).boxed_unsync(), read)
    }

    #[tokio::test]
    async fn what_nobody_reads_any_more_is_read_to_the_end() {
        let (body, mut read) = body(3);
        let mut sent = ToTheEnd::new(body);
        assert!(sent.frame().await.is_some_and(|frame| frame.is_ok()));
        assert_eq!(read.recv().await, Some(0));
        drop(sent);
        assert_eq!(read.recv().await, Some(1));
        assert_eq!(read.recv().await, Some(2));
        assert_eq!(read.recv().await, None, "the body is gone");
    }

    #[tokio::test]
    async fn what_was_read_to_the_end_is_over() {
        let (body, mut read) = body(1);
        let mut sent = ToTheEnd::new(body);
        while sent.frame().await.is_some() {}
        assert!(sent.is_end_stream());
        assert_eq!(sent.size_hint().exact(), Some(0));
        assert_eq!(read.recv().await, Some(0));
        assert_eq!(read.recv().await, None, "the body is gone");
    }
}
