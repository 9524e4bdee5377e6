//! Health: is the process responsive, and may traffic be routed here?

use std::time::Duration;

use serde_json::json;

use super::Service;
use crate::contract::Probe;

/// A database that takes longer to answer counts as gone.
const PING_TIMEOUT: Duration = Duration::from_secs(2);

impl Service {
    pub(super) async fn report(&self) -> Probe {
        let is_connected = self.is_connected().await;
        let (executions, attempts) = self.executor.load();
        let detail = json!({
            "status": if is_connected { "healthy" } else { "unhealthy" },
            "timestamp": self.now(),
            "version": env!("CARGO_PKG_VERSION"),
            "database": {"connected": is_connected, "type": self.store.database()},
            "cache": {"workflows": self.library.cached(), "websockets": 0},
            "tasks": {"background": executions, "active": attempts},
        });
        Probe {
            ok: true,
            errors: errors(is_connected),
            detail: detail.to_string(),
        }
    }

    pub(super) async fn ready(&self) -> Probe {
        let workflows =
            tokio::time::timeout(PING_TIMEOUT, self.store.queries().workflow_count()).await;
        let detail = match &workflows {
            Ok(Ok(workflows)) => json!({
                "ready": true,
                "timestamp": self.now(),
                "checks": {
                    "database": "ok",
                    "workflows": workflows,
                    "background_tasks": self.executor.load().0,
                },
            }),
            _ => json!({
                "ready": false,
                "errors": errors(false),
                "message": "the database does not answer",
            }),
        };
        let is_ready = matches!(workflows, Ok(Ok(_)));
        Probe {
            ok: is_ready,
            errors: errors(is_ready),
            detail: detail.to_string(),
        }
    }

    /// Touches no dependency, and is asked often: no JSON tree is built for it.
    pub(super) fn live(&self) -> Probe {
        let detail = format!(
            "{{\"alive\":true,\"timestamp\":\"{}\",\"uptime_checks\":{{\"api_responsive\":true,\
             \"background_tasks_total\":{},\"active_connections\":{}}}}}",
            self.now(),
            self.executor.load().0,
            self.connections.open(),
        );
        Probe {
            ok: true,
            errors: Vec::new(),
            detail,
        }
    }

    /// The listener opens when everything is initialised, so what can change is the database.
    pub(super) async fn startup(&self) -> Probe {
        let is_connected = self.is_connected().await;
        let detail = if is_connected {
            json!({
                "started": true,
                "timestamp": self.now(),
                "initialization": {"database": "initialized", "engine": "initialized", "workflows": "ready"},
            })
        } else {
            json!({"started": false, "errors": errors(false), "message": "the database does not answer"})
        };
        Probe {
            ok: is_connected,
            errors: errors(is_connected),
            detail: detail.to_string(),
        }
    }

    async fn is_connected(&self) -> bool {
        matches!(
            tokio::time::timeout(PING_TIMEOUT, self.store.ping()).await,
            Ok(Ok(()))
        )
    }

    fn now(&self) -> String {
        self.clock.now().to_string()
    }
}

fn errors(is_connected: bool) -> Vec<String> {
    if is_connected {
        Vec::new()
    } else {
        vec!["database_unavailable".to_owned()]
    }
}
