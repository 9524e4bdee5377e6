//! What engines have in common that are servers.

use std::{
    fs::File,
    net::{Ipv4Addr, SocketAddr, TcpListener},
    path::Path,
    process::{Command, Stdio},
    thread::sleep,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail};

use crate::{cleanup::ChildGuard, shell::last_lines};

/// Longest start, until the first execution has succeeded.
const START_TIMEOUT: Duration = Duration::from_mins(1);

/// How often to try meanwhile.
const POLL: Duration = Duration::from_millis(100);

/// Starts a process; what it says goes to `log`.
pub fn spawn(command: &mut Command, log: &Path) -> Result<ChildGuard> {
    let output = File::create(log).with_context(|| format!("make {}", log.display()))?;
    command
        .stdin(Stdio::null())
        .stdout(output.try_clone()?)
        .stderr(output);
    let program = command.get_program().to_owned();
    ChildGuard::spawn(command).with_context(|| format!("start {}", program.display()))
}

/// Waits for something that happens as a server starts, which says in `log` why it does not.
pub fn until(server: &ChildGuard, log: &Path, done: impl Fn() -> bool) -> Result<()> {
    let started = Instant::now();
    while !done() {
        if let Some(status) = server.child().try_wait()? {
            bail!("it ended at its start: {status}\n{}", last_lines(log));
        }
        if started.elapsed() > START_TIMEOUT {
            let seconds = START_TIMEOUT.as_secs();
            bail!("not ready after {seconds} s\n{}", last_lines(log));
        }
        sleep(POLL);
    }
    Ok(())
}

/// Addresses that nobody listens on; none of them twice.
pub fn free_addresses<const COUNT: usize>() -> Result<[SocketAddr; COUNT]> {
    let listeners: Vec<_> = (0..COUNT)
        .map(|_| TcpListener::bind((Ipv4Addr::LOCALHOST, 0)))
        .collect::<Result<_, _>>()?;
    let addresses: Vec<_> = (listeners.iter())
        .map(TcpListener::local_addr)
        .collect::<Result<_, _>>()?;
    Ok(addresses
        .try_into()
        .expect("as many as there are listeners"))
}
