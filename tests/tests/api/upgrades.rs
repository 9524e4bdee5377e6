//! Phases and definitions that are replaced or taken away: what was started ends on what it
//! started with, and what is started then takes what is there.

use serde_json::{Value, json};

use crate::{
    api::{Api, node, text},
    host::{Host, Place},
};

/// Two nodes of the phase, and a person between them.
fn first() -> Value {
    json!({"id": "upgraded", "nodes": [
        {"id": "draft", "phase": "edition", "input": {"n": 1}, "checkpoint": {"title": "t"}},
        {"id": "use", "phase": "edition", "needs": ["draft"], "input": "{{ nodes.draft.output }}"},
    ]})
}

/// The same for the second edition, with a config that the first one refuses.
fn second() -> Value {
    let config = json!({"factor": 10});
    json!({"id": "upgraded", "nodes": [
        {"id": "draft", "phase": "edition", "config": config, "input": {"n": 1}, "checkpoint": {"title": "t"}},
        {"id": "then", "phase": "edition", "config": config, "needs": ["draft"], "input": "{{ nodes.draft.output }}"},
    ]})
}

/// A host with this edition of the phase in its folder.
fn host_with(place: &Place, edition: &str) -> Host {
    place.deploy("edition", edition);
    place.host()
}

async fn parked(api: Api) -> (String, Value) {
    let id = api.start("upgraded", &json!({})).await;
    let open = api.checkpoint(&id, "draft", 1).await;
    (id, open)
}

async fn approved(api: Api, (id, open): &(String, Value)) -> Value {
    let reply = api.resolve(open, &json!({"action": "approve"})).await;
    assert_eq!(reply.status, 200, "{reply:?}");
    api.end(id).await
}

#[tokio::test]
async fn what_was_started_before_an_upgrade_ends_on_what_it_started_with() {
    let place = Place::new();
    let mut host = host_with(&place, "edition_first");
    host.api.put(&first()).await;
    let (old, edited) = (parked(host.api).await, parked(host.api).await);
    let digest = host.api.read("/api/phases/edition").await["digest"].clone();
    host.kill();

    host = host_with(&place, "edition_second");
    host.api.put(&second()).await;
    let now = host.api.read("/api/phases/edition").await;
    assert_eq!(now["version"], "2.0.0");
    assert_ne!(now["digest"], digest);
    let new = parked(host.api).await;
    assert_eq!(new.1["proposed"], json!({"n": 10, "edition": "two"}));

    let execution = approved(host.api, &old).await;
    assert_eq!(
        (&execution["version"], &execution["output"]),
        (&json!(1), &json!({"use": {"n": 3, "edition": 1}})),
        "{execution}"
    );
    let execution = approved(host.api, &new).await;
    assert_eq!(
        (&execution["version"], &execution["output"]),
        (&json!(2), &json!({"then": {"n": 100, "edition": "two"}})),
        "{execution}"
    );

    // What takes the place of an output is held against the schema of its own edition.
    let (id, open) = edited;
    let edit = |content: Value| json!({"action": "edit", "edited_content": content});
    host.api
        .resolve(&open, &edit(json!({"n": 5, "edition": "two"})))
        .await
        .is_problem(422, "/edited_content/edition");
    let reply = host
        .api
        .resolve(&open, &edit(json!({"n": 5, "edition": 1})))
        .await;
    assert_eq!(reply.status, 200, "{reply:?}");
    let execution = host.api.end(&id).await;
    assert_eq!(execution["output"], json!({"use": {"n": 6, "edition": 1}}));
    let journal = host.api.journal(&id).await;
    journal.is_whole("execution_completed");
    let said = &journal.one("node_logged", "use")["payload"]["message"];
    assert_eq!(said, "this is edition 1");
}

/// The first half of it for the second edition: what `draft` gives now still fits.
fn migrated() -> Value {
    let config = json!({"factor": 10});
    json!({"id": "upgraded", "nodes": [
        {"id": "draft", "phase": "edition", "config": config, "input": {"n": 1}, "checkpoint": {"title": "t"}},
        {"id": "use", "phase": "edition", "config": config, "needs": ["draft"], "input": "{{ nodes.draft.output }}"},
        {"id": "more", "phase": "edition", "config": config, "needs": ["use"], "input": "{{ nodes.use.output }}"},
    ]})
}

