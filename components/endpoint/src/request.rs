//! Requests, part by part: each module turns one part into values or a problem that names the place.
//!
//! What is malformed (path, query, headers, UTF-8, JSON) is answered with 400; what is well-formed
//! JSON of the wrong shape with 422 and a JSON Pointer to every violation.

pub mod body;
pub mod caller;
pub mod condition;
pub mod header;
pub mod json;
pub mod path;
pub mod query;

use http::{Method, request::Parts};

use crate::Problem;

/// Checks that a route takes the request's method; `HEAD` goes wherever `GET` does.
///
/// The HTTP server in front of the component leaves out the body of an answer to `HEAD`.
///
/// # Errors
///
/// 405 with `Allow`.
pub fn allow(head: &Parts, methods: &[Method]) -> Result<(), Problem> {
    let method = match head.method {
        Method::HEAD => &Method::GET,
        ref other => other,
    };
    if methods.contains(method) {
        return Ok(());
    }
    Err(Problem::method_not_allowed(&head.method, methods))
}

#[cfg(test)]
pub(crate) mod test {
    //! Requests to try the parsers with.

    use http::request::Parts;

    /// The head of a request with these headers.
    pub fn head(method: &str, uri: &str, headers: &[(&str, &str)]) -> Parts {
        let mut request = http::Request::builder().method(method).uri(uri);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        request.body(()).unwrap().into_parts().0
    }
}

#[cfg(test)]
mod tests {
    use super::{allow, test::head};
    use http::{Method, StatusCode, header};

    #[test]
    fn head_goes_where_get_does() {
        assert!(allow(&head("HEAD", "/", &[]), &[Method::GET]).is_ok());
        assert!(allow(&head("HEAD", "/", &[]), &[Method::POST]).is_err());
    }

    #[test]
    fn other_methods_are_told_which_ones_there_are() {
        let problem = allow(&head("DELETE", "/", &[]), &[Method::GET, Method::PUT]).unwrap_err();
        let reply = problem.into_reply();
        assert_eq!(reply.status(), StatusCode::METHOD_NOT_ALLOWED);
        assert_eq!(reply.headers()[header::ALLOW], "GET, HEAD, PUT");
    }
}
