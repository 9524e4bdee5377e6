//! Who is asking, taken from the headers.

use std::net::{IpAddr, SocketAddr};

use http::{HeaderMap, header};

use super::header::single;
use crate::{Problem, bindings::types::Caller};

/// Set by whoever runs the component (Spin, or the native host): address and port of the client.
const CLIENT_ADDRESS: &str = "spin-client-addr";

/// The caller as the engine wants to know them: credential, address without port, trace and
/// request id.
///
/// # Errors
///
/// 400 when `Authorization` is given twice or is not ASCII.
pub fn caller(headers: &HeaderMap) -> Result<Caller, Problem> {
    Ok(Caller {
        authorization: single(headers, &header::AUTHORIZATION)?.map(str::to_owned),
        address: address(headers),
        // A trace context that cannot be read is left out, as its specification asks.
        traceparent: readable(headers, "traceparent"),
        request_id: readable(headers, "x-request-id"),
    })
}

fn readable(headers: &HeaderMap, name: &str) -> Option<String> {
    let value = headers.get(name)?.to_str().ok()?;
    Some(value.to_owned())
}

/// The client's address without its port, which differs from connection to connection and would
/// make every connection a caller of its own to a rate limit.
fn address(headers: &HeaderMap) -> String {
    let text = headers
        .get(CLIENT_ADDRESS)
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default();
    let address = text
        .parse::<SocketAddr>()
        .map(|socket| socket.ip())
        .or_else(|_| text.parse::<IpAddr>());
    address.map_or_else(|_| "unknown".to_owned(), |ip| ip.to_string())
}

#[cfg(test)]
mod tests {
    use super::caller;
    use crate::request::test::head;

    #[test]
    fn takes_what_the_headers_say() {
        let caller = caller(
            &head(
                "GET",
                "/",
                &[
                    ("authorization", "Bearer abc"),
                    ("spin-client-addr", "[2001:db8::1]:4711"),
                    (
                        "traceparent",
                        "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
                    ),
                    ("x-request-id", "r-1"),
                ],
            )
            .headers,
        )
        .unwrap();
        assert_eq!(caller.authorization.as_deref(), Some("Bearer abc"));
        assert_eq!(caller.address, "2001:db8::1");
        assert!(caller.traceparent.unwrap().starts_with("00-0af7"));
        assert_eq!(caller.request_id.as_deref(), Some("r-1"));
    }

    #[test]
    fn the_address_is_an_address_or_unknown() {
        for (given, expected) in [
            ("127.0.0.1:80", "127.0.0.1"),
            ("127.0.0.1", "127.0.0.1"),
            ("somewhere", "unknown"),
            ("", "unknown"),
        ] {
            let head = head("GET", "/", &[("spin-client-addr", given)]);
            assert_eq!(caller(&head.headers).unwrap().address, expected);
        }
        assert_eq!(
            caller(&head("GET", "/", &[]).headers).unwrap().address,
            "unknown"
        );
    }

    #[test]
    fn two_credentials_are_one_too_many() {
        let head = head(
            "GET",
            "/",
            &[("authorization", "a"), ("authorization", "b")],
        );
        assert!(caller(&head.headers).is_err());
    }
}
