//! A load generator: each client is a thread with one connection, and HTTP/1.1 by hand, because a
//! client for every purpose would take a fifth of these processors from the host.

use std::{
    fmt,
    io::{self, BufRead, BufReader, Read, Write},
    net::TcpStream,
    sync::{
        Barrier,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, anyhow, bail};
use rustix::net::sockopt::set_tcp_quickack;

/// Longest wait for one answer.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(75);

/// A request to make again and again.
pub struct Call {
    /// `GET` or `POST`.
    pub method: &'static str,
    /// The path.
    pub path: String,
    /// Headers beside those that every request has.
    pub headers: Vec<(&'static str, &'static str)>,
    /// A JSON document, or nothing.
    pub body: String,
    /// What the body of every answer has in it.
    pub expects: &'static str,
}

/// What clients did together.
pub struct Run {
    /// How long each call took.
    pub times: Vec<Duration>,
    /// How long all of them took together.
    pub took: Duration,
}

impl Run {
    /// Calls a second.
    #[expect(
        clippy::cast_precision_loss,
        reason = "a count of calls is far below 2^52"
    )]
    pub fn per_second(&self) -> f64 {
        self.times.len() as f64 / self.took.as_secs_f64()
    }
}

/// Lets so many clients call for so long. An answer other than expected ends it.
pub fn run(base: &str, call: &Call, clients: usize, time: Duration) -> Result<Run> {
    let request = Request::new(base, call.method, &call.path, &call.headers, &call.body)?;
    let (request, expects) = (&request, call.expects);
    each(clients, time, || {
        let mut connection = Connection::new(base)?;
        Ok(move || connection.call(request, expects).map(drop))
    })
}

/// Lets so many clients work for so long: each begins by itself, and then does again and again what
/// that gave.
pub fn each<W>(clients: usize, time: Duration, begin: impl Fn() -> Result<W> + Sync) -> Result<Run>
where
    W: FnMut() -> Result<()>,
{
    let start = Barrier::new(clients + 1);
    thread::scope(|scope| {
        let client = || {
            let work = begin();
            start.wait();
            let (mut work, started) = (work?, Instant::now());
            let mut times = Vec::new();
            while started.elapsed() < time {
                let one = Instant::now();
                work()?;
                times.push(one.elapsed());
            }
            Ok::<_, anyhow::Error>(times)
        };
        let threads: Vec<_> = (0..clients).map(|_| scope.spawn(client)).collect();
        start.wait();
        let started = Instant::now();
        let mut times = Vec::new();
        for thread in threads {
            let client = thread.join().map_err(|_| anyhow!("a client panicked"))?;
            times.extend(client?);
        }
        Ok(Run {
            times,
            took: started.elapsed(),
        })
    })
}

impl Call {
    /// Reads what is at a path.
    pub fn get(path: &str, expects: &'static str) -> Self {
        Self {
            method: "GET",
            path: path.to_owned(),
            headers: Vec::new(),
            body: String::new(),
            expects,
        }
    }
}

/// Lets clients call for so long, while others make another call.
pub fn run_beside(
    base: &str,
    (call, clients): (&Call, usize),
    (other, others): (&Call, usize),
    time: Duration,
) -> Result<Run> {
    thread::scope(|scope| {
        let others = scope.spawn(|| run(base, other, others, time));
        let measured = run(base, call, clients, time);
        others.join().map_err(|_| anyhow!("a client panicked"))??;
        measured
    })
}

/// Lets clients do something so often together: each begins by itself, and takes its share.
pub fn share<W>(count: usize, clients: usize, begin: impl Fn() -> Result<W> + Sync) -> Result<()>
where
    W: FnMut() -> Result<()>,
{
    let left = AtomicUsize::new(count);
    let client = || {
        let mut work = begin()?;
        let take = |left: usize| left.checked_sub(1);
        while left.fetch_update(Relaxed, Relaxed, take).is_ok() {
            work()?;
        }
        Ok(())
    };
    thread::scope(|scope| {
        let threads: Vec<_> = (0..clients).map(|_| scope.spawn(client)).collect();
        let mut results = threads.into_iter().map(thread::ScopedJoinHandle::join);
        results.try_for_each(|result| result.map_err(|_| anyhow!("a client panicked"))?)
    })
}

