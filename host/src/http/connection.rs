//! One connection, from accept to close.

use std::{convert::Infallible, net::SocketAddr, pin::pin, sync::Arc};

use http::HeaderValue;
use hyper::{Request, body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::{
    net::TcpStream,
    sync::{OwnedSemaphorePermit, watch},
};

use super::{Limits, request::Exchange, site::Site};

pub(super) struct Connection<S> {
    pub(super) client: SocketAddr,
    pub(super) site: Arc<S>,
    pub(super) limits: Arc<Limits>,
    /// True when the host stops; gone when the time for that is up.
    pub(super) stopped: watch::Receiver<bool>,
    /// Given back when the connection is closed.
    pub(super) place: Option<OwnedSemaphorePermit>,
}

impl<S: Site> Connection<S> {
    pub(super) async fn serve(self, stream: TcpStream) {
        let Self {
            client,
            site,
            limits,
            mut stopped,
            place: _place,
        } = self;
        let exchange = Exchange {
            // An address is always a valid header value.
            client: HeaderValue::try_from(client.to_string())
                .unwrap_or(HeaderValue::from_static("")),
            site,
            limits: *limits,
        };
        let service = service_fn(|request: Request<Incoming>| async {
            Ok::<_, Infallible>(exchange.answer(request).await)
        });
        let mut connection = pin!(
            http1::Builder::new()
                .timer(TokioTimer::new())
                .header_read_timeout(limits.head_time)
                .max_buf_size(limits.head_bytes)
                .max_headers(limits.headers)
                .serve_connection(TokioIo::new(stream), service)
        );
        let mut ended = tokio::select! {
            biased;
            ended = &mut connection => Some(ended),
            _ = stopped.wait_for(|stopping| *stopping) => None,
        };
        if ended.is_none() {
            connection.as_mut().graceful_shutdown();
            ended = tokio::select! {
                ended = &mut connection => Some(ended),
                () = time_is_up(&mut stopped) => None,
            };
        }
        // What ends a connection early (the client went away, sent nonsense, or was too
        // slow) has been answered as far as that is possible.
        if let Some(Err(error)) = ended {
            tracing::debug!(%client, "connection ended: {error}");
        }
    }
}

async fn time_is_up(stopped: &mut watch::Receiver<bool>) {
    while stopped.changed().await.is_ok() {}
}
