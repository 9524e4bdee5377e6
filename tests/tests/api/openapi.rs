//! The `OpenAPI` document and the server, each held to the other: nothing is in one that is not in the
//! other.
//!
//! What the server answers is checked wherever the tests ask it something, see `contract`.

pub mod examples;
pub mod statuses;

use std::{collections::BTreeSet, fs};

use serde_json::Value;

use crate::{
    contract::{
        PATH, contract,
        read::{elements, members},
    },
    host::shared,
};

/// An id that nothing has.
const NOTHING: &str = "01890000-0000-7000-8000-000000000000";

/// Objects that may have more than what is described, by their place, each with the reason.
const OPEN: [(&str, &str); 3] = [
    (
        "/components/schemas/Start/properties/initial_context",
        "what a client passes along",
    ),
    (
        "/paths/~1api~1openapi.json/get/responses/200/content/application~1json/schema",
        "described by another standard",
    ),
    (
        "/paths/~1api~1openapi.json/get/responses/200/content/application~1json/schema/properties/info",
        "described by another standard",
    ),
];

fn workspace_file(name: &str) -> String {
    let root = concat!(env!("CARGO_MANIFEST_DIR"), "/..");
    fs::read_to_string(format!("{root}/{name}")).unwrap()
}

#[tokio::test]
async fn the_document_is_openapi_and_can_be_kept() {
    let api = shared();
    let reply = api.get(PATH).await;
    let document = reply.json();
    assert_eq!(document["info"]["version"], env!("CARGO_PKG_VERSION"));
    let standard = workspace_file("tests/openapi/openapi-3.1.schema.json");
    let standard = jsonschema::validator_for(&serde_json::from_str(&standard).unwrap()).unwrap();
    crate::contract::is_valid(&standard, &document, "the document");
    let tag = reply.header("etag").unwrap();
    let headers = format!("if-none-match: {tag}\r\n");
    assert_eq!(api.send("GET", PATH, &headers, b"").await.status, 304);
    let other = "if-none-match: \"of yesterday\"\r\n";
    assert_eq!(api.send("GET", PATH, other, b"").await.status, 200);
}

#[tokio::test]
async fn routes_and_paths_cover_each_other() {
    let manifest = workspace_file("spin.toml");
    let route = |line: &str| {
        Some(
            line.strip_prefix("route = \"")?
                .strip_suffix('"')?
                .to_owned(),
        )
    };
    let routes: Vec<_> = manifest.lines().filter_map(route).collect();
    let paths: BTreeSet<_> = contract()
        .await
        .operations
        .iter()
        .map(|it| &*it.path)
        .collect();
    assert!(routes.len() > 10 && paths.len() > 10);
    for path in &paths {
        let is_routed = routes.iter().any(|route| leads_to(route, path));
        assert!(
            is_routed,
            "{path} is in the document, but spin.toml has no route"
        );
    }
    for route in &routes {
        let is_described = paths.iter().any(|path| leads_to(route, path));
        assert!(
            is_described,
            "{route} is in spin.toml, but not in the document"
        );
    }
}

fn leads_to(route: &str, path: &str) -> bool {
    let mut segments = path.split('/');
    for known in route.split('/') {
        if known == "..." {
            return true;
        }
        let Some(segment) = segments.next() else {
            return false;
        };
        if known != segment && !known.starts_with(':') {
            return false;
        }
    }
    segments.next().is_none()
}

#[tokio::test]
async fn other_methods_are_refused() {
    let api = shared();
    let contract = contract().await;
    for operation in &contract.operations {
        let path = operation.path_with(|_| NOTHING.to_owned());
        let methods = contract.methods(&path);
        for method in [
            "DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT", "TRACE",
        ] {
            if methods.iter().any(|known| known == method) {
                continue;
            }
            // That `Allow` names the methods of the document is checked wherever there is a 405.
            let reply = api.send(method, &path, "", b"").await;
            assert_eq!(reply.status, 405, "{method} {path}: {reply:?}");
        }
    }
}

#[tokio::test]
async fn the_document_is_complete_in_itself() {
    let contract = contract().await;
    let document = &contract.document;
    let tags: BTreeSet<_> = elements(&document["tags"])
        .map(|tag| &tag["name"])
        .map(Value::to_string)
        .collect();
    let mut ids = BTreeSet::new();
    for operation in &contract.operations {
        let shown = operation.shown();
        let written = &document["paths"][&operation.path][operation.method.to_lowercase()];
        assert!(written["summary"].is_string(), "{shown} has no summary");
        let is_tagged = elements(&written["tags"]).all(|tag| tags.contains(&tag.to_string()));
        assert!(is_tagged && written["tags"].is_array(), "{shown}: tags");
        assert!(
            ids.insert(written["operationId"].to_string()),
            "{shown}: operationId"
        );
        for parameter in &operation.parameters {
            let name = parameter["name"].as_str().unwrap();
            assert!(
                parameter["description"].is_string(),
                "{shown}: {name} has no description"
            );
            if parameter["in"] == "path" {
                let is_there = operation.path.contains(&format!("{{{name}}}"));
                assert!(
                    is_there && parameter["example"].is_string(),
                    "{shown}: {name}"
                );
            }
        }
        // None that is left over.
        assert!(
            !operation.path_with(|_| NOTHING.to_owned()).contains('{'),
            "{shown}"
        );
        if let Some(body) = &operation.body {
            let is_good = body.examples.iter().any(|example| example.status < 300);
            assert!(is_good, "{shown} has no example of a body that is taken");
        }
    }
    let text = document.to_string();
    for (kind, components) in members(&document["components"]) {
        for (name, _) in members(components) {
            let reference = if kind == "securitySchemes" {
                format!("\"security\":[{{\"{name}\":")
            } else {
                format!("\"#/components/{kind}/{name}\"")
            };
            assert!(text.contains(&reference), "{reference} is not used");
        }
    }
}

#[tokio::test]
async fn objects_are_closed() {
    let mut open = Vec::new();
    find_open(&contract().await.document, "", &mut open);
    let expected = OPEN.map(|(place, _)| place.to_owned());
    open.sort();
    assert_eq!(open, expected, "without `additionalProperties: false`");
}

/// The places of objects that name properties and take others as well.
fn find_open(value: &Value, place: &str, open: &mut Vec<String>) {
    let is_object =
        value["type"] == "object" || value["type"] == serde_json::json!(["object", "null"]);
    let names_fields = value["properties"].is_object() || value["required"].is_array();
    if is_object && names_fields && value["additionalProperties"] != false {
        open.push(place.to_owned());
    }
    for (name, below) in members(value) {
        if name != "example" && name != "examples" {
            let name = name.replace('~', "~0").replace('/', "~1");
            find_open(below, &format!("{place}/{name}"), open);
        }
    }
    for (at, below) in elements(value).enumerate() {
        find_open(below, &format!("{place}/{at}"), open);
    }
}
