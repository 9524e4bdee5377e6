//! The `phasewright` binary.

use std::{
    io::{self, IsTerminal},
    process::ExitCode,
    time::Duration,
};

use tracing_subscriber::EnvFilter;

/// Many small allocations from several threads are what a host does all day.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// How often free memory goes back to the system. The allocator looks for it only when it is asked
/// for more, so a host at rest would keep what its start took: half of what it has.
const COLLECT_INTERVAL: Duration = Duration::from_secs(10);

/// How many milliseconds a thread keeps what it has freed before that goes back to the system:
/// `mi_option_purge_delay` in `mimalloc.h`, which the bindings do not name. The allocator looks
/// whether they are over only when it is asked for something, which threads that sleep do not do.
/// Giving it back at once costs nothing that a benchmark shows (docs/performance.md).
const PURGE_DELAY: (libmimalloc_sys::mi_option_t, std::ffi::c_long) = (15, 0);

fn main() -> ExitCode {
    // SAFETY: it sets a number. That of the environment, `MIMALLOC_PURGE_DELAY`, counts more.
    unsafe { libmimalloc_sys::mi_option_set_default(PURGE_DELAY.0, PURGE_DELAY.1) };
    let filter =
        EnvFilter::try_from_env("PHASEWRIGHT_LOG").unwrap_or_else(|_| EnvFilter::new("info"));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(io::stderr)
        .with_ansi(io::stderr().is_terminal())
        .init();
    let runtime = match tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
    {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("error: failed to start: {error}");
            return ExitCode::FAILURE;
        }
    };
    runtime.spawn(collect());
    match runtime.block_on(phasewright::cli::run()) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Gives free memory back to the system, now and then.
async fn collect() {
    loop {
        tokio::time::sleep(COLLECT_INTERVAL).await;
        // SAFETY: it takes no pointer, and any thread may call it at any time.
        unsafe { libmimalloc_sys::mi_collect(true) };
    }
}
