//! The outside: a service that has effects, and counts them by idempotency key.

use std::{
    collections::HashMap,
    io::{self, BufRead, BufReader, Read, Write},
    net::{TcpListener, TcpStream},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    thread,
    time::{Duration, SystemTime},
};

use anyhow::{Context, Result};

/// Longest body of a request that is read.
const BODY_BYTES_MAX: u64 = 1 << 20;

/// Listens until this process ends.
pub struct Provider {
    base: String,
    effects: Arc<Mutex<Effects>>,
}

#[derive(Default)]
struct Effects {
    /// By execution, and by the rest of the key: node, item and round.
    by_execution: HashMap<String, HashMap<String, Effect>>,
    /// Requests without a key, which nobody can tell apart.
    anonymous: u64,
}

/// What was asked for under one key.
#[derive(Debug, Clone, Copy)]
pub struct Effect {
    /// Requests.
    pub count: u64,
    /// Those that got an answer, as far as this end can tell.
    pub answered: u64,
    /// When the last one came.
    pub last: SystemTime,
}

impl Provider {
    pub fn start() -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").context("listen for effects")?;
        let base = format!("http://{}", listener.local_addr()?);
        let effects = Arc::new(Mutex::new(Effects::default()));
        let shared = Arc::clone(&effects);
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let effects = Arc::clone(&shared);
                // A host that is killed breaks its connections, and that is the end of them.
                thread::spawn(move || serve(stream, &effects));
            }
        });
        Ok(Self { base, effects })
    }

    /// Where it listens.
    pub fn base(&self) -> &str {
        &self.base
    }

    /// All effects on behalf of an execution, by the rest of their keys.
    pub fn of(&self, execution: &str) -> HashMap<String, Effect> {
        let effects = lock(&self.effects);
        let of = effects.by_execution.get(execution);
        of.cloned().unwrap_or_default()
    }

    /// Requests, keys, and requests without a key.
    pub fn totals(&self) -> (u64, usize, u64) {
        let effects = lock(&self.effects);
        let all = || effects.by_execution.values().flat_map(HashMap::values);
        let requests = all().map(|effect| effect.count).sum();
        (requests, all().count(), effects.anonymous)
    }

    /// The executions on whose behalf there were effects.
    pub fn executions(&self) -> Vec<String> {
        let effects = lock(&self.effects);
        effects.by_execution.keys().cloned().collect()
    }
}

fn serve(stream: TcpStream, effects: &Mutex<Effects>) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let mut stream = BufReader::new(stream);
    while let Some(request) = Request::read(&mut stream)? {
        let count = note(effects, request.key.as_deref());
        match request.treatment() {
            Treatment::Answer(pause) => thread::sleep(pause),
            Treatment::HangUp(times) if count <= times => return Ok(()),
            Treatment::HangUp(_) => {}
        }
        let body = format!("{{\"count\":{count}}}");
        let length = body.len();
        write!(
            stream.get_mut(),
            "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\r\n{body}"
        )?;
        if let Some(key) = request.key.as_deref() {
            lock(effects).effect(key).answered += 1;
        }
    }
    Ok(())
}

/// Counts a request; gives how many there were of its key.
fn note(effects: &Mutex<Effects>, key: Option<&str>) -> u64 {
    let mut effects = lock(effects);
    let Some(key) = key else {
        effects.anonymous += 1;
        return 1;
    };
    let effect = effects.effect(key);
    effect.count += 1;
    effect.last = SystemTime::now();
    effect.count
}

impl Effects {
    fn effect(&mut self, key: &str) -> &mut Effect {
        let (execution, rest) = key.split_once(':').unwrap_or((key, ""));
        let of_execution = self.by_execution.entry(execution.to_owned()).or_default();
        of_execution.entry(rest.to_owned()).or_insert(Effect {
            count: 0,
            answered: 0,
            last: SystemTime::UNIX_EPOCH,
        })
    }
}

struct Request {
    path: String,
    key: Option<String>,
}

