//! Clients in the process of the engine, driven by JSON lines: the Rust half of the harness.
//!
//! A line on standard input is `{"workload", "clients", "seconds", "beside"}`, where `beside` is how
//! many clients run `chain3` meanwhile, or `{"start", "count"}`, of which workload to start how many
//! executions that nobody waits for; it is answered by one line, `{"micros", "took_micros"}` or
//! `{"error"}`. The first line says `{"ready": true}`.

use std::{
    cell::Cell,
    future::Future,
    io::{self, Write},
    time::{Duration, Instant},
};

use futures::{TryStreamExt, future::try_join_all, try_join};
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncBufReadExt, BufReader};

/// Clients that start what nobody waits for.
const STARTERS: usize = 16;

/// What is asked for.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
pub enum Asked {
    /// To let clients run executions.
    Run(Load),
    /// To start executions.
    Start {
        /// The name of a workload.
        start: String,
        /// How many.
        count: usize,
    },
}

/// Clients, and what they run for how long.
#[derive(Debug, Deserialize)]
pub struct Load {
    /// The name of a workload.
    pub workload: String,
    clients: usize,
    seconds: f64,
    beside: usize,
}

/// What is said.
#[derive(Debug, Serialize)]
#[serde(untagged)]
enum Said {
    Ready {
        ready: bool,
    },
    Ran {
        micros: Vec<u128>,
        took_micros: u128,
    },
    Failed {
        error: String,
    },
}

/// Answers until standard input ends. `run` does what is asked, in its own time.
pub async fn serve<R>(run: impl Fn(Asked) -> R) -> io::Result<()>
where
    R: Future<Output = Result<Ran, String>>,
{
    say(&Said::Ready { ready: true })?;
    let mut lines = BufReader::new(tokio::io::stdin()).lines();
    while let Some(line) = lines.next_line().await? {
        let ran = match serde_json::from_str(&line) {
            Ok(asked) => run(asked).await,
            Err(error) => Err(error.to_string()),
        };
        say(&match ran {
            Ok(Ran { times, took }) => Said::Ran {
                micros: times.iter().map(Duration::as_micros).collect(),
                took_micros: took.as_micros(),
            },
            Err(error) => Said::Failed { error },
        })?;
    }
    Ok(())
}

/// What clients did together.
pub struct Ran {
    times: Vec<Duration>,
    took: Duration,
}

/// Starts so many.
pub async fn start_many(
    count: usize,
    start: impl AsyncFn() -> Result<(), String>,
) -> Result<Ran, String> {
    let started = Instant::now();
    futures::stream::iter((0..count).map(Ok))
        .try_for_each_concurrent(STARTERS, |_| start())
        .await?;
    Ok(Ran {
        times: Vec::new(),
        took: started.elapsed(),
    })
}

impl Load {
    /// Each client makes the next call when its last is over; at least one each. Others run chains
    /// until the last of them is done.
    pub async fn run<C, N>(
        &self,
        call: impl Fn() -> C,
        chain: impl Fn() -> N,
    ) -> Result<Ran, String>
    where
        C: Future<Output = Result<(), String>> + Send + 'static,
        N: Future<Output = Result<(), String>> + Send + 'static,
    {
        let started = Instant::now();
        let time = Duration::from_secs_f64(self.seconds);
        let client = async || {
            let mut times = Vec::new();
            loop {
                let one = Instant::now();
                alone(call()).await?;
                times.push(one.elapsed());
                if started.elapsed() >= time {
                    return Ok::<_, String>(times);
                }
            }
        };
        let is_done = Cell::new(false);
        let clients = async {
            let times = try_join_all((0..self.clients).map(|_| client())).await?;
            is_done.set(true);
            Ok::<_, String>((times.concat(), started.elapsed()))
        };
        let neighbour = async || {
            while !is_done.get() {
                alone(chain()).await?;
            }
            Ok(())
        };
        let neighbours = try_join_all((0..self.beside).map(|_| neighbour()));
        let ((times, took), _) = try_join!(clients, neighbours)?;
        Ok(Ran { times, took })
    }
}

/// In a task of its own, so that clients are not all on one thread.
async fn alone<C>(call: C) -> Result<(), String>
where
    C: Future<Output = Result<(), String>> + Send + 'static,
{
    let called = tokio::spawn(call).await;
    called.map_err(|error| error.to_string())?
}

fn say(said: &Said) -> io::Result<()> {
    let mut output = io::stdout().lock();
    serde_json::to_writer(&mut output, said)?;
    output.write_all(b"\n")?;
    output.flush()
}
