//! Real components in the real sandbox: what works, and how each kind of misbehaviour ends.

#[path = "plugin/outbound.rs"]
mod outbound;
#[path = "plugin/pinned.rs"]
mod pinned;
#[path = "plugin/rig.rs"]
mod rig;
#[path = "plugin/server.rs"]
mod server;

use std::{
    fs,
    sync::Arc,
    time::{Duration, Instant},
};

use futures::future::join_all;
use phasewright::{
    plugin::{PhaseRunner, Sandbox, SandboxConfig},
    workflow::{Digest, Failure, FailureKind, Level},
};
use rig::{Listener, Rig, component, wasm};
use serde_json::{Value, json};

/// Small limits, so that running into them takes little time.
const GRANTS: &str = r"
[phase.misbehave.limits]
cpu_time_ms = 300
memory_bytes = 16_777_216
output_bytes = 1_048_576
artifact_bytes = 1_048_576
log_bytes = 65_536
";

async fn misbehave(rig: &Rig, config: Value) -> Failure {
    let attempt = rig.attempt("misbehave", config, json!({}));
    let outcome = rig.sandbox.run(attempt, Listener::new()).await;
    outcome.expect_err("it behaved")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_misbehaviour_ends_with_a_precise_reason() {
    use FailureKind::{Invalid, LimitExceeded, Permanent, TimedOut, Transient, Trapped};
    let rig = Rig::new(&["misbehave"], GRANTS).await;
    let mode = |mode| json!({"mode": mode});
    let bytes = |mode, bytes| json!({"mode": mode, "bytes": bytes});
    for (config, kind, message) in [
        (mode("loop"), TimedOut, "CPU-time limit of 300 ms exceeded"),
        (
            mode("allocate"),
            LimitExceeded,
            "memory limit of 16 MiB exceeded",
        ),
        (mode("trap"), Trapped, "panicked at "),
        (
            mode("trap"),
            Trapped,
            "trapped as told (trapped: wasm `unreachable` instruction executed",
        ),
        (
            mode("recurse"),
            Trapped,
            "trapped: out of bounds memory access",
        ),
        (
            mode("huge-output"),
            LimitExceeded,
            "memory limit of 16 MiB exceeded",
        ),
        (
            bytes("huge-output", 2 << 20),
            LimitExceeded,
            "output limit of 1 MiB exceeded",
        ),
        (
            bytes("huge-output", 1 << 20),
            LimitExceeded,
            "output limit of 1 MiB exceeded",
        ),
        (mode("print"), LimitExceeded, "log limit of 64 KiB exceeded"),
        (mode("log"), LimitExceeded, "log limit of 64 KiB exceeded"),
        (
            bytes("big-artifact", (1 << 20) + 1),
            LimitExceeded,
            "artifact limit of 1 MiB exceeded",
        ),
        (
            bytes("big-artifact", 2 << 20),
            LimitExceeded,
            "limit of 1088 KiB for one call of the host exceeded",
        ),
        (mode("bad-json"), Invalid, "output is not JSON: "),
        (
            mode("deep-json"),
            Invalid,
            "output is not JSON: recursion limit exceeded",
        ),
        (
            mode("off-schema"),
            Invalid,
            "output does not match the schema of phase misbehave: at \"\": ",
        ),
        (mode("fail-invalid"), Invalid, "invalid as told"),
        (mode("fail-transient"), Transient, "transient as told"),
        (mode("fail-permanent"), Permanent, "permanent as told"),
    ] {
        let failure = misbehave(&rig, config.clone()).await;
        assert_eq!(failure.cause, kind, "{config}: {failure}");
        assert!(failure.message.contains(message), "{config}: {failure}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hundred_megabytes_are_refused_before_they_are_copied() {
    let grants = GRANTS
        .replace("memory_bytes = 16_777_216", "memory_bytes = 536_870_912")
        .replace("cpu_time_ms = 300", "cpu_time_ms = 5_000");
    let rig = Rig::new(&["misbehave"], &grants).await;
    let before = rig::resident_mib();
    for (mode, message) in [
        ("huge-output", "output limit of 1 MiB exceeded"),
        (
            "big-artifact",
            "limit of 1088 KiB for one call of the host exceeded",
        ),
    ]
    .repeat(4)
    {
        let failure = misbehave(&rig, json!({"mode": mode})).await;
        assert_eq!(failure.to_string(), message, "{mode}");
        assert_eq!(failure.cause, FailureKind::LimitExceeded);
    }
    // Eight attempts made 100 MB each. Other tests that run meanwhile need some, too, for a while.
    let deadline = Instant::now() + Duration::from_mins(1);
    while rig::resident_mib() > before + 200 {
        assert!(Instant::now() < deadline, "memory is not given back");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn others_go_on_while_one_loops() {
    let rig = Rig::new(&["misbehave", "delay"], GRANTS).await;
    let loops = join_all((0..4).map(|_| misbehave(&rig, json!({"mode": "loop"}))));
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
        let failure = misbehave(&rig, json!({"mode": "allocate"})).await;
        assert_eq!(failure.to_string(), "memory limit of 16 MiB exceeded");
        let attempt = rig.attempt("misbehave", json!({"mode": "loop"}), json!({}));
        let cancelled = rig.sandbox.run(attempt, Listener::new());
        tokio::time::timeout(Duration::from_millis(20), cancelled)
            .await
            .expect_err("a loop ended");
    }
    // What both want is not there, and known by now: one waits for the other.
    let (first, second) = tokio::join!(
        misbehave(&rig, json!({"mode": "allocate"})),
        misbehave(&rig, json!({"mode": "allocate"}))
    );
    for failure in [first, second] {
        assert_eq!(failure.to_string(), "memory limit of 16 MiB exceeded");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_wait_side_by_side() {
    let rig = Rig::new(&["delay"], "").await;
    let threads = rig::threads();
    let attempt = || rig.attempt("delay", json!({"ms": 200}), json!({}));
    let all = (0..rig.sandbox.attempts_max()).map(|_| rig.sandbox.run(attempt(), Listener::new()));
    let all = join_all(all).await;
    assert!(all.iter().all(Result::is_ok));
    // Other tests start and end threads of their own meanwhile, but never so many.
    assert!(
        rig::threads() < threads + 150,
        "a guest that waits holds a thread"
    );
}

#[tokio::test]
async fn the_shorter_of_node_timeout_and_limit_counts() {
    let rig = Rig::new(&["delay"], "[phase.delay.limits]\nwall_clock_ms = 100").await;
    let day = json!({"ms": 86_400_000});
    for (timeout_ms, message) in [
        (50, "timeout of the node, 50 ms, exceeded"),
        (60_000, "wall-clock limit of 100 ms exceeded"),
    ] {
        let mut attempt = rig.attempt("delay", day.clone(), json!({}));
        attempt.timeout = Some(Duration::from_millis(timeout_ms));
        let failure = rig.sandbox.run(attempt, Listener::new()).await.unwrap_err();
        assert_eq!(failure.cause, FailureKind::TimedOut);
        assert_eq!(failure.to_string(), message);
    }
}

#[tokio::test]
async fn what_an_attempt_makes_comes_out() {
    let rig = Rig::new(&["misbehave"], GRANTS).await;
    let run = async |config: Value| {
        let listener = Listener::new();
        let attempt = rig.attempt("misbehave", config, json!({"a": 1}));
        let produced = rig.sandbox.run(attempt, listener.clone()).await.unwrap();
        (produced, listener)
    };
    let (produced, _) = run(json!({"mode": "echo"})).await;
    assert_eq!(
        *produced.output,
        json!({"input": {"a": 1}, "attempt": 1, "idempotency_key": "key", "review_notes": null})
    );
    let (produced, _) = run(json!({"mode": "big-artifact", "bytes": 3})).await;
    let artifact = &produced.artifacts[0];
    assert_eq!(artifact.reference.name, "big.bin");
    assert_eq!(artifact.reference.content_type, "application/octet-stream");
    assert_eq!(artifact.reference.size, 3);
    assert_eq!(artifact.reference.digest, Digest::of(b"xxx"));
    assert_eq!(&artifact.data[..], b"xxx");
    let (_, listener) = run(json!({"mode": "bad-progress"})).await;
    assert_eq!(listener.fractions(), [1.0]);
    let ignored = "progress is not a number and was ignored".to_owned();
    assert_eq!(listener.lines(), [(Level::Warn, ignored)]);
}

#[tokio::test]
async fn what_is_printed_before_the_end_is_logged_line_by_line() {
    let rig = Rig::new(&["misbehave"], GRANTS).await;
    let listener = Listener::new();
    let attempt = rig.attempt("misbehave", json!({"mode": "print"}), json!({}));
    let outcome = rig.sandbox.run(attempt, listener.clone()).await;
    assert!(outcome.is_err());
    let lines = listener.lines();
    let line = "printed as told ".repeat(64);
    assert_eq!(lines[0], (Level::Info, line.trim_end().to_owned()));
    assert_eq!(lines[1], (Level::Warn, line.trim_end().to_owned()));
    assert!(lines.iter().map(|(_, line)| line.len()).sum::<usize>() <= 65_536);
}

#[tokio::test]
async fn config_and_pinned_digest_are_checked_first() {
    let rig = Rig::new(&["misbehave"], GRANTS).await;
    let mut attempt = rig.attempt("misbehave", json!({"mode": 1}), json!({}));
    let outcome = rig.sandbox.run(attempt.clone(), Listener::new()).await;
    let failure = outcome.unwrap_err();
    assert_eq!(failure.cause, FailureKind::Invalid);
    let start = "config does not match the schema of phase misbehave: at \"/mode\": ";
    assert!(failure.message.starts_with(start), "{failure}");
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
        r#"(component (import "wasi:keyvalue/store@0.2.0" (instance (export "f" (func)))))"#,
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
            &["curious.wasm", "wasi:keyvalue/store@0.2.0"],
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
        (
            &[("a.wasm", &delay)],
            "[phase.delay]\nallowed_outbound_hosts = [\"example.com\"]",
            &["phases.toml: phase.delay.allowed_outbound_hosts: \"example.com\" does not"],
        ),
    ] {
        let error = refused(files, grants).await;
        for part in parts {
            assert!(error.contains(part), "{error}");
        }
    }
}
