//! Many executions: which ones a query selects, and what became of each.

use http::StatusCode;

use super::{STATUSES, status_name, write_summary};
use crate::{
    Problem, Reply,
    bindings::executions::{Filter, Outcome, Outcomes},
    reply::{
        self,
        json::{self, Object},
    },
    request::query::Query,
};

/// The query parameters that select executions and give a page of them.
pub const FILTER: [&str; 7] = [
    "workflow_id",
    "status",
    "version",
    "created_from",
    "created_before",
    "limit",
    "cursor",
];

/// The executions that a query selects.
///
/// # Errors
///
/// 400 naming the parameter and the rule. Whether times are such is for the engine to say.
pub fn filter(query: &Query) -> Result<Filter, Problem> {
    Ok(Filter {
        workflow_id: query.id("workflow_id")?,
        status: query.choice("status", &STATUSES, status_name)?,
        version: query.number("version", 1, u32::MAX)?,
        created_from: query.text("created_from").map(str::to_owned),
        created_before: query.text("created_before").map(str::to_owned),
    })
}

/// The reply to an action on many: a page of `{execution_id, execution}`, or `{execution_id,
/// problem}` where it was not possible.
pub fn applied(outcomes: &Outcomes) -> Reply {
    let text = json::page(&outcomes.items, &outcomes.next, write_outcome);
    reply::with_json(StatusCode::OK, text)
}

fn write_outcome(object: &mut Object, outcome: &Outcome) {
    object.field("execution_id", &outcome.execution_id);
    match &outcome.result {
        Ok(summary) => object.object("execution", |object| write_summary(object, summary)),
        Err(error) => {
            let problem = Problem::from(error.clone());
            object.object("problem", |object| problem.write(object));
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{FILTER, applied, filter};
    use crate::{
        bindings::{
            executions::{Filter, Outcome, Outcomes},
            types::Error,
        },
        reply::test::value,
        request::{query::Query, test::head},
    };

    fn of(query: &str) -> Option<Filter> {
        let head = head("GET", &format!("/?{query}"), &[]);
        filter(&Query::parse(&head, &FILTER).unwrap()).ok()
    }

    #[test]
    fn a_filter_has_what_the_query_says() {
        let all = of("workflow_id=w&status=failed&version=3&created_from=a&created_before=b");
        let all = all.unwrap();
        assert_eq!(all.workflow_id.as_deref(), Some("w"));
        assert_eq!(all.version, Some(3));
        assert_eq!(all.created_from.as_deref(), Some("a"));
        assert_eq!(all.created_before.as_deref(), Some("b"));
        assert!(of("").unwrap().status.is_none());
        for bad in ["version=0", "version=x", "status=over", "workflow_id=a%2Fb"] {
            assert!(of(bad).is_none(), "{bad}");
        }
    }

    #[test]
    fn each_outcome_is_an_execution_or_a_problem() {
        let items = vec![
            Outcome {
                execution_id: "e1".to_owned(),
                result: Ok(super::super::tests::summary()),
            },
            Outcome {
                execution_id: "e2".to_owned(),
                result: Err(Error::Conflict("is over".to_owned())),
            },
        ];
        let next = Some("e2".to_owned());
        let body = value(applied(&Outcomes { items, next }));
        assert_eq!(body["items"][0]["execution"]["execution_id"], "e1");
        assert!(body["items"][0].get("problem").is_none());
        assert_eq!(
            body["items"][1],
            json!({"execution_id": "e2", "problem": {
                "type": "/problems/conflict", "title": "conflict", "status": 409, "detail": "is over",
            }})
        );
        assert_eq!(body["next"], "e2");
    }
}
