//! The engines.

use anyhow::Result;

use super::{engine::Installed, obelisk, phasewright, program, restate};
use crate::{shell::say, workspace::Workspace};

/// One of them.
pub struct Kind {
    /// On the command line and in the JSON.
    pub name: &'static str,
    /// In the table.
    pub title: &'static str,
    install: for<'w> fn(&'w Workspace) -> Result<Installed<'w>>,
}

/// The first two are what the others are compared with.
pub const ALL: [Kind; 7] = [
    Kind {
        name: "phasewright-sqlite",
        title: "Phasewright, SQLite",
        install: phasewright::on_sqlite,
    },
    Kind {
        name: "phasewright-postgres",
        title: "Phasewright, PostgreSQL",
        install: phasewright::on_postgres,
    },
    Kind {
        name: "restate",
        title: "Restate, Rust SDK",
        install: restate::install,
    },
    Kind {
        name: "dbos-rust",
        title: "DBOS Rust, PostgreSQL",
        install: program::dbos_rust,
    },
    Kind {
        name: "dbos-python",
        title: "DBOS Python, PostgreSQL",
        install: program::dbos_python,
    },
    Kind {
        name: "langgraph",
        title: "LangGraph, PostgreSQL",
        install: program::langgraph,
    },
    Kind {
        name: "obelisk",
        title: "Obelisk, SQLite",
        install: obelisk::install,
    },
];

/// An engine that is to take part, or why it cannot.
pub struct Entrant<'w> {
    /// Which.
    pub kind: &'static Kind,
    /// How to start it.
    pub installed: Result<Installed<'w>>,
}

/// Installs what is not yet there; what cannot be installed is said in the table.
pub fn prepare<'w>(workspace: &'w Workspace, kinds: &[&'static Kind]) -> Vec<Entrant<'w>> {
    let prepare = |kind: &&'static Kind| {
        let installed = (kind.install)(workspace);
        if let Err(error) = &installed {
            say(&format!("{} takes no part: {error:#}", kind.title));
        }
        Entrant { kind, installed }
    };
    kinds.iter().map(prepare).collect()
}
