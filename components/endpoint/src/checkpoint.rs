//! Checkpoints: what a reviewer decides, and how a checkpoint reads as JSON.

use http::StatusCode;

use crate::{
    Problem, Reply,
    bindings::{
        checkpoints::{Checkpoint, CheckpointPosition, CheckpointStatus, Decision, Page},
        types::Violation,
    },
    reply::{
        self,
        json::{self, Object},
    },
    request::json::{Fields, violation},
};

/// Characters in the notes of a reviewer: a few pages.
const NOTES_CHARACTERS_MAX: usize = 10_000;

/// What can be listed by.
pub const STATUSES: [CheckpointStatus; 6] = [
    CheckpointStatus::Pending,
    CheckpointStatus::Approved,
    CheckpointStatus::Edited,
    CheckpointStatus::Rejected,
    CheckpointStatus::Expired,
    CheckpointStatus::Cancelled,
];

/// A decision and what the reviewer remarks.
#[derive(Debug)]
pub struct Resolution {
    /// What is to become of the proposed output.
    pub decision: Decision,
    /// Remarks, kept with the checkpoint.
    pub notes: Option<String>,
}

/// Parses `{action: "approve" | "edit" | "reject", edited_content, notes}`.
///
/// `edited_content` belongs to `edit` alone, where it may be any JSON, even null.
///
/// # Errors
///
/// 422 with every violation.
pub fn resolution(body: &str) -> Result<Resolution, Problem> {
    let mut fields = Fields::parse(body)?;
    let action = fields.raw("action").unwrap_or_default();
    let action = serde_json::from_str::<String>(action).unwrap_or_default();
    let edited = fields.raw("edited_content");
    let notes = fields.short_text("notes", NOTES_CHARACTERS_MAX);
    let decision = fields.finish_with(decision(&action, edited))?;
    Ok(Resolution { decision, notes })
}

fn decision(action: &str, edited: Option<&str>) -> Result<Decision, Violation> {
    let edited_content = |message| Err(violation("/edited_content", message));
    match (action, edited) {
        ("approve", None | Some("null")) => Ok(Decision::Approve),
        ("reject", None | Some("null")) => Ok(Decision::Reject),
        ("edit", Some(content)) => Ok(Decision::Edit(content.to_owned())),
        ("edit", None) => edited_content("is required with the action `edit`"),
        ("approve" | "reject", Some(_)) => edited_content("is allowed with the action `edit` only"),
        _ => Err(violation("/action", "must be one of approve, edit, reject")),
    }
}

/// The reply with a checkpoint: `{checkpoint_id, execution_id, workflow_id, node, position, status,
/// title, instructions, reviewers, allow_starter, proposed, edited, notes, resolved_by, created_at,
/// resolved_at}`.
pub fn shown(checkpoint: &Checkpoint) -> Reply {
    let bytes = checkpoint.proposed.len() + checkpoint.edited.as_ref().map_or(0, String::len);
    let text = json::object_sized(bytes, |object| write_checkpoint(object, checkpoint));
    reply::with_json(StatusCode::OK, text)
}

/// The reply with a page of checkpoints.
pub fn listed(page: &Page) -> Reply {
    let text = json::page(&page.items, &page.next, write_checkpoint);
    reply::with_json(StatusCode::OK, text)
}

/// A status as JSON and queries write it.
pub fn status_name(status: CheckpointStatus) -> &'static str {
    match status {
        CheckpointStatus::Pending => "pending",
        CheckpointStatus::Approved => "approved",
        CheckpointStatus::Edited => "edited",
        CheckpointStatus::Rejected => "rejected",
        CheckpointStatus::Expired => "expired",
        CheckpointStatus::Cancelled => "cancelled",
    }
}

fn write_checkpoint(object: &mut Object, checkpoint: &Checkpoint) {
    object.field("checkpoint_id", &checkpoint.id);
    object.field("execution_id", &checkpoint.execution_id);
    object.field("workflow_id", &checkpoint.workflow_id);
    object.field("node", &checkpoint.node);
    let position = match checkpoint.position {
        CheckpointPosition::Before => "before",
        CheckpointPosition::After => "after",
    };
    object.field("position", position);
    object.field("status", status_name(checkpoint.status));
    object.field("title", &checkpoint.title);
    object.field("instructions", &checkpoint.instructions);
    object.field("reviewers", &checkpoint.reviewers);
    object.field("allow_starter", checkpoint.allow_starter);
    object.document("proposed", &checkpoint.proposed);
    object.optional_document("edited", checkpoint.edited.as_deref());
    object.field("notes", &checkpoint.notes);
    object.field("resolved_by", &checkpoint.resolved_by);
    object.field("created_at", &checkpoint.created_at);
    object.field("resolved_at", &checkpoint.resolved_at);
}