/// A request as it is sent.
pub struct Request(String);

impl Request {
    /// To the host at `base`.
    pub fn new(
        base: &str,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &str,
    ) -> Result<Self> {
        let headers = headers.iter();
        let headers: Vec<_> = headers
            .map(|(name, value)| format!("{name}: {value}\r\n"))
            .collect();
        let content = if body.is_empty() {
            String::new()
        } else {
            let length = body.len();
            format!("content-type: application/json\r\ncontent-length: {length}\r\n")
        };
        Ok(Self(format!(
            "{method} {path} HTTP/1.1\r\nhost: {}\r\n{}{content}\r\n{body}",
            address(base)?,
            headers.concat(),
        )))
    }
}

fn address(base: &str) -> Result<&str> {
    base.strip_prefix("http://")
        .context("the host is not at http://")
}

/// A connection that is kept.
pub struct Connection {
    base: String,
    stream: BufReader<TcpStream>,
    line: String,
    body: Vec<u8>,
}

impl Connection {
    /// To the host at `base`.
    pub fn new(base: &str) -> Result<Self> {
        let stream = TcpStream::connect(address(base)?).context("connect")?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(ANSWER_TIMEOUT))?;
        Ok(Self {
            base: base.to_owned(),
            stream: BufReader::new(stream),
            line: String::new(),
            body: Vec::new(),
        })
    }

    /// Makes a request and sends it, as [`Connection::call`] does.
    pub fn send(&mut self, method: &str, path: &str, body: &str, expects: &str) -> Result<&str> {
        let request = Request::new(&self.base, method, path, &[], body)?;
        self.call(&request, expects)
    }

    /// Sends a request; the answer has to be a good one, and to have in it what is expected.
    pub fn call(&mut self, request: &Request, expects: &str) -> Result<&str> {
        self.stream.get_mut().write_all(request.0.as_bytes())?;
        let status = self.read_answer().map_err(given_up)?;
        let body = std::str::from_utf8(&self.body).context("the answer is no text")?;
        if !(200..300).contains(&status) || !body.contains(expects) {
            bail!("answered {status}: {body}");
        }
        Ok(body)
    }

    /// Reads an answer; gives its status and leaves its body in `body`.
    fn read_answer(&mut self) -> Result<u16> {
        self.body.clear();
        let status = self.read_line()?.split(' ').nth(1);
        let status = status.and_then(|status| status.parse().ok());
        let status = status.context("the answer has no status")?;
        let mut length = None;
        let mut is_chunked = false;
        loop {
            let line = self.read_line()?;
            if line.is_empty() {
                break;
            }
            let (name, value) = line.split_once(':').context("a header has no colon")?;
            if name.eq_ignore_ascii_case("content-length") {
                length = Some(value.trim().parse().context("the length is no number")?);
            } else if name.eq_ignore_ascii_case("transfer-encoding") {
                is_chunked = value.trim().eq_ignore_ascii_case("chunked");
            }
        }
        match (length, is_chunked) {
            (Some(length), false) => self.read_bytes(length)?,
            (_, true) => self.read_chunks()?,
            (None, false) => bail!("the answer has neither a length nor chunks"),
        }
        Ok(status)
    }

    fn read_chunks(&mut self) -> Result<()> {
        // Without TCP_NODELAY, the rest waits until the head is acknowledged: 40 ms otherwise.
        set_tcp_quickack(self.stream.get_ref(), true)?;
        loop {
            let size = self.read_line()?;
            let size = usize::from_str_radix(size, 16).context("a chunk has no size")?;
            self.read_bytes(size)?;
            // The end of the chunk, or of the body.
            self.read_line()?;
            if size == 0 {
                return Ok(());
            }
        }
    }

    fn read_bytes(&mut self, count: usize) -> Result<()> {
        let end = self.body.len();
        self.body.resize(end + count, 0);
        self.stream.read_exact(&mut self.body[end..])?;
        Ok(())
    }

    fn read_line(&mut self) -> Result<&str> {
        self.line.clear();
        if self.stream.read_line(&mut self.line)? == 0 {
            bail!("the host closed the connection");
        }
        Ok(self.line.trim_end())
    }
}

