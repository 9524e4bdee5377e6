//! Versions of definitions that are deprecated, compared and removed.

use serde_json::{Value, json};

use crate::{
    api::{Api, text},
    client::Reply,
    host::{Place, shared},
};

fn version(id: &str, ms: u64) -> Value {
    json!({"id": id, "nodes": [{"id": "wait", "phase": "delay", "config": {"ms": ms}}]})
}

async fn set(api: Api, id: &str, version: u32, verb: &str, body: &Value) -> Reply {
    let path = format!("/api/workflows/{id}/versions/{version}/{verb}");
    api.post(&path, body).await
}

async fn execute(api: Api, id: &str, body: &Value) -> Reply {
    let path = format!("/api/workflows/{id}/execute");
    api.post(&path, body).await
}

#[tokio::test]
async fn a_deprecated_version_starts_nothing_and_what_runs_goes_on() {
    let api = shared();
    for ms in [400, 1, 2] {
        api.put(&version("aged", ms)).await;
    }
    let running = execute(api, "aged", &json!({"version": 1})).await.json();
    let slow = json!({"reason": "it is slow"});
    let reply = set(api, "aged", 1, "deprecate", &slow).await;
    assert_eq!((reply.status, &reply.json()["version"]), (200, &json!(1)));
    assert_eq!(reply.json()["deprecated"]["reason"], "it is slow");
    let late = json!({"reason": "it is late"});
    assert_eq!(set(api, "aged", 3, "deprecate", &late).await.status, 200);

    execute(api, "aged", &json!({"version": 3}))
        .await
        .is_problem(409, "version 3 of workflow aged is deprecated: it is late");
    let reply = execute(api, "aged", &json!({})).await;
    assert_eq!((reply.status, &reply.json()["version"]), (202, &json!(2)));
    let ended = api.end(&text(&running["execution_id"])).await;
    assert_eq!(ended["status"], "completed", "{ended}");
    let rerun = format!("/api/executions/{}/rerun", text(&running["execution_id"]));
    api.post(&rerun, &json!({}))
        .await
        .is_problem(409, "version 1 of workflow aged is deprecated");
    assert_eq!(api.post(&rerun, &json!({"version": 2})).await.status, 202);

    assert_eq!(set(api, "aged", 2, "deprecate", &slow).await.status, 200);
    execute(api, "aged", &json!({})).await.is_problem(
        409,
        "all versions of workflow aged are deprecated; the latest, 3: it is late",
    );
    let versions = api.read("/api/workflows/aged/versions").await;
    let reasons: Vec<_> = (versions["items"].as_array().unwrap().iter())
        .map(|item| text(&item["deprecated"]["reason"]))
        .collect();
    assert_eq!(reasons, ["it is late", "it is slow", "it is slow"]);
    let listed = api.read("/api/workflows/aged").await;
    assert_eq!(listed["deprecated"]["reason"], "it is late");

    let reply = set(api, "aged", 2, "restore", &json!({})).await;
    assert_eq!(reply.status, 200);
    assert!(reply.json().get("deprecated").is_none());
    assert_eq!(set(api, "aged", 2, "restore", &json!({})).await.status, 200);
    assert_eq!(execute(api, "aged", &json!({})).await.json()["version"], 2);
    // The next one has nothing to do with it.
    api.put(&version("aged", 3)).await;
    assert_eq!(execute(api, "aged", &json!({})).await.json()["version"], 4);
}

#[tokio::test]
async fn a_key_still_gives_what_it_started_before_the_deprecation() {
    let api = shared();
    api.put(&version("aged-key", 1)).await;
    let start = async || {
        let path = "/api/workflows/aged-key/execute";
        api.send("POST", path, "idempotency-key: k\r\n", b"{}")
            .await
    };
    let first = start().await;
    assert_eq!(first.status, 202);
    let reason = json!({"reason": "no more"});
    assert_eq!(
        set(api, "aged-key", 1, "deprecate", &reason).await.status,
        200
    );
    let again = start().await;
    assert_eq!(
        (again.status, &again.json()["execution_id"]),
        (200, &first.json()["execution_id"])
    );
}

