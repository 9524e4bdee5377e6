//! A way to a server that can be cut, as networks are.

use std::{
    io::{self, Read, Write},
    net::{Shutdown, SocketAddr, TcpListener, TcpStream},
    sync::{
        Arc, Condvar, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    thread,
};

/// Passes connections on to a server until it is told otherwise. It ends when it is dropped.
#[derive(Debug)]
pub struct Proxy {
    address: SocketAddr,
    url: String,
    line: Arc<Line>,
}

/// What all connections share.
#[derive(Debug, Default)]
struct Line {
    is_cut: Mutex<bool>,
    healed: Condvar,
    swallows: AtomicBool,
    is_over: AtomicBool,
}

/// Bytes passed on at a time.
const CHUNK_BYTES: usize = 64 * 1024;

impl Proxy {
    /// A way to the database at this URL, which names host and port.
    pub fn to(url: &str) -> io::Result<Self> {
        let invalid = || io::Error::new(io::ErrorKind::InvalidInput, "the URL names no address");
        let (head, rest) = url.split_once('@').ok_or_else(invalid)?;
        let (server, path) = rest.split_once('/').ok_or_else(invalid)?;
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let address = listener.local_addr()?;
        let line = Arc::new(Line::default());
        let (server, shared) = (server.to_owned(), line.clone());
        thread::spawn(move || accept(&listener, &server, &shared));
        Ok(Self {
            address,
            url: format!("{head}@{address}/{path}"),
            line,
        })
    }

    /// The URL of the database by this way.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// From now on nothing gets through, and nobody is told.
    pub fn cut(&self) {
        *self.line.lock() = true;
    }

    /// Everything gets through again, what was held up first.
    pub fn heal(&self) {
        *self.line.lock() = false;
        self.line.healed.notify_all();
    }

    /// The next answer of the server is lost, and the connection that it was for breaks.
    pub fn swallow_next_answer(&self) {
        self.line.swallows.store(true, Ordering::SeqCst);
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.line.is_over.store(true, Ordering::SeqCst);
        self.heal();
        // Wakes the thread that accepts.
        let _ = TcpStream::connect(self.address);
    }
}

impl Line {
    fn lock(&self) -> std::sync::MutexGuard<'_, bool> {
        self.is_cut.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits while the line is cut.
    fn pass(&self) {
        let is_cut = self.lock();
        let waited = self.healed.wait_while(is_cut, |is_cut| *is_cut);
        drop(waited.unwrap_or_else(PoisonError::into_inner));
    }
}

fn accept(listener: &TcpListener, server: &str, line: &Arc<Line>) {
    for client in listener.incoming().flatten() {
        if line.is_over.load(Ordering::SeqCst) {
            return;
        }
        let (Ok(server), Ok(to_client)) = (TcpStream::connect(server), client.try_clone()) else {
            continue;
        };
        let Ok(from_server) = server.try_clone() else {
            continue;
        };
        let (asks, answers) = (line.clone(), line.clone());
        thread::spawn(move || pump(client, server, &asks, false));
        thread::spawn(move || pump(from_server, to_client, &answers, true));
    }
}

/// Passes bytes on until one side ends; then both do.
fn pump(mut from: TcpStream, mut to: TcpStream, line: &Line, is_answer: bool) {
    let mut bytes = vec![0; CHUNK_BYTES];
    while let Ok(count @ 1..) = from.read(&mut bytes) {
        line.pass();
        let is_lost = is_answer && line.swallows.swap(false, Ordering::SeqCst);
        if is_lost || to.write_all(&bytes[..count]).is_err() {
            break;
        }
    }
    let _ = from.shutdown(Shutdown::Both);
    let _ = to.shutdown(Shutdown::Both);
}
