//! A client that sends exactly the bytes it is told to and reads what comes.

use std::{net::SocketAddr, time::Duration};

use anyhow::{Context, Result, bail};
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::TcpStream,
    time::timeout,
};

/// When nothing has come for so long, nothing will.
const PATIENCE: Duration = Duration::from_secs(30);

pub struct Client {
    stream: BufReader<TcpStream>,
}

#[derive(Debug)]
pub struct Reply {
    pub status: u16,
    /// In lower case, with the first value of each.
    headers: Vec<(String, String)>,
    pub body: String,
}

impl Reply {
    pub fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(known, _)| known == name);
        found.map(|(_, value)| value.as_str())
    }

    /// In lower case; a name for each value.
    pub fn header_names(&self) -> impl Iterator<Item = &str> {
        self.headers.iter().map(|(name, _)| name.as_str())
    }

    pub fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.body).unwrap_or_else(|_| panic!("no JSON: {self:?}"))
    }

    /// Checks that it is a problem with this status and something in its detail.
    pub fn is_problem(&self, status: u16, says: &str) {
        assert_eq!(self.status, status, "{self:?}");
        assert_eq!(
            self.header("content-type"),
            Some("application/problem+json"),
            "{self:?}"
        );
        let problem = self.json();
        assert_eq!(problem["status"], status);
        for key in ["type", "title", "detail"] {
            assert!(problem[key].is_string(), "{problem}");
        }
        let detail = problem["detail"].as_str().unwrap_or_default();
        assert!(detail.contains(says), "{detail} does not say {says}");
    }
}

impl Client {
    pub async fn connect(address: SocketAddr) -> Result<Self> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        Ok(Self {
            stream: BufReader::new(stream),
        })
    }

    pub async fn send(&mut self, bytes: &[u8]) -> Result<()> {
        self.stream.get_mut().write_all(bytes).await?;
        Ok(())
    }

    pub async fn get(&mut self, path: &str) -> Result<Reply> {
        self.request("GET", path, "", b"").await
    }

    /// `headers` end with `\r\n` each.
    pub async fn request(
        &mut self,
        method: &str,
        path: &str,
        headers: &str,
        body: &[u8],
    ) -> Result<Reply> {
        let length = match body.len() {
            0 => String::new(),
            length => format!("content-length: {length}\r\n"),
        };
        let head = format!("{method} {path} HTTP/1.1\r\nhost: test\r\n{length}{headers}\r\n");
        self.send(head.as_bytes()).await?;
        self.send(body).await?;
        self.reply(method == "HEAD").await
    }

    pub async fn reply(&mut self, without_body: bool) -> Result<Reply> {
        let mut reply = self.head().await?;
        if without_body {
            return Ok(reply);
        }
        let mut body = Vec::new();
        if reply.header("transfer-encoding") == Some("chunked") {
            while let Some(chunk) = self.chunk().await? {
                body.extend(chunk);
            }
        } else if let Some(length) = reply.header("content-length") {
            body.resize(length.parse()?, 0);
            timeout(PATIENCE, self.stream.read_exact(&mut body)).await??;
        }
        reply.body = String::from_utf8(body)?;
        Ok(reply)
    }

    pub async fn head(&mut self) -> Result<Reply> {
        let status = self.line().await?;
        let status = (status.split(' ').nth(1)).with_context(|| format!("no status: {status}"))?;
        let mut reply = Reply {
            status: status.parse()?,
            headers: Vec::new(),
            body: String::new(),
        };
        loop {
            let line = self.line().await?;
            if line.is_empty() {
                return Ok(reply);
            }
            let (name, value) = line.split_once(':').context("a header")?;
            let header = (name.to_ascii_lowercase(), value.trim().to_owned());
            reply.headers.push(header);
        }
    }

    /// The next piece of a chunked body; none at its end.
    pub async fn chunk(&mut self) -> Result<Option<Vec<u8>>> {
        let length = usize::from_str_radix(&self.line().await?, 16)?;
        let mut chunk = vec![0; length + 2];
        timeout(PATIENCE, self.stream.read_exact(&mut chunk)).await??;
        chunk.truncate(length);
        Ok((length > 0).then_some(chunk))
    }

    /// Waits until the server closes, ignoring what it still says.
    pub async fn closed(&mut self) -> Result<()> {
        let mut rest = Vec::new();
        let read = timeout(PATIENCE, self.stream.read_to_end(&mut rest)).await;
        // A reset is a way of closing too.
        read.map(drop).context("the server does not close")
    }

    async fn line(&mut self) -> Result<String> {
        let mut line = String::new();
        let read = timeout(PATIENCE, self.stream.read_line(&mut line)).await??;
        if read == 0 {
            bail!("the server has closed");
        }
        Ok(line.trim_end().to_owned())
    }
}
