//! The listener: HTTP/1.1 over TCP, in front of a [`Site`]: the endpoint components, or the
//! engine API.
//!
//! A connection is accepted when there is a place for it, its requests go one after another
//! to the component of their route, and what the host itself has to say is a problem
//! (RFC 9457) of the same shape as theirs. Spin does the same job elsewhere; what both have
//! in common is in `spin.toml`.
//!
//! What the host adds to a request: `spin-client-addr` (as Spin does; other `spin-*` headers
//! are the host's to set and are dropped when a client sends them) and `x-request-id`, taken
//! over from the client when it is sane and returned with the response.
//!
//! **Invariant:** no client can hold anything without limit: connections, time to send a
//! head or a body, bytes of either are all bounded by a named limit.
//! **Invariant:** a path that two readers could understand differently reaches no component.

mod body;
mod connection;
mod path;
mod problem;
mod request;
mod request_id;
mod site;

use std::{io, net::SocketAddr, sync::Arc, time::Duration};

use tokio::{
    net::{TcpListener, TcpStream, ToSocketAddrs},
    sync::{OwnedSemaphorePermit, Semaphore, watch},
    time::{sleep, timeout},
};

pub use site::Site;

/// After a failed `accept`, for instance because no file descriptor is left: long enough for
/// some to be closed, short enough not to be noticed.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// What clients may take.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// From the first moment a head could come to its end, so also how long an idle
    /// connection is kept. Default 30 seconds.
    pub head_time: Duration,
    /// Between two pieces of a request body. Default 30 seconds.
    pub body_pause: Duration,
    /// A request body. Default 8 MiB: the largest definition is far smaller, and inputs
    /// beyond it belong into artifacts.
    pub body_bytes: u64,
    /// Request line and headers together. Default 64 KiB.
    pub head_bytes: usize,
    /// Headers of one request. Default 100.
    pub headers: usize,
    /// How long requests in flight may go on once the host stops. Default 10 seconds, the
    /// time that orchestrators give by default before they kill (Docker) or a third of it
    /// (Kubernetes).
    pub grace: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            head_time: Duration::from_secs(30),
            body_pause: Duration::from_secs(30),
            body_bytes: 8 << 20,
            head_bytes: 64 << 10,
            headers: 100,
            grace: Duration::from_secs(10),
        }
    }
}

/// The connections that are open, at most so many. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Connections {
    places: Arc<Semaphore>,
    max: u32,
}

impl Connections {
    /// Connections at once unless told otherwise. Each costs some 20 KB and a file
    /// descriptor; further clients wait in the kernel's queue.
    pub const MAX: u32 = 4096;

    /// Places for `max` connections, all free.
    pub fn new(max: u32) -> Self {
        Self {
            places: Arc::new(Semaphore::new(max as usize)),
            max,
        }
    }

    /// Connections open now.
    pub fn open(&self) -> u32 {
        let free = u32::try_from(self.places.available_permits()).unwrap_or(self.max);
        self.max.saturating_sub(free)
    }

    async fn place(&self) -> Option<OwnedSemaphorePermit> {
        self.places.clone().acquire_owned().await.ok()
    }

    /// Waits until all are closed.
    async fn none_open(&self) {
        drop(self.places.acquire_many(self.max).await);
    }
}

impl Default for Connections {
    fn default() -> Self {
        Self::new(Self::MAX)
    }
}

/// A bound listener.
pub struct Server<S> {
    listener: TcpListener,
    address: SocketAddr,
    site: Arc<S>,
    connections: Connections,
    limits: Limits,
}

impl<S: Site> Server<S> {
    /// Binds; port 0 takes a free one. Nothing is accepted before [`Server::serve`].
    pub async fn bind(
        address: impl ToSocketAddrs,
        site: Arc<S>,
        connections: Connections,
        limits: Limits,
    ) -> io::Result<Self> {
        let listener = TcpListener::bind(address).await?;
        Ok(Self {
            address: listener.local_addr()?,
            listener,
            site,
            connections,
            limits,
        })
    }

    /// The address that it is bound to.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Serves until `stop` comes, then finishes what is in flight, for at most
    /// [`Limits::grace`]. Event streams end at once, at an event's boundary.
    pub async fn serve(self, stop: impl Future<Output = ()>) {
        let (stopping, stopped) = watch::channel(false);
        tokio::select! {
            () = stop => {}
            never = self.accept(&stopped) => match never {},
        }
        drop(self.listener);
        drop(stopped);
        self.site.stop();
        stopping.send_replace(true);
        if timeout(self.limits.grace, self.connections.none_open())
            .await
            .is_err()
        {
            let open = self.connections.open();
            tracing::warn!(open, "closing connections that did not finish in time");
        }
        // Connections end when nobody can tell them to stop any more.
        drop(stopping);
    }

    async fn accept(&self, stopped: &watch::Receiver<bool>) -> std::convert::Infallible {
        let limits = Arc::new(self.limits);
        loop {
            match self.listener.accept().await {
                Ok((stream, client)) => {
                    // Until there is a place, neither this client is served nor another accepted.
                    let place = self.connections.place().await;
                    quick(&stream);
                    let connection = connection::Connection {
                        client,
                        site: self.site.clone(),
                        limits: limits.clone(),
                        stopped: stopped.clone(),
                        place,
                    };
                    tokio::spawn(connection.serve(stream));
                }
                Err(error) => {
                    tracing::warn!("accept a connection: {error}");
                    sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    }
}

/// Answers and events go out when they are written; waiting to fill a packet would delay them.
fn quick(stream: &TcpStream) {
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!("set TCP_NODELAY: {error}");
    }
}
