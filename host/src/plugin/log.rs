//! What a guest says: log calls, standard output and standard error, within the log limits.

use std::{
    collections::VecDeque,
    io,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll},
};

use bytes::Bytes;
use tokio::io::AsyncWrite;
use wasmtime_wasi::{
    cli::{IsTerminal, StdoutStream},
    p2::{OutputStream, Pollable, StreamError, StreamResult},
};

use super::{
    AttemptHost,
    limits::{Exceeded, Limits},
};
use crate::workflow::Level;

/// How much a guest may write to standard output or error at once: a page, as with a pipe.
const WRITE_BYTES_MAX: usize = 4096;

/// Longest line of standard output or error. What comes without line ends is cut here.
const LINE_BYTES_MAX: usize = 8 * 1024;

/// Lines of standard error kept for the failure message: a Rust panic writes two, a note
/// and an empty line.
const LAST_LINES: usize = 4;

/// The log of one call of a guest. Copies are of the same log.
#[derive(Clone)]
pub(super) struct Log(Arc<Mutex<State>>);

struct State {
    host: Arc<dyn AttemptHost>,
    limits: Limits,
    bytes: u64,
    lines: u64,
    exceeded: Option<Exceeded>,
    stdout: Vec<u8>,
    stderr: Vec<u8>,
    last_errors: VecDeque<String>,
}

/// Standard output (info) or standard error (warn) of a guest.
#[derive(Clone)]
struct Stream {
    log: Log,
    level: Level,
}

impl Log {
    pub(super) fn new(host: Arc<dyn AttemptHost>, limits: Limits) -> Self {
        Self(Arc::new(Mutex::new(State {
            host,
            limits,
            bytes: 0,
            lines: 0,
            exceeded: None,
            stdout: Vec::new(),
            stderr: Vec::new(),
            last_errors: VecDeque::new(),
        })))
    }

    /// Standard output, line by line at level info.
    pub(super) fn stdout(&self) -> impl StdoutStream + 'static {
        Stream {
            log: self.clone(),
            level: Level::Info,
        }
    }

    /// Standard error, line by line at level warn.
    pub(super) fn stderr(&self) -> impl StdoutStream + 'static {
        Stream {
            log: self.clone(),
            level: Level::Warn,
        }
    }

    /// Logs one message.
    pub(super) fn message(&self, level: Level, message: String) -> Result<(), Exceeded> {
        self.state().message(level, message)
    }

    /// Logs what is left of a last line without an end.
    pub(super) fn finish(&self) {
        let mut state = self.state();
        for level in [Level::Info, Level::Warn] {
            // Whatever does not fit any more is recorded in `exceeded`.
            let _ = state.line(level);
        }
    }

    /// The log limit that the guest ran into, if it did.
    pub(super) fn exceeded(&self) -> Option<Exceeded> {
        self.state().exceeded
    }

    /// The last thing that went wrong according to standard error: what a panic says with
    /// its place, else the last line.
    pub(super) fn last_error(&self) -> Option<String> {
        let state = self.state();
        let lines = &state.last_errors;
        let panic = lines
            .iter()
            .rposition(|line| line.contains("panicked at "))
            .and_then(|at| {
                let (_, place) = lines[at].split_once("panicked at ")?;
                let message = lines.get(at + 1).map_or("", String::as_str);
                Some(
                    format!("panicked at {place} {message}")
                        .trim_end()
                        .to_owned(),
                )
            });
        panic.or_else(|| lines.back().cloned())
    }

    fn write(&self, level: Level, bytes: &[u8]) -> Result<(), Exceeded> {
        self.state().write(level, bytes)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn message(&mut self, level: Level, message: String) -> Result<(), Exceeded> {
        self.bytes += u64::try_from(message.len()).unwrap_or(u64::MAX);
        self.lines += 1;
        if self.bytes > self.limits.log_bytes {
            self.exceeded = Some(Exceeded::LogBytes(self.limits.log_bytes));
        } else if self.lines > self.limits.log_lines {
            self.exceeded = Some(Exceeded::LogLines(self.limits.log_lines));
        }
        if let Some(exceeded) = self.exceeded {
            return Err(exceeded);
        }
        self.host.log(level, message);
        Ok(())
    }

    fn write(&mut self, level: Level, mut bytes: &[u8]) -> Result<(), Exceeded> {
        while let Some(end) = bytes.iter().position(|&byte| byte == b'\n') {
            self.buffer(level).extend_from_slice(&bytes[..end]);
            self.line(level)?;
            bytes = &bytes[end + 1..];
        }
        self.buffer(level).extend_from_slice(bytes);
        if self.buffer(level).len() >= LINE_BYTES_MAX {
            self.line(level)?;
        }
        Ok(())
    }

    fn line(&mut self, level: Level) -> Result<(), Exceeded> {
        let line = std::mem::take(self.buffer(level));
        let line = String::from_utf8_lossy(&line);
        let line = line.trim_end();
        if line.is_empty() {
            return Ok(());
        }
        if level == Level::Warn && !line.starts_with("note: ") {
            if self.last_errors.len() == LAST_LINES {
                self.last_errors.pop_front();
            }
            self.last_errors.push_back(line.to_owned());
        }
        self.message(level, line.to_owned())
    }

    fn buffer(&mut self, level: Level) -> &mut Vec<u8> {
        match level {
            Level::Warn => &mut self.stderr,
            _ => &mut self.stdout,
        }
    }
}

