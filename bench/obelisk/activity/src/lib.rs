//! The steps that Obelisk runs, each execution of one in an instance of its own.
#![cfg(target_family = "wasm")]

use std::{thread::sleep, time::Duration};

use exports::bench::peer::steps::Guest;

wit_bindgen::generate!({ path: "../wit", world: "activity" });

struct Steps;

export!(Steps);

impl Guest for Steps {
    fn add_one(n: u32) -> Result<u32, ()> {
        Ok(n + 1)
    }

    fn add_one_slowly(n: u32) -> Result<u32, ()> {
        sleep(Duration::from_millis(100));
        Self::add_one(n)
    }
}
