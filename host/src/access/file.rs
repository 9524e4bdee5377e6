//! The file of tokens, and everything that is wrong with it.
//!
//! ```toml
//! [[token]]
//! name = "alice"
//! sha256 = "…"                  # of the token; a list while one replaces another
//! scopes = ["read", "review", "group:finance"]
//! ```

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    fmt,
    ops::Range,
    str::FromStr,
    sync::Arc,
};

use toml::{
    Spanned,
    de::{DeTable, DeValue},
};

use super::{Identity, ME, Scope, tokens::Table};
use crate::workflow::{Digest, IdentityName};

/// Groups of one identity at most: its inbox is looked up group by group.
const GROUPS_MAX: usize = 50;

/// Tokens of one identity at most. Two are enough to replace one by another.
const DIGESTS_MAX: usize = 10;

/// Something wrong with the file.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Mistake {
    /// In which line, from 1.
    pub line: usize,
    /// What, and which rule holds.
    pub message: String,
}

impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}: {}", self.line, self.message)
    }
}

/// The identities in this text, or all that is wrong with it: also scopes beside the only one that
/// it is about, if there is such.
pub(super) fn parse(text: &str, only: Option<&Scope>) -> Result<Table, Vec<Mistake>> {
    let mut reader = Reader {
        text,
        only,
        place: String::new(),
        mistakes: Vec::new(),
    };
    let (document, errors) = DeTable::parse_recoverable(text);
    for error in errors {
        reader.wrong(&error.span().unwrap_or_default(), error.message());
    }
    let mut table = Table::default();
    // What is half understood is not looked into.
    if reader.mistakes.is_empty() {
        reader.document(document.get_ref(), &mut table);
    }
    let mut mistakes = reader.mistakes;
    if mistakes.is_empty() {
        return Ok(table);
    }
    mistakes.sort();
    Err(mistakes)
}

struct Reader<'t> {
    text: &'t str,
    only: Option<&'t Scope>,
    /// What messages begin with.
    place: String,
    mistakes: Vec<Mistake>,
}

/// Something with its place in the text.
type Value<'t> = Spanned<DeValue<'t>>;

