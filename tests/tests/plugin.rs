//! Real components in the real sandbox: what works, and how each kind of misbehaviour ends.

#[path = "plugin/rig.rs"]
mod rig;

use std::{fs, sync::Arc, time::Duration};

use futures::future::join_all;
use phasewright::{
    plugin::{PhaseRunner, Sandbox, SandboxConfig},
    workflow::{Digest, Failure, FailureKind, Level},
};
use rig::{Listener, Rig, component, wasm};
use serde_json::{Value, json};

/// Small limits, so that running into them takes little time.
const GRANTS: &str = r#"
[phase.misbehave.limits]
wall_clock_ms = 3_000
cpu_time_ms = 300
memory_bytes = 16_777_216
output_bytes = 1_048_576
artifact_bytes = 1_048_576
artifact_count = 10
log_bytes = 65_536
log_lines = 1_000
"#;

async fn misbehave(rig: &Rig, mode: &str) -> Failure {
    let attempt = rig.attempt("misbehave", json!({"mode": mode}), json!({}));
    let outcome = rig.sandbox.run(attempt, Listener::new()).await;
    outcome.expect_err(mode)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_misbehaviour_ends_with_a_precise_reason() {
    use FailureKind::{Invalid, LimitExceeded, Permanent, TimedOut, Transient, Trapped};
    let rig = Rig::new(&["misbehave"], GRANTS).await;
    for (mode, kind, message) in [
        ("loop", TimedOut, "CPU-time limit of 300 ms exceeded"),
        ("sleep", TimedOut, "wall-clock limit of 3 s exceeded"),
        ("allocate", LimitExceeded, "memory limit of 16 MiB exceeded"),
        ("trap", Trapped, "`unreachable` instruction executed"),
        ("panic", Trapped, "panicked at "),
        ("panic", Trapped, "something is off"),
        ("index", Trapped, "index out of bounds"),
        ("recurse", Trapped, "call stack exhausted"),
        ("exit", Trapped, "exited with code 1"),
        ("output", LimitExceeded, "limit of"),
        ("print", LimitExceeded, "log limit of"),
        ("print-line", LimitExceeded, "log limit of"),
        ("log", LimitExceeded, "log limit of 1000 lines exceeded"),
        ("log-huge", LimitExceeded, "limit of"),
        ("progress", LimitExceeded, "log limit of"),
        ("artifacts", LimitExceeded, "limit of 10 artifacts exceeded"),
        ("artifact-huge", LimitExceeded, "limit of"),
        ("artifact-name", Permanent, "contains '/'"),
        ("variable", Permanent, "variable \"SECRET\" is not granted"),
        ("not-json", Invalid, "output is not JSON"),
        ("deep", Invalid, "recursion limit exceeded"),
        (
            "off-schema",
            Invalid,
            "output does not match the schema of phase misbehave: at \"\": ",
        ),
        ("transient", Transient, "later"),
    ] {
        let failure = misbehave(&rig, mode).await;
        assert_eq!(failure.cause, kind, "{mode}: {failure}");
        assert!(failure.message.contains(message), "{mode}: {failure}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_leaves_the_sandbox_is_bounded() {
    let grants = GRANTS.replace("memory_bytes = 16_777_216", "memory_bytes = 536_870_912");
    let rig = Rig::new(
        &["misbehave"],
        &grants.replace("cpu_time_ms = 300", "cpu_time_ms = 3_000"),
    )
    .await;
    let before = rig::resident_mib();
    for (mode, message) in [
        ("output", "output limit of 1 MiB exceeded"),
        (
            "log-huge",
            "limit of 1088 KiB for one call of the host exceeded",
        ),
        (
            "artifact-huge",
            "limit of 1088 KiB for one call of the host exceeded",
        ),
    ]
    .repeat(3)
    {
        let failure = misbehave(&rig, mode).await;
        assert_eq!(failure.to_string(), message, "{mode}");
        assert_eq!(failure.cause, FailureKind::LimitExceeded);
    }
    // Nine attempts made some 100 MB each; other tests that run meanwhile need some, too.
    let grown = rig::resident_mib().saturating_sub(before);
    assert!(grown < 200, "grown by {grown} MiB");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn others_go_on_while_one_loops() {
    let rig = Rig::new(&["misbehave", "delay"], GRANTS).await;
    let loops = join_all((0..4).map(|_| misbehave(&rig, "loop")));
    let others = async {
        for _ in 0..20 {
            let attempt = rig.attempt("delay", json!({"ms": 1}), json!({"a": 1}));
            let produced = rig.sandbox.run(attempt, Listener::new()).await.unwrap();
            assert_eq!(*produced.output, json!({"a": 1}));
        }
    };
    tokio::pin!(loops);
    tokio::select! {
        biased;
        () = others => {}
        _ = &mut loops => panic!("20 short attempts took longer than the CPU time of four loops"),
    }
    for failure in loops.await {
        assert_eq!(failure.cause, FailureKind::TimedOut);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_left_of_attempts_that_ended() {
    // Were the memory of one attempt not given back, the next one would find none.
    let rig = Rig::with(&["misbehave"], GRANTS, |config| {
        config.memory_bytes_total = 24 << 20;
    });
    let rig = rig.await.unwrap();
    for _ in 0..5 {
        let failure = misbehave(&rig, "allocate").await;
        assert_eq!(failure.to_string(), "memory limit of 16 MiB exceeded");
        let attempt = rig.attempt("misbehave", json!({"mode": "loop"}), json!({}));
        let cancelled = rig.sandbox.run(attempt, Listener::new());
        tokio::time::timeout(Duration::from_millis(20), cancelled)
            .await
            .expect_err("a loop ended");
    }
    let (first, second) = tokio::join!(misbehave(&rig, "allocate"), misbehave(&rig, "allocate"));
    let kinds = [first.cause, second.cause];
    assert!(kinds.contains(&FailureKind::Transient), "{first}; {second}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn hundreds_wait_side_by_side() {
    let rig = Rig::new(&["delay"], "").await;
    let threads = rig::threads();
    let attempt = || rig.attempt("delay", json!({"ms": 200}), json!({}));
    let all = join_all((0..300).map(|_| rig.sandbox.run(attempt(), Listener::new()))).await;
    assert!(all.iter().all(Result::is_ok));
    assert!(
        rig::threads() <= threads + 2,
        "a guest that waits holds a thread"
    );
}

#[tokio::test]
async fn the_shorter_timeout_counts() {
    let rig = Rig::new(&["misbehave"], GRANTS).await;
    let mut attempt = rig.attempt("misbehave", json!({"mode": "sleep"}), json!({}));
    attempt.timeout = Some(Duration::from_millis(50));
    let failure = rig.sandbox.run(attempt, Listener::new()).await.unwrap_err();
    assert_eq!(failure.cause, FailureKind::TimedOut);
    assert_eq!(failure.to_string(), "timeout of the node, 50 ms, exceeded");
}

#[tokio::test]
async fn output_artifacts_and_logs_come_out() {
    let rig = Rig::new(&["misbehave"], GRANTS).await;
    let attempt = rig.attempt("misbehave", json!({"mode": "ok"}), json!({}));
    let listener = Listener::new();
    let produced = rig.sandbox.run(attempt, listener.clone()).await.unwrap();
    assert_eq!(*produced.output, json!({}));
    let artifact = &produced.artifacts[0];
    assert_eq!(artifact.reference.name, "a");
    assert_eq!(artifact.reference.size, 1);
    assert_eq!(artifact.reference.digest, Digest::of(b"x"));
    assert_eq!(&artifact.data[..], b"x");
    assert_eq!(
        listener.lines(),
        [
            (Level::Info, "hello".to_owned()),
            (Level::Warn, "bye".to_owned())
        ]
    );
}

#[tokio::test]
async fn a_phase_sees_nothing_of_the_machine() {
    let rig = Rig::new(&["misbehave"], GRANTS).await;
    let attempt = rig.attempt("misbehave", json!({"mode": "env"}), json!({}));
    let produced = rig.sandbox.run(attempt, Listener::new()).await.unwrap();
    let nothing = json!({"env": 0, "args": 0, "dir": false, "net": false});
    assert_eq!(*produced.output, nothing);
}

#[tokio::test]
async fn config_and_pinned_digest_are_checked_first() {
    let rig = Rig::new(&["misbehave"], GRANTS).await;
    let mut attempt = rig.attempt("misbehave", json!({"mode": 1}), json!({}));
    let failure = rig.sandbox.run(attempt.clone(), Listener::new()).await;
    let failure = failure.unwrap_err();
    assert_eq!(failure.cause, FailureKind::Invalid);
    assert!(
        failure
            .message
            .starts_with("config does not match the schema of phase misbehave: at \"/mode\""),
        "{failure}"
    );
    let violations = rig
        .sandbox
        .check_config(&attempt.phase, &json!({"mode": 1}));
    assert_eq!(violations[0].0, "/mode");

    attempt.digest = Digest::of(b"another");
    let failure = rig.sandbox.run(attempt, Listener::new()).await.unwrap_err();
    assert_eq!(failure.cause, FailureKind::Unavailable);
}

#[tokio::test]
async fn expressions_give_values_and_name_what_fails() {
    let rig = Rig::new(&[], "").await;
    let scope = || vec![("input".to_owned(), Arc::new(json!({"n": 2})))];
    let values = rig
        .sandbox
        .evaluate(vec!["input.n + 1".into(), "[input.n]".into()], scope());
    let values = values.await.unwrap();
    assert_eq!((&*values[0], &*values[1]), (&json!(3), &json!([2])));

    let failure = rig
        .sandbox
        .evaluate(vec!["1".into(), "input.gone".into()], scope());
    let failure = failure.await.unwrap_err();
    assert_eq!(failure.cause, FailureKind::Invalid);
    assert!(
        failure.message.starts_with("expression \"input.gone\": "),
        "{failure}"
    );

    let reasons = rig
        .sandbox
        .check_expressions(vec!["1 + 1".into(), "1 +".into()]);
    let reasons = reasons.await.unwrap();
    assert!(reasons[0].is_none() && reasons[1].is_some(), "{reasons:?}");
}

#[tokio::test]
async fn expressions_are_bounded() {
    let rig = Rig::new(&[], "").await;
    let list = Value::from((0..1_000).collect::<Vec<_>>());
    let endless = "l.map(a, l.map(b, l.map(c, l.map(d, a))))";
    let failure = rig
        .sandbox
        .evaluate(vec![endless.into()], vec![("l".into(), Arc::new(list))]);
    let failure = failure.await.unwrap_err();
    assert_eq!(failure.cause, FailureKind::LimitExceeded, "{failure}");
    assert!(failure.message.contains(endless), "{failure}");
    assert!(failure.message.contains("limit of"), "{failure}");
}

async fn refused(files: &[(&str, &[u8])], grants: &str) -> String {
    let folder = tempfile::tempdir().unwrap();
    for (name, bytes) in files {
        fs::write(folder.path().join(name), bytes).unwrap();
    }
    fs::write(folder.path().join("phases.toml"), grants).unwrap();
    let config = SandboxConfig::new(vec![folder.path().to_owned()], component("expression"));
    match Sandbox::new(wasm(), &config, &|_| None).await {
        Ok(_) => panic!("loaded"),
        Err(error) => error.to_string(),
    }
}

#[tokio::test]
async fn what_cannot_be_a_phase_is_refused_by_name() {
    let delay = fs::read(component("delay")).unwrap();
    let evaluator = fs::read(component("expression")).unwrap();
    let curious = wat::parse_str(
        r#"(component (import "wasi:http/types@0.2.0" (instance (export "f" (func)))))"#,
    )
    .unwrap();
    for (files, grants, parts) in [
        (
            &[("junk.wasm", &b"junk"[..])][..],
            "",
            &["junk.wasm", "is no component"][..],
        ),
        (
            &[("evaluator.wasm", &evaluator)],
            "",
            &["evaluator.wasm", "is no phase"],
        ),
        (
            &[("curious.wasm", &curious)],
            "",
            &["curious.wasm", "wasi:http/types@0.2.0"],
        ),
        (
            &[("a.wasm", &delay), ("b.wasm", &delay)],
            "",
            &["phase delay is in two files", "a.wasm", "b.wasm"],
        ),
        (
            &[("a.wasm", &delay)],
            "[phase.dely]",
            &["phases.toml", "phase.dely"],
        ),
    ] {
        let error = refused(files, grants).await;
        for part in parts {
            assert!(error.contains(part), "{error}");
        }
    }
}
