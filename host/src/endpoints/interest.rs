//! Is anybody still there to read the answer? The one end stays with the client's
//! connection, the other goes with the request into the component's instance.

use std::{
    pin::Pin,
    task::{Context, Poll},
};

use http_body::{Body, Frame, SizeHint};
use tokio::sync::watch;

/// Held as long as somebody waits for the response or reads it.
pub(super) struct Interest {
    _receiver: watch::Receiver<()>,
}

/// The other end: knows whether the [`Interest`] has been dropped.
#[derive(Clone)]
pub(super) struct Asked(watch::Sender<()>);

/// A response body that somebody is interested in for as long as it exists.
pub struct Awaited<B> {
    body: B,
    _interest: Interest,
}

/// Both ends.
pub(super) fn interest() -> (Interest, Asked) {
    let (sender, receiver) = watch::channel(());
    (
        Interest {
            _receiver: receiver,
        },
        Asked(sender),
    )
}

impl Interest {
    pub(super) fn in_body<B>(self, body: B) -> Awaited<B> {
        Awaited {
            body,
            _interest: self,
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
}

impl<B: Body + Unpin> Body for Awaited<B> {
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<B::Data>, B::Error>>> {
        Pin::new(&mut self.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
