//! Bodies that can be read, with the wrong things in them.

use serde_json::json;

use super::{EXECUTE, NOBODY, RESOLVE, is_refusal, picky};
use crate::{api::excerpt, host::shared};

#[tokio::test]
#[expect(clippy::too_many_lines, reason = "a table")]
async fn bodies_with_the_wrong_things_in_them() {
    let api = shared();
    picky(api).await;
    let cancel = format!("{NOBODY}/cancel");
    let pause = format!("{NOBODY}/pause");
    let resume = format!("{NOBODY}/resume");
    let rerun = format!("{NOBODY}/rerun");
    let migrate = format!("{NOBODY}/migrate");
    let rows = [
        (
            EXECUTE,
            json!({"inputs": {}}),
            422,
            "/inputs: is not a known field",
        ),
        (
            EXECUTE,
            json!({"a/b~": 1}),
            422,
            "/a~1b~0: is not a known field",
        ),
        (
            EXECUTE,
            json!({"input": []}),
            422,
            "/input: must be an object",
        ),
        (
            EXECUTE,
            json!({"input": "x"}),
            422,
            "/input: must be an object",
        ),
        (
            EXECUTE,
            json!({"input": {}}),
            422,
            "/input: \"n\" is a required property",
        ),
        (
            EXECUTE,
            json!({}),
            422,
            "/input: \"n\" is a required property",
        ),
        (EXECUTE, json!({"input": {"n": "x"}}), 422, "/input/n: "),
        (EXECUTE, json!({"input": {"n": 1.5}}), 422, "/input/n: "),
        (
            EXECUTE,
            json!({"requirement": 7}),
            422,
            "/requirement: must be a string",
        ),
        (
            EXECUTE,
            json!({"requirement": "a", "input": {"requirement": "b"}}),
            422,
            "/requirement: is given as /input/requirement, too",
        ),
        (
            EXECUTE,
            json!({"version": 0}),
            422,
            "/version: must be a whole number from 1 to 4294967295",
        ),
        (
            EXECUTE,
            json!({"version": 1.5}),
            422,
            "/version: must be a whole number",
        ),
        (
            EXECUTE,
            json!({"version": "1"}),
            422,
            "/version: must be a whole number",
        ),
        (
            EXECUTE,
            json!({"version": u64::MAX}),
            422,
            "/version: must be a whole number",
        ),
        (
            EXECUTE,
            json!({"version": 99, "input": {"n": 1}}),
            404,
            "there is no version 99 of workflow picky",
        ),
        (
            EXECUTE,
            json!({"initial_context": []}),
            422,
            "/initial_context: must be an object",
        ),
        (
            EXECUTE,
            json!({"initial_context": {"timeout_seconds": 0}}),
            422,
            "/initial_context/timeout_seconds: must be a number above 0",
        ),
        (
            EXECUTE,
            json!({"initial_context": {"timeout_seconds": "soon"}}),
            422,
            "/initial_context/timeout_seconds",
        ),
        (
            EXECUTE,
            json!({"initial_context": {"timeout_seconds": 1e9}}),
            422,
            "at most 31536000",
        ),
        (
            RESOLVE,
            json!({}),
            422,
            "/action: must be one of approve, edit, reject",
        ),
        (
            RESOLVE,
            json!({"action": "maybe"}),
            422,
            "/action: must be one of",
        ),
        (
            RESOLVE,
            json!({"action": ["approve"]}),
            422,
            "/action: must be one of",
        ),
        (
            RESOLVE,
            json!({"action": "edit"}),
            422,
            "/edited_content: is required with the action `edit`",
        ),
        (
            RESOLVE,
            json!({"action": "approve", "edited_content": 1}),
            422,
            "/edited_content: is allowed with the action `edit` only",
        ),
        (
            RESOLVE,
            json!({"action": "approve", "notes": "x".repeat(10_001)}),
            422,
            "/notes: must be at most 10000 characters",
        ),
        (
            RESOLVE,
            json!({"action": "approve", "notes": 1}),
            422,
            "/notes: must be a string",
        ),
        (
            RESOLVE,
            json!({"action": "approve", "by": "me"}),
            422,
            "/by: is not a known field",
        ),
        (
            RESOLVE,
            json!({"action": "approve"}),
            404,
            "there is no checkpoint 01890000",
        ),
        (
            &cancel,
            json!({"reason": 7}),
            422,
            "/reason: must be a string",
        ),
        (
            &cancel,
            json!({"reason": "x".repeat(1_001)}),
            422,
            "/reason: must be at most 1000 characters",
        ),
        (
            &cancel,
            json!({"force": true}),
            422,
            "/force: is not a known field",
        ),
        (&cancel, json!({}), 404, "there is no execution 01890000"),
        (
            &pause,
            json!({"reason": "x".repeat(1_001)}),
            422,
            "/reason: must be at most 1000 characters",
        ),
        (
            &pause,
            json!({"until": "noon"}),
            422,
            "/until: is not a known field",
        ),
        (&pause, json!({}), 404, "there is no execution 01890000"),
        (
            &rerun,
            json!({"from": "a", "version": 0, "nodes": []}),
            422,
            "/from: must be an array of strings",
        ),
        (
            &rerun,
            json!({"input": []}),
            422,
            "/input: must be an object",
        ),
        (
            &rerun,
            json!({"dry_run": true}),
            422,
            "/dry_run: is not a known field",
        ),
        (&rerun, json!({}), 404, "there is no execution 01890000"),
        (&migrate, json!({}), 422, "/version: is required"),
        (
            &migrate,
            json!({"version": 0, "to": 3}),
            422,
            "/version: must be a whole number",
        ),
        (
            &migrate,
            json!({"version": 2}),
            404,
            "there is no execution 01890000",
        ),
        (
            &resume,
            json!({"from": "a"}),
            422,
            "/from: is not a known field",
        ),
        (&resume, json!({}), 404, "there is no execution 01890000"),
    ];
    for (path, body, status, says) in rows {
        is_refusal(
            &api.post(path, &body).await,
            status,
            says,
            &excerpt(&body.to_string()),
        );
    }
    api.put(&json!({"id": "future", "nodes": [{"id": "a", "phase": "not-yet-there"}]}))
        .await;
    let reply = api.post("/api/workflows/future/execute", &json!({})).await;
    is_refusal(
        &reply,
        422,
        "/nodes/0/phase: phase not-yet-there is not in the catalog",
        "unknown phase",
    );
    api.is_well().await;
}
