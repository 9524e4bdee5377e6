//! What every store has to do: the contract as tests, run once per database.
//!
//! A database joins with `conformance!(fresh)`, where `fresh()` gives a
//! [`TestDatabase`] that is empty.

pub mod components;
pub mod crash;
pub mod definitions;
pub mod examples;
pub mod journal;
pub mod lists;
pub mod model;
pub mod owners;
pub mod retention;

use std::sync::Arc;

use super::Store;

/// A database of one test; it is gone when this is dropped.
pub trait TestDatabase: Send + Sync {
    /// What [`super::open`] opens it by.
    fn url(&self) -> String;
}

/// Opens the database; again after everything that was opened before is dropped.
pub async fn open(database: &dyn TestDatabase) -> Arc<dyn Store> {
    super::open(&database.url()).await.unwrap()
}

/// Opens an empty database and stores version 1 of the workflow `flow`.
pub async fn prepared(database: &dyn TestDatabase) -> Arc<dyn Store> {
    let store = open(database).await;
    examples::define(&*store, "flow").await;
    store
}

/// The whole suite as tests over databases that `$fresh()` makes.
macro_rules! conformance {
    ($fresh:path) => {
        conformance! { @cases $fresh:
            journal::every_event_comes_back,
            journal::only_the_expected_version_is_extended,
            journal::a_key_starts_one_execution,
            journal::a_key_starts_one_execution_of_a_batch,
            journal::a_refused_append_leaves_nothing,
            journal::a_page_of_events_ends_with_many_bytes,
            journal::commits_are_in_order_and_events_in_pages,
            journal::an_impossible_append_is_invalid,
            journal::big_payloads_come_back,
            journal::everything_survives_a_restart,
            journal::many_writers_make_no_gap,
            owners::what_needs_a_host_is_claimed_once,
            owners::only_the_owner_writes,
            owners::an_execution_is_taken_and_let_go,
            owners::what_a_lost_host_had_is_free_and_counts_a_crash,
            lists::executions_are_listed_newest_first,
            lists::checkpoints_are_listed_newest_first,
            lists::checkpoints_are_listed_by_who_may_decide_and_of_what,
            lists::an_open_checkpoint_goes_to_others,
            lists::a_checkpoint_changes_its_state,
            lists::blobs_are_found_by_digest,
            definitions::a_change_is_the_next_version,
            definitions::the_expected_version_is_compared,
            definitions::concurrent_puts_make_versions_in_a_row,
            definitions::definitions_are_listed,
            definitions::a_deprecated_version_is_passed_over,
            definitions::what_no_execution_needs_is_removed,
            definitions::a_start_and_a_removal_never_both_succeed,
            retention::what_was_kept_long_enough_is_removed,
            components::a_component_is_kept_for_good,
            components::many_hosts_keep_the_same_at_once,
            crash::nothing_acknowledged_is_lost_by_a_kill,
        }

        #[test]
        fn random_operations_agree_with_the_model() {
            crate::store::conformance::model::random_operations_agree_with_the_model($fresh);
        }
    };
    (@cases $fresh:path: $($module:ident::$case:ident,)*) => {
        $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
        async fn $case() {
            crate::store::conformance::$module::$case(&$fresh()).await;
        })*
    };
}
pub(super) use conformance;
