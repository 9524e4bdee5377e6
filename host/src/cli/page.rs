//! Lists, page by page.

use anyhow::Result;
use clap::Args;
use serde_json::Value;

use super::client::{Client, Query};

/// Which part of a list.
#[derive(Debug, Args)]
pub(super) struct Page {
    /// At most this many
    #[arg(long, default_value_t = 50)]
    limit: u32,
    /// Go on where the page before ended
    #[arg(long)]
    cursor: Option<String>,
    #[command(flatten)]
    pub(super) client: Client,
}

impl Page {
    /// This part of the list that is there, of what the filter lets through.
    pub(super) fn get(&self, path: &[&str], filter: &Query) -> Result<Value> {
        let part = [
            ("limit", Some(self.limit.to_string())),
            ("cursor", self.cursor.clone()),
        ];
        self.client.get(path, &[filter, &part].concat())
    }
}