/// Says it where the answer did not come in time.
fn given_up(error: anyhow::Error) -> anyhow::Error {
    if error.downcast_ref().map(io::Error::kind) == Some(io::ErrorKind::WouldBlock) {
        return anyhow!("given up: no answer in {} s", ANSWER_TIMEOUT.as_secs());
    }
    error
}

/// Times, in order.
pub struct Measured(Vec<Duration>);

impl Measured {
    /// At least one.
    pub fn of(mut times: Vec<Duration>) -> Self {
        times.sort();
        Self(times)
    }

    /// The time that this share of calls, 0 to 1, stayed within.
    pub fn at(&self, share: f64) -> Duration {
        #[expect(
            clippy::cast_precision_loss,
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "an index into memory is far below 2^52, and the share is not negative"
        )]
        let index = (self.0.len() as f64 * share) as usize;
        let last = self.0.len().saturating_sub(1);
        self.0.get(index.min(last)).copied().unwrap_or_default()
    }

    /// Half of the calls stayed within this.
    pub fn median(&self) -> Duration {
        self.at(0.5)
    }
}

impl fmt::Display for Measured {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "median {}, 90 % {}, 99 % {}, slowest {} of {}",
            ms(self.median()),
            ms(self.at(0.9)),
            ms(self.at(0.99)),
            ms(self.at(1.0)),
            self.0.len()
        )
    }
}

/// `1.234 ms`
pub fn ms(time: Duration) -> String {
    format!("{:.3} ms", time.as_secs_f64() * 1000.0)
}

/// Milliseconds, to the microsecond.
pub fn rounded_ms(time: Duration) -> f64 {
    (time.as_secs_f64() * 1e6).round() / 1e3
}

#[cfg(test)]
mod tests {
    use std::{
        io::{Read, Write},
        net::TcpListener,
        sync::atomic::{AtomicUsize, Ordering::Relaxed},
        thread,
        time::Duration,
    };

    use super::{Call, Measured, run, share};

    const PLAIN: &str = "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\ndone";
    const CHUNKED: &str =
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\ndo\r\n2\r\nne\r\n0\r\n\r\n";

    /// Answers every read on every connection with `answer`.
    fn server(answer: &'static str) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        thread::spawn(move || {
            for stream in listener.incoming() {
                let mut stream = stream.unwrap();
                thread::spawn(move || {
                    let mut bytes = [0; 4096];
                    while stream.read(&mut bytes).is_ok_and(|count| count > 0) {
                        stream.write_all(answer.as_bytes()).unwrap();
                    }
                });
            }
        });
        base
    }

    fn call() -> Call {
        Call {
            method: "POST",
            path: "/".into(),
            headers: vec![("prefer", "wait")],
            body: "{}".into(),
            expects: "done",
        }
    }

    #[test]
    fn answers_are_counted_and_checked() {
        for answer in [PLAIN, CHUNKED] {
            let run = run(&server(answer), &call(), 2, Duration::from_millis(50)).unwrap();
            assert!(run.per_second() > 10.0);
        }
        let bad = "HTTP/1.1 404 Not Found\r\ncontent-length: 4\r\n\r\ndone";
        assert!(run(&server(bad), &call(), 1, Duration::from_millis(50)).is_err());
        let other = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nno";
        assert!(run(&server(other), &call(), 1, Duration::from_millis(50)).is_err());
    }

    #[test]
    fn work_is_shared() {
        let count = AtomicUsize::new(0);
        let begin = || {
            Ok(|| {
                count.fetch_add(1, Relaxed);
                Ok(())
            })
        };
        share(100, 3, begin).unwrap();
        assert_eq!(count.into_inner(), 100);
        assert!(share(1, 3, || Ok(|| anyhow::bail!("no"))).is_err());
    }

    #[test]
    fn times_are_ranked() {
        let measured = Measured::of((1..=100).rev().map(Duration::from_millis).collect());
        assert_eq!(measured.median(), Duration::from_millis(51));
        assert_eq!(measured.at(1.0), Duration::from_millis(100));
        assert_eq!(Measured::of(Vec::new()).median(), Duration::ZERO);
    }
}