enum Treatment {
    Answer(Duration),
    HangUp(u64),
}

impl Request {
    /// None at the end of the connection.
    fn read(stream: &mut BufReader<TcpStream>) -> io::Result<Option<Self>> {
        let mut line = String::new();
        if stream.read_line(&mut line)? == 0 {
            return Ok(None);
        }
        let path = line.split(' ').nth(1).unwrap_or_default().to_owned();
        let (mut key, mut length, mut is_chunked) = (None, 0, false);
        loop {
            line.clear();
            if stream.read_line(&mut line)? == 0 {
                return Ok(None);
            }
            let Some((name, value)) = line.trim_end().split_once(':') else {
                break;
            };
            match name.to_ascii_lowercase().as_str() {
                "idempotency-key" => key = Some(value.trim().to_owned()),
                "content-length" => length = value.trim().parse().unwrap_or_default(),
                "transfer-encoding" => is_chunked = true,
                _ => {}
            }
        }
        if is_chunked {
            while skip_chunk(stream)? {}
        } else {
            skip(stream, length)?;
        }
        Ok(Some(Self { path, key }))
    }

    fn treatment(&self) -> Treatment {
        let mut words = self.path.trim_start_matches("/effect/").split('/');
        let (how, number) = (words.next().unwrap_or_default(), words.next());
        let number = number.and_then(|number| number.parse().ok()).unwrap_or(0);
        match how {
            "hang-up" => Treatment::HangUp(number),
            _ => Treatment::Answer(Duration::from_millis(number)),
        }
    }
}

/// Skips one chunk of a body; false after the last one.
fn skip_chunk(stream: &mut BufReader<TcpStream>) -> io::Result<bool> {
    let mut line = String::new();
    stream.read_line(&mut line)?;
    let size = u64::from_str_radix(line.trim(), 16).unwrap_or(0);
    skip(stream, size)?;
    stream.read_line(&mut line)?;
    Ok(size > 0)
}

fn skip(stream: &mut BufReader<TcpStream>, bytes: u64) -> io::Result<()> {
    let mut body = stream.take(bytes.min(BODY_BYTES_MAX));
    io::copy(&mut body, &mut io::sink()).map(|_| ())
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::{
        io::{Read, Write},
        net::TcpStream,
    };

    use super::Provider;

    /// What comes back on one connection for these bytes.
    fn ask(provider: &Provider, request: &str) -> String {
        let address = provider.base().strip_prefix("http://").unwrap();
        let mut stream = TcpStream::connect(address).unwrap();
        stream.write_all(request.as_bytes()).unwrap();
        stream.shutdown(std::net::Shutdown::Write).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    }

    #[test]
    fn effects_are_counted_by_key() {
        let provider = Provider::start().unwrap();
        let request = "POST /effect/slow/0 HTTP/1.1\r\nIdempotency-Key: e:n1#1\r\n\
                       transfer-encoding: chunked\r\n\r\n2\r\nab\r\n0\r\n\r\n";
        let answers = ask(&provider, &request.repeat(2));
        assert_eq!(answers.matches("200 OK").count(), 2, "{answers}");
        let effect = provider.of("e")["n1#1"];
        assert_eq!((effect.count, effect.answered), (2, 2));
        assert_eq!(provider.totals(), (2, 1, 0));
        ask(
            &provider,
            "GET /effect/slow/0 HTTP/1.1\r\ncontent-length: 1\r\n\r\na",
        );
        assert_eq!(provider.totals().2, 1);
    }

    #[test]
    fn it_hangs_up_so_often_and_no_more() {
        let provider = Provider::start().unwrap();
        let request = "GET /effect/hang-up/1 HTTP/1.1\r\nidempotency-key: e:n\r\n\r\n";
        assert_eq!(ask(&provider, request), "");
        assert!(ask(&provider, request).ends_with("{\"count\":2}"));
        assert_eq!(provider.of("e")["n"].answered, 1);
    }
}
