//! The two doors: what an endpoint gets from the engine in process, and what it gets through the link and
//! the engine API, is the same.

use std::{net::SocketAddr, sync::Arc};

use anyhow::Result;
use phasewright::{
    access::Tokens,
    contract::Engine,
    endpoints::{self, Endpoints},
    engine_api::{BODY_BYTES_MAX, EngineApi},
    http::{Connections, Limits, Server, Site},
    workflow::Digest,
};
use serde_json::{Value, json};
use wit_parser::Type;

use crate::{
    app::wasm,
    client::Client,
    engine::Script,
    stub::{TOKEN, call, relay_manifest, start},
    wit::{Wit, side_by_side},
};

/// The door to an engine; one token opens it, another does not.
fn api(engine: Arc<dyn Engine>) -> Result<EngineApi> {
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("tokens.toml");
    let entry = |name: &str, token: &str, scope: &str| {
        let digest = Digest::of(token.as_bytes());
        format!("[[token]]\nname = \"{name}\"\nsha256 = \"{digest}\"\nscopes = [\"{scope}\"]\n")
    };
    let tokens = entry("edge", TOKEN, "engine") + &entry("alice", "hers", "read");
    std::fs::write(&file, tokens)?;
    Ok(EngineApi::new(engine, Arc::new(Tokens::open(&file)?)))
}

/// Serves on a free port until the test ends.
async fn listen(site: impl Site) -> Result<SocketAddr> {
    let limits = Limits {
        body_bytes: BODY_BYTES_MAX,
        ..Limits::default()
    };
    let server = Server::bind(
        "127.0.0.1:0",
        Arc::new(site),
        Connections::default(),
        limits,
    );
    let server = server.await?;
    let address = server.address();
    tokio::spawn(server.serve(std::future::pending()));
    Ok(address)
}

#[tokio::test(flavor = "multi_thread")]
async fn both_doors_lead_to_the_same_engine() -> Result<()> {
    let engine: Arc<dyn Engine> = Arc::new(Script::default());
    let limits = endpoints::Limits::default();
    let inside = Endpoints::load(&wasm(), relay_manifest()?, &engine, limits)?;
    let inside = listen(inside).await?;
    let api = listen(api(engine)?).await?;
    let outside = start(relay_manifest()?, &format!("http://{api}"))?;
    let wit = Wit::read();
    for (interface, function) in wit.functions() {
        let place = format!("{interface}.{}", function.name);
        let parameters: Vec<_> = function
            .params
            .iter()
            .map(|it| wit.samples(&it.ty))
            .collect();
        let mut calls: Vec<_> = side_by_side(parameters.iter().map(Vec::as_slice)).collect();
        // What the scripted engine does not know.
        let kinds = function.params.iter().map(|parameter| &parameter.ty);
        let missing = kinds.zip(&calls[0]).map(|(kind, value)| match kind {
            Type::String => json!("missing"),
            _ => missing(value),
        });
        calls.push(missing.collect());
        for parameters in calls {
            let parameters = json!(parameters);
            let [here, there] = [inside, outside].map(|door| {
                let parameters = &parameters;
                async move { call(door, interface, &function.name, parameters).await }
            });
            let (here, there) = (here.await?, there.await?);
            assert_eq!(here.status, 200, "{place}: {here:?}");
            assert_eq!(there.status, 200, "{place}: {there:?}");
            // That a component lives is no engine's business.
            if place == "health.live" {
                assert_eq!(there.json()["ok"], true);
            } else {
                assert_eq!(here.json(), there.json(), "{place}");
            }
        }
    }
    Ok(())
}

fn missing(parameter: &Value) -> Value {
    match parameter {
        Value::Object(fields) if fields.contains_key("workflow_id") => {
            let mut fields = fields.clone();
            fields["workflow_id"] = json!("missing");
            Value::Object(fields)
        }
        other => other.clone(),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_engine_api_opens_to_its_token_only() -> Result<()> {
    let engine: Arc<dyn Engine> = Arc::new(Script::default());
    let api = listen(api(engine)?).await?;
    let right = format!("authorization: Bearer {TOKEN}\r\n");
    let live = "/engine/v1/health/live";
    for (method, path, headers, body, status) in [
        ("POST", live, &*right, "{}", 200),
        ("POST", live, "", "{}", 401),
        ("POST", live, "authorization: Bearer other\r\n", "{}", 401),
        ("POST", live, "authorization: Bearer hers\r\n", "{}", 403),
        ("GET", live, &*right, "", 405),
        ("POST", live, &*right, "", 400),
        ("POST", live, &*right, "{\"caller\":null}", 400),
        ("POST", "/engine/v1/health/alive", &*right, "{}", 404),
        ("POST", "/engine/v1/health", &*right, "{}", 404),
        ("POST", "/health/live", &*right, "{}", 404),
        (
            "POST",
            "/engine/v1/executions/get",
            &*right,
            "{\"id\":\"e\"}",
            400,
        ),
    ] {
        // Who is not let in has his body left unread, and the connection closed.
        let mut client = Client::connect(api).await?;
        let reply = client
            .request(method, path, headers, body.as_bytes())
            .await?;
        assert_eq!(reply.status, status, "{method} {path} {headers}: {reply:?}");
        if status != 200 {
            let kind = reply.header("content-type");
            assert_eq!(kind, Some("application/problem+json"), "{reply:?}");
            assert_eq!(reply.json()["status"], status);
        }
    }
    Ok(())
}