#[cfg(test)]
mod tests {
    use super::{Checkpoint, CheckpointPosition, CheckpointStatus, Decision, resolution, shown};
    use crate::reply::test::value;
    use http::StatusCode;
    use serde_json::json;

    fn violations(body: &str) -> Vec<String> {
        let problem = resolution(body).unwrap_err();
        assert_eq!(problem.status(), StatusCode::UNPROCESSABLE_ENTITY, "{body}");
        problem
            .errors()
            .iter()
            .map(|error| error.pointer.clone())
            .collect()
    }

    #[test]
    fn decisions_are_three() {
        let decide = |body: &str| resolution(body).unwrap();
        assert!(matches!(
            decide(r#"{"action":"approve"}"#).decision,
            Decision::Approve
        ));
        let reject = decide(r#"{"action":"reject","edited_content":null,"notes":"no"}"#);
        assert!(matches!(reject.decision, Decision::Reject));
        assert_eq!(reject.notes.as_deref(), Some("no"));
        for content in ["{ \"a\" : 1.0 }", "\"text\"", "null"] {
            let body = format!(r#"{{"action":"edit","edited_content":{content}}}"#);
            let Decision::Edit(edited) = decide(&body).decision else {
                panic!("{body} is an edit");
            };
            assert_eq!(edited, content);
        }
    }

    #[test]
    fn bad_decisions_name_the_place() {
        for (body, pointers) in [
            ("", &["/action"][..]),
            ("{}", &["/action"]),
            ("[]", &[""]),
            (r#"{"action":null}"#, &["/action"]),
            (r#"{"action":1}"#, &["/action"]),
            (r#"{"action":"Approve"}"#, &["/action"]),
            (r#"{"action":"expire","x":1}"#, &["/action", "/x"]),
            (r#"{"action":"edit"}"#, &["/edited_content"]),
            (
                r#"{"action":"approve","edited_content":{}}"#,
                &["/edited_content"],
            ),
            (
                r#"{"action":"reject","edited_content":1}"#,
                &["/edited_content"],
            ),
            (r#"{"action":"reject","notes":1}"#, &["/notes"]),
            (
                r#"{"action":"edit","edited_content":{"a":1,"a":1}}"#,
                &["/edited_content/a"],
            ),
        ] {
            assert_eq!(violations(body), pointers, "{body}");
        }
        let body = |length| format!(r#"{{"action":"approve","notes":"{}"}}"#, "ä".repeat(length));
        assert!(resolution(&body(10_000)).is_ok());
        assert_eq!(violations(&body(10_001)), ["/notes"]);
    }

    #[test]
    fn checkpoints_read_as_json() {
        let reply = shown(&Checkpoint {
            id: "c".to_owned(),
            execution_id: "e".to_owned(),
            workflow_id: "w".to_owned(),
            node: "n".to_owned(),
            position: CheckpointPosition::Before,
            status: CheckpointStatus::Edited,
            title: "Check".to_owned(),
            instructions: None,
            reviewers: vec!["ann".to_owned(), "group:it".to_owned()],
            allow_starter: false,
            proposed: "{}".to_owned(),
            edited: Some("[1]".to_owned()),
            notes: None,
            resolved_by: Some("me".to_owned()),
            created_at: "t1".to_owned(),
            resolved_at: Some("t2".to_owned()),
        });
        assert_eq!(
            value(reply),
            json!({
                "checkpoint_id": "c", "execution_id": "e", "workflow_id": "w", "node": "n",
                "position": "before", "status": "edited", "title": "Check", "instructions": null,
                "reviewers": ["ann", "group:it"], "allow_starter": false, "proposed": {},
                "edited": [1], "notes": null, "resolved_by": "me", "created_at": "t1",
                "resolved_at": "t2",
            })
        );
    }
}
