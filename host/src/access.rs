//! Who calls, and what they may do: identities behind bearer tokens, from files of the
//! operator's.
//!
//! **Invariant:** the host knows digests of tokens, never a token; what it logs and answers
//! has names and scopes only.

mod file;
#[cfg(test)]
mod tests;
mod tokens;

use std::{collections::BTreeSet, fmt, str::FromStr, sync::Arc};

pub use tokens::{Tokens, TokensError};

use crate::workflow::{GROUP, GroupName, IdentityName};

/// Who may call this host.
#[derive(Debug, Clone, Default)]
pub enum Access {
    /// Anybody, for anything. The host knows nobody by name.
    #[default]
    Open,
    /// Whoever has one of these tokens.
    Tokens(Arc<Tokens>),
}

impl Access {
    /// Who calls, if they may do what needs this scope; none where the host knows nobody.
    pub fn allow(
        &self,
        authorization: Option<&str>,
        scope: &Scope,
    ) -> Result<Option<Arc<Identity>>, Denied> {
        let Self::Tokens(tokens) = self else {
            return Ok(None);
        };
        let identity = tokens.who(authorization)?;
        if !identity.has(scope) {
            return Err(Denied::Lacks {
                name: identity.name.clone(),
                scope: scope.clone(),
            });
        }
        Ok(Some(identity))
    }
}

/// Who a token says is calling: a person or a program.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// Unique among the tokens of a host.
    pub name: IdentityName,
    /// What it may do, and the groups that it is in.
    pub scopes: BTreeSet<Scope>,
}

impl Identity {
    /// May it do what needs this scope?
    pub fn has(&self, scope: &Scope) -> bool {
        self.scopes.contains(scope)
    }

    /// The groups that it is in.
    pub fn groups(&self) -> impl Iterator<Item = &GroupName> {
        self.scopes.iter().filter_map(|scope| match scope {
            Scope::Group(group) => Some(group),
            _ => None,
        })
    }
}

/// What a token is good for. None includes another.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Scope {
    /// Whatever is only read, checked or planned.
    Read,
    /// Executions start, also as reruns.
    Start,
    /// Executions are cancelled, paused and resumed.
    Control,
    /// Checkpoints are decided, where they let this identity.
    Review,
    /// Definitions are stored, also from templates.
    Define,
    /// The engine is called by a program that speaks for its own callers.
    Engine,
    /// Nothing by itself: definitions name groups as reviewers.
    Group(GroupName),
}

/// The scopes that are not groups, with their names.
const NAMED: [(&str, Scope); 6] = [
    ("read", Scope::Read),
    ("start", Scope::Start),
    ("control", Scope::Control),
    ("review", Scope::Review),
    ("define", Scope::Define),
    ("engine", Scope::Engine),
];

/// Whoever asks, where a name is asked for: nobody is called so.
pub const ME: &str = "me";

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Self::Group(group) = self {
            return write!(f, "{GROUP}{group}");
        }
        let named = NAMED.iter().find(|(_, scope)| scope == self);
        f.write_str(named.map_or("", |(name, _)| name))
    }
}

/// Why a text is no scope.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a scope: use read, start, control, review, define, engine or group:NAME")]
pub struct ScopeError(String);

impl FromStr for Scope {
    type Err = ScopeError;

    fn from_str(text: &str) -> Result<Self, ScopeError> {
        let group = text.strip_prefix(GROUP).map(str::parse);
        let found = match group {
            Some(group) => group.ok().map(Self::Group),
            None => (NAMED.iter().find(|(name, _)| *name == text)).map(|(_, scope)| scope.clone()),
        };
        // Enough of it to find the place.
        found.ok_or_else(|| ScopeError(text.chars().take(80).collect()))
    }
}

/// Why somebody is not let in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// There is no `Authorization`.
    #[error("no bearer token was given")]
    Missing,
    /// It is not `Bearer` and a token.
    #[error("authorization is not of the form `Bearer TOKEN`")]
    NotBearer,
    /// Nobody has this token.
    #[error("bearer token is not valid")]
    Unknown,
}

/// Why a call is not allowed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Denied {
    /// Nobody knows who calls.
    #[error(transparent)]
    Refused(#[from] Refused),
    /// The token is good, but not for this.
    #[error("this needs the scope {scope}, which the token of {name} does not have")]
    Lacks {
        /// Whose token.
        name: IdentityName,
        /// What it would need.
        scope: Scope,
    },
}
