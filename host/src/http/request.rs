//! One request and its answer.

use std::sync::Arc;

use http::{
    HeaderMap, HeaderName, HeaderValue, Request, Response, Uri,
    uri::{self, PathAndQuery},
};
use http_body_util::{BodyExt, Empty};
use hyper::body::{Body, Incoming};
use wasmtime_wasi_http::WasiBody;

use super::{
    Limits,
    body::{Cut, RequestBody, ResponseBody, Verdict},
    path,
    problem::Problem,
    request_id,
    site::Site,
};
use crate::endpoints::Failure;

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Where Spin tells a component who the client is: address and port.
const CLIENT_ADDRESS: HeaderName = HeaderName::from_static("spin-client-addr");

/// Headers that only whoever runs a component may set.
const RESERVED_PREFIX: &str = "spin-";

/// What all requests of one connection have in common.
pub(super) struct Exchange<S> {
    pub(super) client: HeaderValue,
    pub(super) site: Arc<S>,
    pub(super) limits: Limits,
}

impl<S: Site> Exchange<S> {
    /// Always answers. Dropping the future lets the component go.
    pub(super) async fn answer(
        &self,
        mut request: Request<Incoming>,
    ) -> Response<ResponseBody<S::Body>> {
        let given = request.headers_mut().remove(REQUEST_ID);
        let id = request_id::take_over_or_make(given);
        let mut response = match self.endpoint(&request) {
            Ok(endpoint) => self.ask(endpoint, request, &id).await,
            Err(problem) => Err(problem),
        }
        .unwrap_or_else(Problem::response);
        response.headers_mut().insert(REQUEST_ID, id);
        response
    }

    fn endpoint(&self, request: &Request<Incoming>) -> Result<S::Endpoint, Problem> {
        let path = request.uri().path();
        path::check(path).map_err(Problem::Path)?;
        let endpoint = self.site.find(path).ok_or(Problem::NotFound)?;
        // A length that is told can be refused before a byte of the body has come.
        if request.body().size_hint().lower() > self.limits.body_bytes {
            return Err(Problem::BodyTooLarge(self.limits.body_bytes));
        }
        Ok(endpoint)
    }

    async fn ask(
        &self,
        endpoint: S::Endpoint,
        request: Request<Incoming>,
        id: &HeaderValue,
    ) -> Result<Response<ResponseBody<S::Body>>, Problem> {
        let (mut head, body) = request.into_parts();
        self.set_headers(&mut head.headers, id);
        head.uri = origin_form(head.uri);
        let (body, verdict) = self.limited(body);
        let request = Request::from_parts(head, body);
        let answer = self.site.handle(endpoint, request).await;
        // Whatever the component made of a body that broke off, this is why.
        match verdict.and_then(|verdict| verdict.cut()) {
            Some(Cut::TooLarge) => return Err(Problem::BodyTooLarge(self.limits.body_bytes)),
            Some(Cut::TooSlow) => {
                return Err(Problem::BodyTooSlow(self.limits.body_pause.as_secs()));
            }
            None => {}
        }
        match answer {
            Ok(response) => Ok(response.map(ResponseBody::site)),
            Err(Failure::Failed) => Err(Problem::Failed),
            Err(Failure::TimedOut) => Err(Problem::TimedOut),
            Err(Failure::Overloaded) => Err(Problem::Overloaded),
        }
    }

    fn set_headers(&self, headers: &mut HeaderMap, id: &HeaderValue) {
        let is_reserved = |name: &&HeaderName| name.as_str().starts_with(RESERVED_PREFIX);
        while let Some(name) = headers.keys().find(is_reserved).cloned() {
            headers.remove(name);
        }
        headers.insert(CLIENT_ADDRESS, self.client.clone());
        headers.insert(REQUEST_ID, id.clone());
    }

    fn limited(&self, body: Incoming) -> (WasiBody, Option<Verdict>) {
        if body.is_end_stream() {
            let empty = Empty::new().map_err(|never| match never {});
            return (empty.boxed_unsync(), None);
        }
        let Limits {
            body_bytes,
            body_pause,
            ..
        } = self.limits;
        let (body, verdict) = RequestBody::new(body, body_bytes, body_pause);
        (body.boxed_unsync(), Some(verdict))
    }
}

/// The path and query alone: what a client writes before them (`GET http://host/path`) says
/// nothing that a component should trust.
fn origin_form(uri: Uri) -> Uri {
    if uri.authority().is_none() {
        return uri;
    }
    let mut parts = uri::Parts::default();
    parts.path_and_query = uri
        .into_parts()
        .path_and_query
        .or(Some(PathAndQuery::from_static("/")));
    // Path and query of a valid address are a valid address.
    Uri::from_parts(parts).unwrap_or_default()
}
