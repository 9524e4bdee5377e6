//! What a statement reads, by its plan.

use phasewright_test_postgres::Database;
use serde_json::Value;

use super::{fresh, open, prepared};
use crate::{
    store::{
        ExecutionFilter,
        postgres::read::{list, lists},
    },
    workflow::{ExecutionStatus, Timestamp},
};

/// Rows enough for the planner to choose, and as most are: of one workflow, and over.
const ROWS: &str = "
    INSERT INTO executions (
        id, workflow, definition, version, status, created_at, started_at, ended_at, waiting
    )
    SELECT
        (lpad(to_hex(n), 8, '0') || '-0000-7000-8000-000000000000')::uuid, 'flow', 1, 1,
        'completed', n, n, n, false
    FROM generate_series(1, 20000) AS n;
    INSERT INTO checkpoints (
        id, execution, workflow, node, status, created_at, closed_at, codec, payload
    )
    SELECT gen_random_uuid(), gen_random_uuid(), 'flow', 'parse', 'approved', n, n, 1, '{}'
    FROM generate_series(1, 20000) AS n;
    ANALYZE";

/// A database with these rows.
async fn filled() -> Database {
    let database = fresh();
    prepared(&database).await;
    database.run(ROWS).unwrap();
    database
}

/// Reads a list, planned as `plans` says, and expects that to be along an index, from where the page
/// begins to where it ends.
fn reads_a_page(database: &Database, plans: &str, sql: &str, values: &str) {
    let settings = open::READING.map(|(name, value)| format!("SET {name} = {value};"));
    let plan = database
        .run(&format!(
            "{} SET plan_cache_mode = {plans}; PREPARE list AS {sql}
             EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) EXECUTE list({values})",
            settings.concat(),
        ))
        .unwrap();
    let plan: Value = serde_json::from_str(&plan).unwrap();
    let blocks = |kind: &str| plan[0]["Plan"][kind].as_u64().unwrap();
    let blocks = blocks("Shared Hit Blocks") + blocks("Shared Read Blocks");
    assert!(blocks < 20, "{blocks} blocks for {values}: {sql}\n{plan}");
}

/// Where the first page begins.
const LAST: &str = "'ffffffff-ffff-ffff-ffff-ffffffffffff'";

#[tokio::test]
async fn a_list_of_executions_reads_no_more_than_its_page() {
    let database = filled().await;
    let no_limits = ", '00000000-0000-0000-0000-000000000000', NULL, 0, 1000000";
    let (completed, failed) = (ExecutionStatus::Completed, ExecutionStatus::Failed);
    // What there are many of, and nothing.
    for (status, workflow) in [(completed, "flow"), (failed, "flow"), (completed, "x")] {
        for shape in 0..8 {
            let [has_workflow, has_status, is_filtered] = [1, 2, 4].map(|bit| shape & bit != 0);
            let filter = ExecutionFilter {
                workflow: has_workflow.then(|| workflow.parse().unwrap()),
                status: has_status.then_some(status),
                created_from: is_filtered.then_some(Timestamp(0)),
                ..ExecutionFilter::default()
            };
            let (sql, is_whole) = list(&filter);
            assert_ne!(is_whole, is_filtered);
            let mut values = format!("{LAST}, 21");
            if is_filtered {
                values.push_str(no_limits);
            }
            if has_workflow {
                values.push_str(&format!(", '{workflow}'"));
            }
            if has_status {
                values.push_str(&format!(", '{}'", status.as_str()));
            }
            // Filtered ones are planned for their values.
            let plans = if is_filtered {
                "force_custom_plan"
            } else {
                "force_generic_plan"
            };
            reads_a_page(&database, plans, sql, &values);
        }
    }
}

#[tokio::test]
async fn a_list_of_checkpoints_reads_no_more_than_its_page() {
    let database = filled().await;
    let lists = lists();
    for (status, workflow) in [("approved", "flow"), ("pending", "flow"), ("approved", "x")] {
        for (sql, values) in [
            (lists.all, String::new()),
            (lists.in_status, format!(", '{status}'")),
            (lists.of_workflow, format!(", '{workflow}'")),
            (
                lists.of_workflow_in_status,
                format!(", '{workflow}', '{status}'"),
            ),
            (lists.of_execution, format!(", {LAST}, NULL, NULL")),
        ] {
            let values = format!("1000000, {LAST}, 21{values}");
            reads_a_page(&database, "force_generic_plan", sql, &values);
        }
    }
}
