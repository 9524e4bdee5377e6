//! The workflows that Obelisk runs: each call of a step is an execution of its own.
#![cfg(target_family = "wasm")]

use bench::{
    peer::{
        person::approve,
        steps::{add_one, add_one_slowly},
    },
    peer_obelisk_ext::steps::{add_one_await_next, add_one_submit},
};
use exports::bench::peer::workflows::Guest;
use obelisk::{types::join_set::JoinSet, workflow::workflow_support::join_set_create};

wit_bindgen::generate!({ path: "../wit", world: "workflow", generate_all });

struct Workflows;

export!(Workflows);

impl Guest for Workflows {
    fn chain(length: u32) -> Result<u32, ()> {
        (0..length).try_fold(1, |n, _| add_one(n))
    }

    fn fan(width: u32) -> Result<u32, ()> {
        let steps = join_set_create();
        for n in 0..width {
            add_one_submit(&steps, n);
        }
        (0..width).try_fold(0, |sum, _| Ok(sum + next(&steps)?))
    }

    fn diamond(n: u32) -> Result<u32, ()> {
        let design = add_one(add_one(n)?)?;
        let sides = join_set_create();
        for _side in ["backend", "frontend"] {
            add_one_submit(&sides, design);
        }
        let (backend, _) = (next(&sides)?, next(&sides)?);
        add_one(add_one(backend)?)
    }

    fn review(n: u32) -> Result<u32, ()> {
        let draft = add_one(n)?;
        approve()?;
        add_one(draft)
    }

    fn recovery(length: u32) -> Result<u32, ()> {
        (0..length).try_fold(1, |n, _| add_one_slowly(n))
    }
}

/// The result of whichever step is the next to have one.
fn next(steps: &JoinSet) -> Result<u32, ()> {
    let (_, result) = add_one_await_next(steps).map_err(drop)?;
    result
}
