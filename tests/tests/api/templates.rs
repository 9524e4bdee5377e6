//! Templates: definitions that ship with the engine, made one's own by parameters.

use serde_json::{Value, json};

use crate::{api::Api, client::Reply, host::shared};

async fn instantiate(api: Api, template: &str, body: Value) -> Reply {
    api.post(&format!("/api/templates/{template}/instantiate"), &body)
        .await
}

#[tokio::test]
async fn a_template_becomes_a_workflow_with_these_parameters() {
    let api = shared();
    let body = json!({"id": "own_triage", "parameters": {"late_minutes": 15}});
    let reply = instantiate(api, "delay_triage", body.clone()).await;
    let stored = reply.json();
    assert_eq!(
        (reply.status, &stored["version"]),
        (200, &json!(1)),
        "{reply:?}"
    );
    assert_eq!(reply.header("etag"), Some("\"1\""));
    let document = stored["document"].to_string();
    assert!(document.contains("row.dep_delay > 15"), "{document}");
    assert_eq!(stored["document"]["id"], "own_triage");
    let again = instantiate(api, "delay_triage", body).await.json();
    assert_eq!(again["version"], 1, "the same is no new version");
    let shown = api.read("/api/templates/delay_triage").await;
    assert_eq!(shown["document"]["id"], "delay_triage");
    let default = &shown["parameters"]["properties"]["late_minutes"]["default"];
    assert_eq!(default, &json!(60));
}

#[tokio::test]
async fn what_cannot_be_made_of_a_template_is_refused_with_its_place() {
    let api = shared();
    for (template, body, status, says) in [
        ("nope", json!({"id": "a"}), 404, "there is no template nope"),
        ("delay_triage", json!({}), 422, "/id"),
        ("delay_triage", json!({"id": "a b"}), 422, "/id"),
        ("delay_triage", json!({"id": "a", "more": 1}), 422, "/more"),
        (
            "delay_triage",
            json!({"id": "a", "parameters": []}),
            422,
            "/parameters",
        ),
        (
            "delay_triage",
            json!({"id": "a", "parameters": {"late_minutes": 0}}),
            422,
            "/parameters/late_minutes",
        ),
        (
            "delay_triage",
            json!({"id": "a", "parameters": {"speed": 1}}),
            422,
            "/parameters",
        ),
    ] {
        let reply = instantiate(api, template, body).await;
        reply.is_problem(status, says);
    }
}

#[tokio::test]
async fn a_template_whose_phase_is_not_there_is_stored_and_says_so_at_the_start() {
    let api = shared();
    for template in ["sdlc_linear", "sdlc_parallel"] {
        let stored = instantiate(api, template, json!({"id": template})).await;
        assert_eq!(stored.status, 200, "{stored:?}");
        let start = format!("/api/workflows/{template}/execute");
        let reply = api.post(&start, &json!({"requirement": "a clock"})).await;
        reply.is_problem(422, "6 violations");
        let first = &reply.json()["errors"][0];
        assert_eq!(first["pointer"], "/nodes/0/phase", "{first}");
        assert!(first["message"].to_string().contains("llm-chat"), "{first}");
    }
}
