//! Ids and names: parsed once, printed one way.

use std::{fmt, str::FromStr, sync::Arc};

use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// Longest id or name, in bytes: it stays readable in a URL, a log line and an index.
pub const ID_BYTES_MAX: usize = 64;

/// Why a text is no id.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum IdError {
    /// Workflow or node id.
    #[error("{0:?} is not an id: use 1 to {ID_BYTES_MAX} letters, digits, '_' or '-'")]
    Name(String),
    /// Phase name.
    #[error("{0:?} is not a phase name: use 1 to {ID_BYTES_MAX} lower-case letters, digits or '-'")]
    Phase(String),
    /// Name of an identity or a group.
    #[error("{0:?} is not a name: use 1 to {ID_BYTES_MAX} letters, digits, '_', '-', '.' or '@'")]
    Identity(String),
    /// Execution or checkpoint id.
    #[error("{0:?} is not a UUID")]
    Uuid(String),
    /// SHA-256 digest.
    #[error("{0:?} is not a SHA-256 digest of 64 hexadecimal digits")]
    Digest(String),
}

/// At most this much of a bad text is repeated in the error about it.
fn excerpt(text: &str) -> String {
    text.chars().take(ID_BYTES_MAX + 8).collect()
}

fn is_within(text: &str, allowed: fn(u8) -> bool) -> bool {
    (1..=ID_BYTES_MAX).contains(&text.len()) && text.bytes().all(allowed)
}

macro_rules! name_type {
    ($(#[$doc:meta])* $name:ident, $allowed:expr, $error:path) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(Arc<str>);

        impl $name {
            /// The text of it.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $name {
            type Err = IdError;
            fn from_str(text: &str) -> Result<Self, IdError> {
                if is_within(text, $allowed) {
                    Ok(Self(text.into()))
                } else {
                    Err($error(excerpt(text)))
                }
            }
        }

        impl TryFrom<String> for $name {
            type Error = IdError;
            fn try_from(text: String) -> Result<Self, IdError> {
                text.parse()
            }
        }

        impl From<$name> for String {
            fn from(name: $name) -> Self {
                name.as_str().to_owned()
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

name_type!(
    /// Id of a workflow; its definitions are versions of it.
    WorkflowId,
    |byte| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-',
    IdError::Name
);
name_type!(
    /// Id of a node within a definition.
    NodeId,
    |byte| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-',
    IdError::Name
);
name_type!(
    /// Name of a phase in the catalog.
    PhaseName,
    |byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-',
    IdError::Phase
);
name_type!(
    /// Name of whoever calls: a person or a program.
    IdentityName,
    is_of_a_name,
    IdError::Identity
);
name_type!(
    /// Name of a group of identities.
    GroupName,
    is_of_a_name,
    IdError::Identity
);

/// Addresses of mail are names, too. A colon would make one look like a group.
fn is_of_a_name(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"_-.@".contains(&byte)
}

macro_rules! uuid_type {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub Uuid);

        impl FromStr for $name {
            type Err = IdError;
            fn from_str(text: &str) -> Result<Self, IdError> {
                Uuid::try_parse(text)
                    .map(Self)
                    .map_err(|_| IdError::Uuid(excerpt(text)))
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
    };
}

uuid_type!(
    /// Id of an execution: a `UUIDv7`, so that ids sort by creation.
    ExecutionId
);
uuid_type!(
    /// Id of a checkpoint: a `UUIDv8` made from its execution, node and round,
    /// so that it needs no randomness.
    CheckpointId
);

/// Version of a definition: 1, 2, 3, … per workflow.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Version(pub u32);

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// SHA-256 of some bytes, printed as 64 hexadecimal digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Digest(pub [u8; 32]);

impl Digest {
    /// The digest of these bytes.
    pub fn of(bytes: &[u8]) -> Self {
        use sha2::Digest as _;
        Self(sha2::Sha256::digest(bytes).into())
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl FromStr for Digest {
    type Err = IdError;
    fn from_str(text: &str) -> Result<Self, IdError> {
        let error = || IdError::Digest(excerpt(text));
        if text.len() != 64 || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Err(error());
        }
        let mut digest = [0; 32];
        for (byte, pair) in digest.iter_mut().zip(text.as_bytes().chunks_exact(2)) {
            let pair = std::str::from_utf8(pair).map_err(|_| error())?;
            *byte = u8::from_str_radix(pair, 16).map_err(|_| error())?;
        }
        Ok(Self(digest))
    }
}

impl TryFrom<String> for Digest {
    type Error = IdError;
    fn try_from(text: String) -> Result<Self, IdError> {
        text.parse()
    }
}

impl From<Digest> for String {
    fn from(digest: Digest) -> Self {
        digest.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_keep_their_alphabet_and_length() {
        assert!("delay_triage-2".parse::<WorkflowId>().is_ok());
        for bad in ["", "a b", "ä", "a/b", &"x".repeat(65)] {
            assert!(bad.parse::<NodeId>().is_err(), "{bad:?}");
        }
        assert!("Csv".parse::<PhaseName>().is_err());
        assert!("csv-parse".parse::<PhaseName>().is_ok());
        assert!("ann.lee@example.com".parse::<IdentityName>().is_ok());
        assert!("group:finance".parse::<IdentityName>().is_err());
    }

    #[test]
    fn a_digest_reads_what_it_prints() {
        let digest = Digest::of(b"phasewright");
        assert_eq!(digest.to_string().parse::<Digest>(), Ok(digest));
        assert!("xyz".parse::<Digest>().is_err());
        assert!("+f".repeat(32).parse::<Digest>().is_err());
    }
}
