//! Probes: what the engine says of itself, and what there is to say when none answers.

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::{
    bindings::{health::Probe, types::Error},
    send::{AGAIN, Function, send},
};

/// Why a probe fails here, for programs.
const REASON: &str = "engine_unavailable";

/// Asks the engine; without an answer it is what `instead` makes of the reason.
pub async fn ask(name: &'static str, instead: fn(&str) -> Value) -> Probe {
    match asked(name).await {
        Ok(probe) => probe,
        Err(error) => {
            let message = match &error {
                Error::Unavailable(message) | Error::Internal(message) => message,
                _ => "no engine answers",
            };
            Probe {
                ok: false,
                errors: vec![REASON.to_owned()],
                detail: instead(message).to_string(),
            }
        }
    }
}

async fn asked(name: &'static str) -> Result<Probe, Error> {
    let function = Function {
        interface: "health",
        name,
        how: AGAIN,
    };
    send(&function, None, &json!({})).await?.whole().await
}

pub fn live() -> Probe {
    let detail = json!({
        "alive": true,
        "timestamp": now(),
        // What an endpoint on Spin knows of: nothing runs here, and connections are Spin's.
        "uptime_checks": {"api_responsive": true, "background_tasks_total": 0, "active_connections": 0},
    });
    Probe {
        ok: true,
        errors: Vec::new(),
        detail: detail.to_string(),
    }
}

pub fn report(message: &str) -> Value {
    json!({
        "status": "unhealthy",
        "timestamp": now(),
        "version": env!("CARGO_PKG_VERSION"),
        "errors": [REASON],
        "message": message,
    })
}

pub fn ready(message: &str) -> Value {
    json!({"ready": false, "errors": [REASON], "message": message})
}

pub fn startup(message: &str) -> Value {
    json!({"started": false, "errors": [REASON], "message": message})
}

fn now() -> String {
    Timestamp::now().to_string()
}

#[cfg(test)]
mod tests {
    use super::live;

    #[test]
    fn lives_without_an_engine() {
        let probe = live();
        assert!(probe.ok);
        let detail: serde_json::Value = serde_json::from_str(&probe.detail).unwrap();
        assert_eq!(detail["alive"], true);
        assert!(detail["timestamp"].as_str().unwrap().ends_with('Z'));
    }
}
