//! Is anybody still there to read the answer? The one end stays with the client's
//! connection, the other goes with the request into the component's instance.

use std::{
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use tokio::sync::watch;
use wasmtime_wasi_http::{Error, WasiBody};

/// Held as long as somebody waits for the response or reads it. True when the rest of the
/// response will never come.
pub(super) struct Interest(watch::Receiver<bool>);

/// The other end: knows whether the [`Interest`] has been dropped.
#[derive(Clone)]
pub(super) struct Asked(watch::Sender<bool>);

/// A response body that somebody is interested in for as long as it exists.
pub struct Awaited {
    body: WasiBody,
    interest: Interest,
}

/// Both ends.
pub(super) fn interest() -> (Interest, Asked) {
    let (sender, receiver) = watch::channel(false);
    (Interest(receiver), Asked(sender))
}

impl Interest {
    pub(super) fn in_body(self, body: WasiBody) -> Awaited {
        Awaited {
            body,
            interest: self,
        }
    }
}

impl Asked {
    /// Has everybody gone?
    pub(super) fn is_over(&self) -> bool {
        self.0.is_closed()
    }

    /// Waits until everybody has gone.
    pub(super) async fn over(&self) {
        self.0.closed().await;
    }

    /// The instance fails, and with it the rest of the response.
    pub(super) fn fail(&self) {
        self.0.send_replace(true);
    }
}

impl Body for Awaited {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        let frame = ready!(Pin::new(&mut self.body).poll_frame(cx));
        // A body whose instance is gone looks as if it had ended.
        if frame.is_none() && *self.interest.0.borrow() {
            return Poll::Ready(Some(Err(Error::HttpResponseIncomplete)));
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
