//! Micro-benchmarks: how long one thing takes by criterion, and how many instructions by callgrind.
//!
//! `shapes` are definitions, `run` takes an execution of one from its start to its end, `cases` are
//! what to repeat of the pure core: it needs nothing but the processor. `store` needs a disk, `phases`
//! and `endpoints` the components that `cargo xtask build` makes.
//!
//! Arguments are those of criterion, and `count`: alone it lists the cases of the pure core, with the
//! name of one it does that once in the function [`counted`] and says how many events, nodes or
//! templates that was. Callgrind collects what happens in that function.
//!
//! **Invariant:** a case does the same every time, and fails loudly when it does not succeed.
#![forbid(unsafe_code)]

mod cases;
mod run;
mod shapes;

mod endpoints;
mod phases;
mod store;

use std::{env, path::PathBuf};

use cases::CASES;
use criterion::{Criterion, Throughput};
use phasewright::{app::EVALUATOR, plugin::SandboxConfig};

/// The allocator of the host, which here keeps what is freed for a while.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() {
    let mut arguments = env::args().skip(1);
    if arguments.next().as_deref() == Some("count") {
        return match arguments.next() {
            Some(name) => count(&name),
            None => list(),
        };
    }
    let mut criterion = Criterion::default().configure_from_args();
    core(&mut criterion);
    store::bench(&mut criterion);
    phases::bench(&mut criterion);
    endpoints::bench(&mut criterion);
    criterion.final_summary();
}

fn core(criterion: &mut Criterion) {
    for case in CASES {
        let work = (case.prepare)();
        let mut group = criterion.benchmark_group(case.group);
        group.throughput(Throughput::Elements(work.count));
        group.bench_function(case.name, |bencher| bencher.iter(&work.run));
    }
}

fn list() {
    for case in CASES {
        println!("{}/{}", case.group, case.name);
    }
}

fn count(name: &str) {
    let mut cases = CASES.iter();
    let case = cases.find(|case| name == format!("{}/{}", case.group, case.name));
    let work = (case.expect("a name from the list").prepare)();
    // What is only done the first time is not what counts.
    (work.run)();
    counted(&work.run);
    println!("{}", work.count);
}

/// What callgrind is told to look at.
#[inline(never)]
fn counted(run: &dyn Fn()) {
    run();
    // Were this a tail call, there would be no way back that callgrind could see.
    std::hint::black_box(());
}

/// Where the checkout is, with what was built in it.
fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// The phases that ship, and those for tests.
fn sandbox() -> SandboxConfig {
    let folders = ["target/phases", "target/test-phases"].map(|folder| root().join(folder));
    SandboxConfig::new(folders.into(), root().join(EVALUATOR))
}
