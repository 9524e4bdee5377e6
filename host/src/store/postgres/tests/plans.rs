//! What a statement reads, by its plan.

use phasewright_test_postgres::Database;
use serde_json::Value;

use super::{fresh, open, prepared};

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

/// What there are many of, and nothing.
const ASKED: [(&str, &str); 3] = [
    ("completed", "flow"),
    ("failed", "flow"),
    ("completed", "x"),
];

#[tokio::test]
async fn a_list_of_executions_reads_no_more_than_its_page() {
    let database = filled().await;
    for (status, workflow) in ASKED {
        for (sql, values) in [
            (include_str!("../sql/executions.sql"), String::new()),
            (
                include_str!("../sql/executions_of_workflow.sql"),
                format!(", '{workflow}'"),
            ),
            (
                include_str!("../sql/executions_in_status.sql"),
                format!(", '{status}'"),
            ),
            (
                include_str!("../sql/executions_of_workflow_in_status.sql"),
                format!(", '{workflow}', '{status}'"),
            ),
        ] {
            let values = format!("{LAST}, 21{values}");
            reads_a_page(&database, "force_generic_plan", sql, &values);
        }
    }
}

#[tokio::test]
async fn a_list_of_filtered_executions_is_planned_for_its_values() {
    let database = filled().await;
    let no_limits = "'00000000-0000-0000-0000-000000000000', NULL, 0, 1000000";
    for (status, workflow) in ASKED {
        for (sql, values) in [
            (
                include_str!("../sql/executions_filtered.sql"),
                String::new(),
            ),
            (
                include_str!("../sql/executions_of_workflow_filtered.sql"),
                format!(", '{workflow}'"),
            ),
            (
                include_str!("../sql/executions_in_status_filtered.sql"),
                format!(", '{status}'"),
            ),
            (
                include_str!("../sql/executions_of_workflow_in_status_filtered.sql"),
                format!(", '{workflow}', '{status}'"),
            ),
        ] {
            let values = format!("{LAST}, 21, {no_limits}{values}");
            reads_a_page(&database, "force_custom_plan", sql, &values);
        }
    }
}

#[tokio::test]
async fn a_list_of_checkpoints_reads_no_more_than_its_page() {
    let database = filled().await;
    for (status, workflow) in [("approved", "flow"), ("pending", "flow"), ("approved", "x")] {
        for (sql, values) in [
            (include_str!("../sql/checkpoints.sql"), String::new()),
            (
                include_str!("../sql/checkpoints_in_status.sql"),
                format!(", '{status}'"),
            ),
            (
                include_str!("../sql/checkpoints_of_workflow.sql"),
                format!(", '{workflow}'"),
            ),
            (
                include_str!("../sql/checkpoints_of_workflow_in_status.sql"),
                format!(", '{workflow}', '{status}'"),
            ),
            (
                include_str!("../sql/checkpoints_of_execution.sql"),
                format!(", {LAST}, NULL, NULL"),
            ),
        ] {
            let values = format!("1000000, {LAST}, 21{values}");
            reads_a_page(&database, "force_generic_plan", sql, &values);
        }
    }
}
