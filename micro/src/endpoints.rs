//! A request and its answer, over a socket, through the component of its route; one client, which waits.

use std::{
    cell::{LazyCell, RefCell},
    future,
    io::{BufRead, BufReader, Read, Write},
    net::{SocketAddr, TcpStream},
    sync::Arc,
};

use criterion::Criterion;
use phasewright::{
    access::Access,
    app::{App, Config},
    contract::Engine,
    endpoints::{self, Endpoints, Manifest},
    executor::Hosting,
    http::{self, Server},
};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::runtime::Runtime;

use crate::{root, sandbox};

pub fn bench(criterion: &mut Criterion) {
    let rig = LazyCell::new(Rig::open);
    let health: &dyn Fn() -> String = &|| "/health/live".to_owned();
    let finished: &dyn Fn() -> String = &|| rig.finished();
    let mut group = criterion.benchmark_group("request");
    for (name, path) in [("health", health), ("finished", finished)] {
        group.bench_function(name, |bencher| {
            let request = format!("GET {} HTTP/1.1\r\nhost: micro\r\n\r\n", path());
            let mut client = rig.client.borrow_mut();
            bencher.iter(|| client.call(&request));
        });
    }
}

/// A whole host in this process, and a client of it.
struct Rig {
    client: RefCell<Client>,
    _app: App,
    _runtime: Runtime,
    _folder: TempDir,
}

impl Rig {
    fn open() -> Self {
        let folder = tempfile::tempdir().expect("make a folder");
        let config = Config {
            database: format!("sqlite://{}", folder.path().join("micro.db").display()),
            hosting: Hosting::default(),
            sandbox: sandbox(),
            access: Access::Open,
        };
        let runtime = Runtime::new().expect("a runtime");
        let (app, address) = runtime.block_on(serve(config));
        Self {
            client: RefCell::new(Client::connect(address)),
            _app: app,
            _runtime: runtime,
            _folder: folder,
        }
    }

    /// The path of an execution that is over.
    fn finished(&self) -> String {
        let node = json!({"id": "node", "phase": "compute", "input": {"n": 1}});
        let definition = json!({"id": "micro", "nodes": [node]});
        let mut client = self.client.borrow_mut();
        client.send("PUT /api/workflows/micro", &definition);
        let start = "POST /api/workflows/micro/execute";
        let execution = client.send(start, &json!({"input": {}}));
        assert_eq!(execution["status"], "completed", "{execution}");
        let id = execution["execution_id"].as_str().expect("an id");
        format!("/api/executions/{id}")
    }
}

async fn serve(config: Config) -> (App, SocketAddr) {
    let app = App::open(config).await.expect("open an engine");
    let manifest = Manifest::read(&root().join("spin.toml")).expect("the application");
    let engine: Arc<dyn Engine> = app.service.clone();
    let limits = endpoints::Limits::default();
    let endpoints = Endpoints::load(&app.wasm, manifest, &engine, limits);
    let endpoints = Arc::new(endpoints.expect("components that `cargo xtask build` made"));
    let limits = http::Limits::default();
    let server = Server::bind("127.0.0.1:0", endpoints, app.connections.clone(), limits).await;
    let server = server.expect("listen");
    let address = server.address();
    tokio::spawn(server.serve(future::pending()));
    (app, address)
}

/// HTTP/1.1 by hand: a client for every purpose would take more time than what is measured.
struct Client {
    stream: BufReader<TcpStream>,
    line: String,
    body: Vec<u8>,
}

impl Client {
    fn connect(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).expect("connect");
        stream.set_nodelay(true).expect("set TCP_NODELAY");
        Self {
            stream: BufReader::new(stream),
            line: String::new(),
            body: Vec::new(),
        }
    }

    /// Sends a document, and waits until what it starts is over.
    fn send(&mut self, call: &str, document: &Value) -> Value {
        let document = document.to_string();
        let length = document.len();
        self.call(&format!(
            "{call} HTTP/1.1\r\nhost: micro\r\ncontent-type: application/json\r\nprefer: wait=60\r\n\
             content-length: {length}\r\n\r\n{document}"
        ));
        serde_json::from_slice(&self.body).expect("JSON")
    }

    /// Sends a request and reads the answer, which has to be a good one.
    fn call(&mut self, request: &str) {
        let stream = self.stream.get_mut();
        stream.write_all(request.as_bytes()).expect("send");
        self.read_line();
        assert!(self.line.starts_with("HTTP/1.1 20"), "{}", self.line);
        let mut length = None;
        while !self.line.trim().is_empty() {
            if let Some(value) = self.line.strip_prefix("content-length:") {
                length = value.trim().parse().ok();
            }
            self.read_line();
        }
        self.body.resize(length.expect("a length"), 0);
        self.stream.read_exact(&mut self.body).expect("a body");
    }

    fn read_line(&mut self) {
        self.line.clear();
        self.stream.read_line(&mut self.line).expect("a line");
    }
}