impl IsTerminal for Stream {
    fn is_terminal(&self) -> bool {
        false
    }
}

impl StdoutStream for Stream {
    fn p2_stream(&self) -> Box<dyn OutputStream> {
        Box::new(self.clone())
    }

    fn async_stream(&self) -> Box<dyn AsyncWrite + Send + Sync> {
        Box::new(self.clone())
    }
}

#[async_trait::async_trait]
impl Pollable for Stream {
    async fn ready(&mut self) {}
}

impl OutputStream for Stream {
    fn write(&mut self, bytes: Bytes) -> StreamResult<()> {
        self.log
            .write(self.level, &bytes)
            .map_err(|exceeded| StreamError::Trap(exceeded.into()))
    }

    fn flush(&mut self) -> StreamResult<()> {
        Ok(())
    }

    fn check_write(&mut self) -> StreamResult<usize> {
        Ok(WRITE_BYTES_MAX)
    }
}

impl AsyncWrite for Stream {
    fn poll_write(
        self: Pin<&mut Self>,
        _cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = self.log.write(self.level, bytes);
        Poll::Ready(written.map(|()| bytes.len()).map_err(io::Error::other))
    }

    fn poll_flush(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plugin::component::Nobody;

    fn log(log_bytes: u64, log_lines: u64) -> Log {
        let limits = Limits {
            log_bytes,
            log_lines,
            ..Limits::default()
        };
        Log::new(Arc::new(Nobody), limits)
    }

    #[test]
    fn ends_at_either_limit() {
        let bytes = log(10, 100);
        assert_eq!(bytes.message(Level::Info, "12345".into()), Ok(()));
        let exceeded = Exceeded::LogBytes(10);
        assert_eq!(bytes.write(Level::Info, b"123456\n"), Err(exceeded));
        assert_eq!(bytes.exceeded(), Some(exceeded));

        let lines = log(100, 2);
        let exceeded = Exceeded::LogLines(2);
        assert_eq!(lines.write(Level::Info, b"1\n2\n3\n"), Err(exceeded));
    }

    #[test]
    fn a_line_without_an_end_is_cut() {
        let log = log(1 << 20, 2);
        let piece = vec![b'x'; LINE_BYTES_MAX];
        assert_eq!(log.write(Level::Info, &piece), Ok(()));
        assert_eq!(log.write(Level::Info, &piece), Ok(()));
        assert_eq!(log.write(Level::Info, &piece), Err(Exceeded::LogLines(2)));
    }

    #[test]
    fn the_last_error_is_the_panic_with_its_place() {
        let log = log(1 << 20, 100);
        log.write(Level::Warn, b"careful\n").unwrap();
        assert_eq!(log.last_error().as_deref(), Some("careful"));
        let panic = b"\nthread '<unnamed>' (1) panicked at src/lib.rs:7:9:\nno way\n\
            note: run with `RUST_BACKTRACE=1` environment variable to display a backtrace\n";
        log.write(Level::Warn, panic).unwrap();
        assert_eq!(
            log.last_error().as_deref(),
            Some("panicked at src/lib.rs:7:9: no way")
        );
    }
}
