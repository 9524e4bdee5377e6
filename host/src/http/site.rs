//! What a listener serves.

use std::sync::Arc;

use bytes::Bytes;
use http::{Request, Response};
use http_body::Body;
use wasmtime_wasi_http::{Error, WasiBody};

use crate::endpoints::{Awaited, Endpoint, Endpoints, Failure};

/// What answers the requests that a listener lets through.
pub trait Site: Send + Sync + 'static {
    /// One of those who answer.
    type Endpoint: Send + Sync;
    /// The body of an answer.
    type Body: Body<Data = Bytes, Error = Error> + Send + Unpin + 'static;

    /// Who answers this path (without the query).
    fn find(&self, path: &str) -> Option<Self::Endpoint>;

    /// Has it answer. Dropping the future or the body says that nobody is there any more.
    fn handle(
        &self,
        endpoint: Self::Endpoint,
        request: Request<WasiBody>,
    ) -> impl Future<Output = Result<Response<Self::Body>, Failure>> + Send;

    /// The host stops: whatever could go on for long ends at the next opportunity.
    fn stop(&self);
}

impl Site for Endpoints {
    type Endpoint = Arc<Endpoint>;
    type Body = Awaited;

    fn find(&self, path: &str) -> Option<Arc<Endpoint>> {
        self.find(path).cloned()
    }

    async fn handle(
        &self,
        endpoint: Arc<Endpoint>,
        request: Request<WasiBody>,
    ) -> Result<Response<Awaited>, Failure> {
        endpoint.handle(request).await
    }

    fn stop(&self) {
        self.stop();
    }
}
