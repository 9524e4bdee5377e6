//! Reading the checkpoint of a node.

use serde_json::Value;

use super::{
    Checkpoint, OnExpiry, OnReject, Position, RERUNS_MAX, REVIEWERS_MAX,
    draft::{LINE_CHARACTERS_MAX, TEXT_CHARACTERS_MAX, seconds},
    fields::{Fields, Violations},
};
use crate::workflow::{Audience, Reviewer};

/// None when it is no object.
pub(super) fn checkpoint(
    pointer: String,
    value: &Value,
    violations: &mut Violations,
) -> Option<Checkpoint> {
    let mut fields = Fields::of(pointer, value, violations)?;
    let title = fields.text("title", LINE_CHARACTERS_MAX);
    let title = fields
        .require("title", title)
        .unwrap_or_default()
        .to_owned();
    let position = fields
        .choice(
            "position",
            &[("before", Position::Before), ("after", Position::After)],
        )
        .unwrap_or_default();
    let checkpoint = Checkpoint {
        position,
        title,
        instructions: fields
            .text("instructions", TEXT_CHARACTERS_MAX)
            .map(str::to_owned),
        on_reject: fields
            .choice(
                "on_reject",
                &[("fail", OnReject::Fail), ("rerun", OnReject::Rerun)],
            )
            .unwrap_or(OnReject::Fail),
        max_reruns: fields
            .whole("max_reruns", 1..=RERUNS_MAX.into())
            .unwrap_or(RERUNS_MAX),
        expires_after: seconds(&mut fields, "expires_after_seconds"),
        on_expiry: fields
            .choice(
                "on_expiry",
                &[
                    ("approve", OnExpiry::Approve),
                    ("reject", OnExpiry::Reject),
                    ("fail", OnExpiry::Fail),
                ],
            )
            .unwrap_or(OnExpiry::Fail),
        audience: Audience {
            reviewers: reviewers(&mut fields),
            allow_starter: fields.flag("allow_starter").unwrap_or(true),
        },
    };
    if position == Position::Before && checkpoint.on_reject == OnReject::Rerun {
        let message = "must be \"fail\" before a node: there is nothing to run again";
        fields.wrong::<()>("on_reject", message);
    }
    fields.finish();
    Some(checkpoint)
}

/// An empty list would read as if nobody might decide; it is a mistake.
fn reviewers(fields: &mut Fields) -> Vec<Reviewer> {
    let Some(names) = fields.list("reviewers") else {
        return Vec::new();
    };
    if !(1..=REVIEWERS_MAX).contains(&names.len()) {
        let count = names.len();
        let message = format!("must have 1 to {REVIEWERS_MAX} names, not {count}");
        fields.wrong::<()>("reviewers", message);
        return Vec::new();
    }
    let mut reviewers = Vec::with_capacity(names.len());
    for (at, name) in names.iter().enumerate() {
        let parsed = match name.as_str().map(str::parse::<Reviewer>) {
            Some(Ok(reviewer)) if reviewers.contains(&reviewer) => Err("is there twice".to_owned()),
            Some(Ok(reviewer)) => Ok(reviewer),
            Some(Err(error)) => Err(error.to_string()),
            None => Err("must be a name, or group: and a name".to_owned()),
        };
        match parsed {
            Ok(reviewer) => reviewers.push(reviewer),
            Err(message) => {
                let pointer = format!("{}/{at}", fields.at("reviewers"));
                fields.violations().add(pointer, message);
            }
        }
    }
    reviewers
}