#[tokio::test]
async fn what_cannot_be_deprecated_says_so() {
    let api = shared();
    api.put(&version("aged-not", 1)).await;
    let reason = json!({"reason": "r"});
    set(api, "aged-not", 2, "deprecate", &reason)
        .await
        .is_problem(404, "there is no version 2 of workflow aged-not");
    set(api, "aged-none", 1, "restore", &json!({}))
        .await
        .is_problem(404, "there is no version 1 of workflow aged-none");
    for (body, says) in [
        (json!({}), "/reason must have 1 to 1000 characters"),
        (
            json!({"reason": "r".repeat(1001)}),
            "/reason must have 1 to 1000",
        ),
        (json!({"reason": 1}), "/reason must be a string"),
        (
            json!({"reason": "r", "by": "me"}),
            "/by is not a known field",
        ),
    ] {
        let reply = set(api, "aged-not", 1, "deprecate", &body).await;
        reply.is_problem(422, says);
    }
    let path = "/api/workflows/aged-not/versions/0/deprecate";
    api.post(path, &reason)
        .await
        .is_problem(400, "`version` must be a whole number");
    let reply = set(api, "aged-not", 1, "forget", &json!({})).await;
    assert_eq!(reply.status, 404, "{reply:?}");
}

#[tokio::test]
async fn every_host_knows_at_once_what_is_deprecated() {
    let place = Place::on_postgres();
    let [one, two] = [place.host(), place.host()];
    one.api.put(&version("told", 1)).await;
    one.api.put(&version("told", 2)).await;
    assert_eq!(
        execute(two.api, "told", &json!({})).await.json()["version"],
        2
    );
    let reason = json!({"reason": "broken"});
    assert_eq!(
        set(one.api, "told", 2, "deprecate", &reason).await.status,
        200
    );
    assert_eq!(
        execute(two.api, "told", &json!({})).await.json()["version"],
        1
    );
    execute(two.api, "told", &json!({"version": 2}))
        .await
        .is_problem(409, "deprecated: broken");
    assert_eq!(
        set(two.api, "told", 2, "restore", &json!({})).await.status,
        200
    );
    assert_eq!(
        execute(one.api, "told", &json!({})).await.json()["version"],
        2
    );
}

#[tokio::test]
async fn versions_are_compared_both_ways() {
    let api = shared();
    let mut document = version("compared", 1);
    api.put(&document).await;
    document["max_parallel"] = json!(2);
    document["nodes"][0]["config"]["ms"] = json!(5);
    let more = json!({"id": "more", "phase": "delay", "config": {"ms": 0}, "needs": ["wait"]});
    document["nodes"].as_array_mut().unwrap().push(more);
    api.put(&document).await;
    let diff = async |from, to| {
        let path = format!("/api/workflows/compared/diff?from={from}&to={to}");
        api.read(&path).await
    };
    assert_eq!(
        diff(1, 2).await,
        json!({
            "id": "compared", "from": 1, "to": 2,
            "document": [{"pointer": "/max_parallel", "after": 2}],
            "nodes": {"added": ["more"], "removed": [], "changed": [
                {"id": "wait", "changes": [{"pointer": "/config/ms", "before": 1, "after": 5}]},
            ]},
        })
    );
    let back = diff(2, 1).await;
    assert_eq!(
        back["document"],
        json!([{"pointer": "/max_parallel", "before": 2}])
    );
    assert_eq!(back["nodes"]["removed"], json!(["more"]));
    let latest = api.read("/api/workflows/compared/diff").await;
    assert_eq!(latest, diff(1, 2).await);
    let first = api.read("/api/workflows/compared/diff?to=1").await;
    assert_eq!(
        (&first["from"], &first["document"]),
        (&json!(1), &json!([]))
    );
    let none = json!({"added": [], "removed": [], "changed": []});
    let same = diff(2, 2).await;
    assert_eq!((&same["document"], &same["nodes"]), (&json!([]), &none));
    for (query, status, says) in [
        (
            "?from=1&to=3",
            404,
            "there is no version 3 of workflow compared",
        ),
        ("?from=9&to=1", 404, "there is no version 9"),
        ("?from=0&to=1", 400, "`from`"),
    ] {
        let path = format!("/api/workflows/compared/diff{query}");
        api.get(&path).await.is_problem(status, says);
    }
}

