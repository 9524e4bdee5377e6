//! A host to talk to that may die at any moment, and is brought back then.

use std::{
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail};

use crate::{
    client::{CallError, Client},
    demo::sabotage::Saboteur,
    host::{Host, Setup, Start},
};

/// How long a host may say "not now" before that is an error of its own.
const UNAVAILABLE_MAX: Duration = Duration::from_secs(30);

/// Pause before asking again a host that said "not now".
const PAUSE: Duration = Duration::from_millis(20);

/// One host after another, on the same database.
pub struct Session {
    setup: Setup,
    host: Host,
    client: Client,
    saboteur: Option<Saboteur>,
}

impl Session {
    /// Starts the first host. Without a saboteur, a host that dies is an error.
    pub fn start(setup: Setup, mut saboteur: Option<Saboteur>) -> Result<Self> {
        let host = launch(&setup, saboteur.as_mut())?;
        Ok(Self {
            client: host.client(),
            setup,
            host,
            saboteur,
        })
    }

    /// Where the host at hand listens.
    pub fn base(&self) -> &str {
        self.host.base()
    }

    /// How many hosts have been killed.
    pub fn kills(&self) -> u32 {
        self.saboteur.as_ref().map_or(0, Saboteur::kills)
    }

    /// How many of them before they listened.
    pub fn kills_while_starting(&self) -> u32 {
        self.saboteur
            .as_ref()
            .map_or(0, Saboteur::kills_while_starting)
    }

    /// Makes a call that may be repeated, until it is answered.
    pub fn call<T>(&mut self, call: impl Fn(&Client) -> Result<T, CallError>) -> Result<T> {
        let started = Instant::now();
        loop {
            match call(&self.client) {
                Ok(answer) => return Ok(answer),
                Err(error) if error.is_passing() => self.recover(error, started)?,
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// Brings the host back after a call that failed; `since` is when the call began.
    pub fn recover(&mut self, error: CallError, since: Instant) -> Result<()> {
        let ended = self.host.ended()?;
        let Some(saboteur) = &mut self.saboteur else {
            let log = self.setup.log();
            let state = ended.map_or_else(|| "runs".to_owned(), |status| status.to_string());
            return Err(error).context(format!("the host ({state}) gives no answer; {log}"));
        };
        let Some(status) = ended else {
            if since.elapsed() > UNAVAILABLE_MAX {
                return Err(error).context("the host runs and does not answer");
            }
            thread::sleep(PAUSE);
            return Ok(());
        };
        if !saboteur.did(status) {
            bail!(
                "the host ended though nobody killed it: {status}; {}",
                self.setup.log()
            );
        }
        self.host = launch(&self.setup, Some(saboteur))?;
        self.client = self.host.client();
        Ok(())
    }

    /// Waits until the host ends by itself.
    pub fn wait(&self) -> Result<()> {
        self.host.wait().map(|_| ())
    }

    /// Ends the host.
    pub fn stop(self) -> Result<()> {
        let Some(saboteur) = &self.saboteur else {
            return self.host.stop();
        };
        saboteur.disarm();
        // The last kill may have struck just now, with nobody asking the host anything since.
        let status = self.host.end()?;
        if !status.success() && !saboteur.did(status) {
            bail!("the host ended badly: {status}; {}", self.setup.log());
        }
        Ok(())
    }
}

/// Starts hosts until one lives long enough to listen.
fn launch(setup: &Setup, saboteur: Option<&mut Saboteur>) -> Result<Host> {
    let Some(saboteur) = saboteur else {
        return setup.start();
    };
    loop {
        match setup.launch(|guard| saboteur.light(guard.share()))? {
            Start::Listening(host) => return Ok(host),
            Start::Ended(status) if saboteur.did(status) => saboteur.note_start(),
            Start::Ended(status) => bail!("the host ended at its start: {status}\n{}", setup.log()),
        }
    }
}
