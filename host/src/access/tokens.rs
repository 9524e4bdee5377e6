//! The tokens of a host: read from a file, and again when it changes.

use std::{
    collections::{BTreeMap, HashMap},
    fs::File,
    io::{self, Read},
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError, RwLock},
    time::Duration,
};

use tracing::{error, info};

use super::{
    Identity, Refused, Scope,
    file::{self, Mistake},
};
use crate::workflow::{Digest, IdentityName};

/// How often to look whether the file has changed: a token that is taken back works no longer
/// than this.
const REFRESH_INTERVAL: Duration = Duration::from_secs(2);

/// Largest file: thousands of tokens. It is read whole, over and over.
const FILE_BYTES_MAX: u64 = 1 << 20;

/// Why a file of tokens cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum TokensError {
    /// It cannot be read.
    #[error("read {}: {error}", file.display())]
    Read {
        /// Which file.
        file: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// Something in it is wrong.
    #[error("{}: {}", file.display(), mistakes.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n  "))]
    Wrong {
        /// Which file.
        file: PathBuf,
        /// All that is.
        mistakes: Vec<Mistake>,
    },
}

/// Whoever has a token for this host.
#[derive(Debug)]
pub struct Tokens {
    file: PathBuf,
    /// What they all have to be for, and nothing else.
    only: Option<Scope>,
    /// What was in the file when it was last looked at, good or not.
    seen: Mutex<Digest>,
    table: RwLock<Arc<Table>>,
}

/// Identities by the digests of their tokens, and by name.
#[derive(Debug, Default)]
pub(super) struct Table {
    pub(super) by_digest: HashMap<Digest, Arc<Identity>>,
    pub(super) by_name: BTreeMap<IdentityName, Arc<Identity>>,
}

impl Tokens {
    /// Reads the file.
    pub fn open(file: &Path) -> Result<Self, TokensError> {
        Self::load(file, None)
    }

    /// Reads a file in which no token is good for anything but this.
    pub fn open_only(file: &Path, scope: Scope) -> Result<Self, TokensError> {
        Self::load(file, Some(scope))
    }

    fn load(file: &Path, only: Option<Scope>) -> Result<Self, TokensError> {
        let content = read(file);
        let seen = fingerprint(&content);
        Ok(Self {
            table: RwLock::new(Arc::new(parse(file, content, only.as_ref())?)),
            seen: Mutex::new(seen),
            file: file.to_owned(),
            only,
        })
    }

    /// Who has the token in this `Authorization` header.
    ///
    /// Tokens are looked up by their digests. How long that takes says at most something about
    /// the digest of what was tried, from which nobody can work towards the digest of a token,
    /// let alone the token: a comparison in constant time would add nothing.
    pub fn who(&self, authorization: Option<&str>) -> Result<Arc<Identity>, Refused> {
        let given = authorization.ok_or(Refused::Missing)?;
        let (scheme, token) = given.trim().split_once(' ').ok_or(Refused::NotBearer)?;
        if !scheme.eq_ignore_ascii_case("bearer") {
            return Err(Refused::NotBearer);
        }
        let digest = Digest::of(token.trim_start().as_bytes());
        let table = self.table();
        (table.by_digest.get(&digest).cloned()).ok_or(Refused::Unknown)
    }

    /// Whoever has this name.
    pub fn named(&self, name: &IdentityName) -> Option<Arc<Identity>> {
        self.table().by_name.get(name).cloned()
    }

    /// How many identities there are.
    pub fn count(&self) -> usize {
        self.table().by_name.len()
    }

    /// Reads the file again whenever it has changed, for ever.
    pub async fn watch(self: Arc<Self>) {
        loop {
            tokio::time::sleep(REFRESH_INTERVAL).await;
            let tokens = self.clone();
            // It ends before the runtime does; nothing is lost if not.
            let _ = tokio::task::spawn_blocking(move || tokens.refresh()).await;
        }
    }

    /// Reads the file again if it has changed. What is wrong with it is logged, and the tokens
    /// stay as they were: an edit that failed must lock nobody out.
    pub(super) fn refresh(&self) {
        let content = read(&self.file);
        let found = fingerprint(&content);
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        if *seen == found {
            return;
        }
        *seen = found;
        match parse(&self.file, content, self.only.as_ref()) {
            Ok(table) => {
                let identities = table.by_name.len();
                *self.table.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(table);
                info!(identities, "read the tokens again");
            }
            Err(error) => error!(%error, "failed to read the tokens again; they stay as they were"),
        }
    }

    fn table(&self) -> Arc<Table> {
        let table = self.table.read().unwrap_or_else(PoisonError::into_inner);
        table.clone()
    }
}

fn read(file: &Path) -> io::Result<String> {
    let mut text = String::new();
    let mut content = File::open(file)?.take(FILE_BYTES_MAX + 1);
    content.read_to_string(&mut text)?;
    if text.len() as u64 > FILE_BYTES_MAX {
        let message = format!("it has more than {FILE_BYTES_MAX} bytes");
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, message));
    }
    Ok(text)
}

fn parse(
    file: &Path,
    content: io::Result<String>,
    only: Option<&Scope>,
) -> Result<Table, TokensError> {
    let text = content.map_err(|error| TokensError::Read {
        file: file.to_owned(),
        error,
    })?;
    file::parse(&text, only).map_err(|mistakes| TokensError::Wrong {
        file: file.to_owned(),
        mistakes,
    })
}

/// Tells one content from another, or one failure.
fn fingerprint(content: &io::Result<String>) -> Digest {
    match content {
        Ok(text) => Digest::of(text.as_bytes()),
        Err(error) => Digest::of(error.to_string().as_bytes()),
    }
}