async fn remove(api: Api, path: &str) -> Reply {
    api.send("DELETE", &format!("/api/workflows/{path}"), "", b"")
        .await
}

#[tokio::test]
async fn a_version_is_removed_when_no_execution_needs_it() {
    let api = shared();
    for ms in [1, 2, 3] {
        api.put(&version("removed", ms)).await;
    }
    let started = execute(api, "removed", &json!({"version": 2})).await.json();
    api.end(&text(&started["execution_id"])).await;
    remove(api, "removed/versions/2")
        .await
        .is_problem(409, "an execution needs version 2 of workflow removed");
    remove(api, "removed")
        .await
        .is_problem(409, "an execution needs versions of workflow removed");
    for number in [3, 1] {
        let reply = remove(api, &format!("removed/versions/{number}")).await;
        assert_eq!((reply.status, reply.body.as_str()), (204, ""));
    }
    remove(api, "removed/versions/3")
        .await
        .is_problem(404, "there is no version 3 of workflow removed");
    execute(api, "removed", &json!({"version": 3}))
        .await
        .is_problem(404, "there is no version 3");
    assert_eq!(
        execute(api, "removed", &json!({})).await.json()["version"],
        2
    );
    let put = api.put(&version("removed", 3)).await.json();
    assert_eq!(put["version"], 4, "3 was another one");

    api.put(&version("removed-whole", 1)).await;
    assert_eq!(remove(api, "removed-whole").await.status, 204);
    assert_eq!(api.get("/api/workflows/removed-whole").await.status, 404);
    assert_eq!(
        api.get("/api/workflows/removed-whole/versions")
            .await
            .status,
        404
    );
    execute(api, "removed-whole", &json!({}))
        .await
        .is_problem(404, "there is no workflow removed-whole");
    remove(api, "removed-whole")
        .await
        .is_problem(404, "there is no workflow removed-whole");
    let again = version("removed-whole", 1).to_string();
    let path = "/api/workflows/removed-whole";
    let put = api
        .send("PUT", path, "if-none-match: *\r\n", again.as_bytes())
        .await;
    assert_eq!((put.status, &put.json()["version"]), (200, &json!(2)));
    remove(api, "removed/versions/x")
        .await
        .is_problem(400, "`version` must be a whole number");
}

#[tokio::test]
async fn what_an_execution_migrated_from_stays() {
    let api = shared();
    let reviewed = |ms: u64| {
        let mut definition = version("removed-after", ms);
        definition["nodes"][0]["checkpoint"] = json!({"title": "t"});
        definition
    };
    api.put(&reviewed(1)).await;
    let id = api.start("removed-after", &json!({})).await;
    let open = api.checkpoint(&id, "wait", 1).await;
    api.put(&reviewed(2)).await;
    let path = format!("/api/executions/{id}/migrate");
    assert_eq!(api.post(&path, &json!({"version": 2})).await.status, 202);
    for number in [1, 2] {
        remove(api, &format!("removed-after/versions/{number}"))
            .await
            .is_problem(409, "an execution needs version");
    }
    let reply = api.resolve(&open, &json!({"action": "approve"})).await;
    assert_eq!(reply.status, 200, "{reply:?}");
    assert_eq!(api.end(&id).await["status"], "completed");
}
