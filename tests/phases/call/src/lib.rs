//! The phase `call`: makes an HTTP request, for tests of what phases may reach and when.

use std::collections::BTreeMap;

use phasewright_sdk::{Context, Descriptor, Failure, Phase, export_phase};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use wstd::{
    http::{Body, Client, Error, Request, error::ErrorCode},
    runtime::block_on,
};

/// The phase.
pub struct Call;

export_phase!(Call);

/// The request, and how often to make it.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    url: String,
    #[serde(default = "default_method")]
    method: String,
    #[serde(default)]
    headers: BTreeMap<String, String>,
    #[serde(default)]
    body: String,
    #[serde(default = "default_times")]
    times: u32,
}

/// The last response, and the input as it came.
#[derive(Debug, Serialize)]
pub struct Output {
    status: u16,
    body: String,
    input: Box<RawValue>,
}

impl Phase for Call {
    type Config = Config;
    type Input = Box<RawValue>;
    type Output = Output;

    fn descriptor() -> Descriptor {
        phasewright_sdk::descriptor!()
    }

    fn run(context: &Context, config: Config, input: Self::Input) -> Result<Output, Failure> {
        let mut last = (0, String::new());
        for _ in 0..config.times {
            let request = request(&config, &context.idempotency_key)?;
            last = block_on(send(request)).map_err(|error| failure(&error))?;
        }
        let (status, body) = last;
        Ok(Output {
            status,
            body,
            input,
        })
    }
}

fn request(config: &Config, idempotency_key: &str) -> Result<Request<Body>, Failure> {
    let mut request = Request::builder()
        .method(config.method.as_str())
        .uri(&config.url)
        .header("Idempotency-Key", idempotency_key);
    for (name, value) in &config.headers {
        request = request.header(name, value);
    }
    request
        .body(Body::from(config.body.as_str()))
        .map_err(|error| Failure::invalid(format!("config: {error}")))
}

async fn send(request: Request<Body>) -> Result<(u16, String), Error> {
    let mut response = Client::new().send(request).await?;
    let body = response.body_mut().contents().await?;
    let body = String::from_utf8_lossy(body).into_owned();
    Ok((response.status().as_u16(), body))
}

/// What is denied once is denied again; anything else may work next time.
fn failure(error: &Error) -> Failure {
    let message = format!("the request failed: {error:#}");
    match error.downcast_ref() {
        Some(ErrorCode::HttpRequestDenied) => Failure::permanent(message),
        _ => Failure::transient(message),
    }
}

fn default_method() -> String {
    "GET".to_owned()
}

fn default_times() -> u32 {
    1
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(json: &str) -> Config {
        serde_json::from_str(json).unwrap()
    }

    #[test]
    fn a_request_has_the_key_and_what_config_says() {
        let config = config(
            r#"{"url": "http://localhost:1/a?b", "method": "POST", "headers": {"x-a": "1"}}"#,
        );
        let request = request(&config, "key").unwrap();
        assert_eq!(request.method(), "POST");
        assert_eq!(request.uri(), "http://localhost:1/a?b");
        assert_eq!(request.headers()["idempotency-key"], "key");
        assert_eq!(request.headers()["x-a"], "1");
    }

    #[test]
    fn what_is_no_request_is_invalid() {
        for json in [
            r#"{"url": "a b"}"#,
            r#"{"url": "http://localhost", "method": "A B"}"#,
            r#"{"url": "http://localhost", "headers": {"a b": "c"}}"#,
        ] {
            let failure = request(&config(json), "key").unwrap_err();
            assert!(matches!(failure, Failure::Invalid(_)), "{json}: {failure}");
        }
    }
}