#[tokio::test]
async fn of_two_parked_before_an_upgrade_one_stays_and_one_goes_by_the_new_version() {
    let place = Place::new();
    let mut host = host_with(&place, "edition_first");
    host.api.put(&first()).await;
    let (stays, moves, lost) = (
        parked(host.api).await,
        parked(host.api).await,
        parked(host.api).await,
    );
    host.kill();

    host = host_with(&place, "edition_second");
    host.api.put(&migrated()).await;
    let migrate = async |(id, _): &(String, Value)| {
        let path = format!("/api/executions/{id}/migrate");
        host.api.post(&path, &json!({"version": 2})).await
    };
    for parked in [&moves, &lost] {
        let reply = migrate(parked).await;
        assert_eq!(
            (reply.status, &reply.json()["version"]),
            (202, &json!(2)),
            "{reply:?}"
        );
    }
    let digest = host.api.read("/api/phases/edition").await["digest"].clone();
    let pinned = async |(id, _): &(String, Value)| {
        let journal = host.api.journal(id).await;
        let migrated = journal
            .0
            .iter()
            .find(|event| event["kind"] == "execution_migrated");
        migrated.unwrap()["payload"]["phases"]["edition"].clone()
    };
    assert_eq!(pinned(&moves).await, digest);

    // What it had drafted by the old edition stays; what follows is the new one's.
    let execution = approved(host.api, &moves).await;
    assert_eq!(
        (&execution["version"], &execution["output"]),
        (&json!(2), &json!({"more": {"n": 200, "edition": "two"}})),
        "{execution}"
    );
    assert_eq!(
        node(&execution, "draft", None)["output"],
        json!({"n": 2, "edition": 1})
    );
    let execution = approved(host.api, &stays).await;
    assert_eq!(
        (&execution["version"], &execution["output"]),
        (&json!(1), &json!({"use": {"n": 3, "edition": 1}})),
        "{execution}"
    );

    // Neither the edition nor the host is there any more, and it ends all the same.
    host.kill();
    place.undeploy("edition");
    host = place.host();
    let execution = approved(host.api, &lost).await;
    assert_eq!(
        execution["output"],
        json!({"more": {"n": 200, "edition": "two"}})
    );
}

#[tokio::test]
async fn a_phase_that_was_taken_away_still_ends_what_pinned_it() {
    let place = Place::new();
    let mut host = host_with(&place, "edition_first");
    host.api.put(&first()).await;
    let (old, fan) = (parked(host.api).await, {
        let items: Vec<_> = (0..40).collect();
        let definition = json!({"id": "fan", "nodes": [
            {"id": "draft", "phase": "edition", "input": {"n": 1}, "checkpoint": {"title": "t"}},
            {"id": "each", "phase": "edition", "needs": ["draft"], "for_each": items, "input": {"n": "{{ item }}"}},
        ]});
        let id = host.api.launch(&definition, &json!({})).await;
        let open = host.api.checkpoint(&id, "draft", 1).await;
        (id, open)
    });
    host.kill();
    place.undeploy("edition");

    host = place.host();
    assert_eq!(host.api.get("/api/phases/edition").await.status, 404);
    host.api
        .post("/api/workflows/upgraded/execute", &json!({}))
        .await
        .is_problem(422, "2 violations");
    let execution = approved(host.api, &fan).await;
    let outputs: Vec<_> = (1..=40).map(|n| json!({"n": n, "edition": 1})).collect();
    assert_eq!(execution["output"]["each"], json!(outputs), "{execution}");
    let execution = approved(host.api, &old).await;
    assert_eq!(execution["output"], json!({"use": {"n": 3, "edition": 1}}));
    assert_eq!(node(&execution, "use", None)["attempt"], 1);
    // Forty attempts that needed it at once, and another later, loaded it once.
    let loads = place
        .log()
        .matches("loaded a phase from the database")
        .count();
    assert_eq!(loads, 1);
}

#[tokio::test]
async fn hosts_with_different_phases_run_what_each_of_them_starts() {
    let places = [Place::on_postgres(), Place::with(None), Place::with(None)];
    places[0].deploy("edition", "edition_first");
    places[1].deploy("edition", "edition_second");
    let url = places[0].database();
    let [one, two, none] = places.each_ref().map(|place| place.host_by(&url, &[]));
    one.api.put(&first()).await;
    let by_one = parked(one.api).await;
    two.api.put(&second()).await;
    let by_two = parked(two.api).await;
    none.api
        .post("/api/workflows/upgraded/execute", &json!({}))
        .await
        .is_problem(422, "2 violations");
    // Each goes on where the phase is another one, or where there is none.
    let again = parked(two.api).await;
    for (host, parked, output) in [
        (&two, &by_one, json!({"use": {"n": 3, "edition": 1}})),
        (&one, &by_two, json!({"then": {"n": 100, "edition": "two"}})),
        (&none, &again, json!({"then": {"n": 100, "edition": "two"}})),
    ] {
        let execution = approved(host.api, parked).await;
        assert_eq!(execution["output"], output, "{execution}");
    }
    assert_eq!(text(&none.api.read("/health").await["status"]), "healthy");
}