impl Reader<'_> {
    fn document(&mut self, document: &DeTable<'_>, table: &mut Table) {
        for (key, _) in document {
            if key.get_ref() != "token" {
                let message = format!("{:?} is nothing here; use [[token]]", key.get_ref());
                self.wrong(&key.span(), message);
            }
        }
        let entries = document.get("token");
        let list = entries.and_then(|entries| entries.get_ref().as_array());
        let Some(list) = list.filter(|list| !list.is_empty()) else {
            let at = entries.map(Spanned::span).unwrap_or_default();
            return self.wrong(&at, "there must be at least one [[token]]");
        };
        let mut names = BTreeMap::new();
        let mut digests = HashMap::new();
        for (number, entry) in (1..).zip(list.iter()) {
            self.place = format!("token {number}: ");
            let Some(fields) = entry.get_ref().as_table() else {
                self.wrong(&entry.span(), "must be a table: [[token]]");
                continue;
            };
            let (name, tokens, scopes) = self.entry(entry, fields);
            let line = self.line(&entry.span());
            if let Some((name, at)) = &name
                && let Some(first) = names.insert(name.clone(), line)
            {
                let message =
                    format!("{name} is in line {first} already; give one entry a list as `sha256`");
                self.wrong(at, message);
            }
            for (digest, at) in &tokens {
                let line = self.line(at);
                if let Some(first) = digests.insert(*digest, line) {
                    let message = format!("the digest is in line {first} already");
                    self.wrong(at, message);
                }
            }
            if let Some((name, _)) = name {
                let identity = Arc::new(Identity { name, scopes });
                (table.by_name).insert(identity.name.clone(), identity.clone());
                let tokens = tokens.into_iter();
                (table.by_digest).extend(tokens.map(|(digest, _)| (digest, identity.clone())));
            }
        }
    }

    #[expect(clippy::type_complexity, reason = "the parts of an entry, used once")]
    fn entry(
        &mut self,
        entry: &Value<'_>,
        fields: &DeTable<'_>,
    ) -> (
        Option<(IdentityName, Range<usize>)>,
        Vec<(Digest, Range<usize>)>,
        BTreeSet<Scope>,
    ) {
        for (key, _) in fields {
            if !["name", "sha256", "scopes"].contains(&&**key.get_ref()) {
                let message = format!(
                    "{:?} is not a field; the fields are name, sha256 and scopes",
                    key.get_ref()
                );
                self.wrong(&key.span(), message);
            }
        }
        let mut field = |name: &str| {
            let value = fields.get(name);
            if value.is_none() {
                self.wrong(&entry.span(), format!("{name} is missing"));
            }
            value
        };
        let [name, tokens, scopes] = ["name", "sha256", "scopes"].map(&mut field);
        let name = name.and_then(|name| {
            let parsed: IdentityName = self.parsed(name, "name")?;
            if parsed.as_str() == ME {
                self.wrong(&name.span(), "me is nobody's name: it is whoever asks");
            }
            Some((parsed, name.span()))
        });
        let tokens = tokens.map(|tokens| self.digests(tokens));
        let scopes = scopes.map(|scopes| self.scopes(scopes));
        (name, tokens.unwrap_or_default(), scopes.unwrap_or_default())
    }

    fn digests(&mut self, value: &Value<'_>) -> Vec<(Digest, Range<usize>)> {
        let values = match value.get_ref() {
            DeValue::Array(values) => &**values,
            _ => std::slice::from_ref(value),
        };
        if !(1..=DIGESTS_MAX).contains(&values.len()) {
            let message = format!("sha256 must have 1 to {DIGESTS_MAX} digests");
            self.wrong(&value.span(), message);
        }
        let mut digests = Vec::new();
        for value in values {
            if let Some(Ok(digest)) = value.get_ref().as_str().map(str::parse) {
                digests.push((digest, value.span()));
            } else {
                // What stands there may be the token itself: it is not repeated.
                let rule =
                    "sha256 must be the SHA-256 digest of the token, as 64 hexadecimal digits";
                self.wrong(&value.span(), rule);
            }
        }
        digests
    }

    fn scopes(&mut self, value: &Value<'_>) -> BTreeSet<Scope> {
        let mut scopes = BTreeSet::new();
        let Some(values) = value.get_ref().as_array() else {
            self.wrong(&value.span(), "scopes must be a list");
            return scopes;
        };
        if values.is_empty() {
            self.wrong(&value.span(), "scopes must have at least one");
        }
        for value in values {
            let Some(scope) = self.parsed::<Scope>(value, "a scope") else {
                continue;
            };
            if let Some(only) = self.only.filter(|only| **only != scope) {
                let message = format!("the scope {scope} is for nothing here: use {only}");
                self.wrong(&value.span(), message);
            }
            if !scopes.insert(scope) {
                self.wrong(&value.span(), "the scope is there twice");
            }
        }
        let is_group = |scope: &&Scope| matches!(scope, Scope::Group(_));
        if scopes.iter().filter(is_group).count() > GROUPS_MAX {
            let message = format!("scopes must have at most {GROUPS_MAX} groups");
            self.wrong(&value.span(), message);
        }
        scopes
    }

    fn parsed<T: FromStr<Err: fmt::Display>>(
        &mut self,
        value: &Value<'_>,
        what: &str,
    ) -> Option<T> {
        let Some(text) = value.get_ref().as_str() else {
            self.wrong(&value.span(), format!("{what} must be a string"));
            return None;
        };
        let parsed = text.parse();
        parsed
            .map_err(|error| self.wrong(&value.span(), format!("{error}")))
            .ok()
    }

    fn wrong(&mut self, at: &Range<usize>, message: impl AsRef<str>) {
        let mistake = Mistake {
            line: self.line(at),
            message: format!("{}{}", self.place, message.as_ref()),
        };
        self.mistakes.push(mistake);
    }

    fn line(&self, at: &Range<usize>) -> usize {
        let before = self.text.get(..at.start).unwrap_or_default();
        1 + before.matches('\n').count()
    }
}
