//! Who may decide at a checkpoint.

use std::{collections::BTreeSet, fmt, str::FromStr};

use serde::{Deserialize, Serialize};

use super::{GroupName, IdError, IdentityName};

/// What a reviewer or a scope begins with that is a group.
pub const GROUP: &str = "group:";

/// Somebody whom a definition lets decide.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Reviewer {
    /// By name.
    Identity(IdentityName),
    /// Everybody in a group.
    Group(GroupName),
}

impl fmt::Display for Reviewer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Identity(name) => name.fmt(f),
            Self::Group(name) => write!(f, "{GROUP}{name}"),
        }
    }
}

impl FromStr for Reviewer {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        match text.strip_prefix(GROUP) {
            Some(group) => Ok(Self::Group(group.parse()?)),
            None => Ok(Self::Identity(text.parse()?)),
        }
    }
}

impl TryFrom<String> for Reviewer {
    type Error = IdError;
    fn try_from(text: String) -> Result<Self, IdError> {
        text.parse()
    }
}

impl From<Reviewer> for String {
    fn from(reviewer: Reviewer) -> Self {
        reviewer.to_string()
    }
}

/// Somebody who decides, as far as a checkpoint asks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Decider {
    /// Who.
    pub name: IdentityName,
    /// The groups that they are in.
    pub groups: BTreeSet<GroupName>,
}

/// Whom a checkpoint lets decide.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Audience {
    /// These only; anybody when there are none.
    pub reviewers: Vec<Reviewer>,
    /// Also who started the execution?
    pub allow_starter: bool,
}

impl Default for Audience {
    /// Anybody.
    fn default() -> Self {
        Self {
            reviewers: Vec::new(),
            allow_starter: true,
        }
    }
}

impl Audience {
    /// Does it not matter who decides?
    pub fn is_anybody(&self) -> bool {
        self.reviewers.is_empty() && self.allow_starter
    }

    /// May this one decide in an execution that `starter` has started? Whoever is not known by
    /// name may where anybody may; and where the starter may not, there has to be one.
    pub fn admit(
        &self,
        starter: Option<&IdentityName>,
        decider: Option<&Decider>,
    ) -> Result<(), Denial> {
        if self.is_anybody() {
            return Ok(());
        }
        let Some(decider) = decider else {
            return Err(Denial::Nameless(self.clone()));
        };
        let is_meant = |reviewer: &Reviewer| match reviewer {
            Reviewer::Identity(name) => *name == decider.name,
            Reviewer::Group(group) => decider.groups.contains(group),
        };
        if !self.reviewers.is_empty() && !self.reviewers.iter().any(is_meant) {
            return Err(Denial::NotMeant(self.clone(), decider.name.clone()));
        }
        match starter {
            _ if self.allow_starter => Ok(()),
            None => Err(Denial::NoStarter),
            Some(starter) if *starter == decider.name => Err(Denial::Starter(starter.clone())),
            Some(_) => Ok(()),
        }
    }
}

/// After "this checkpoint is".
impl fmt::Display for Audience {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<_> = self.reviewers.iter().map(ToString::to_string).collect();
        match (names.is_empty(), self.allow_starter) {
            (true, true) => f.write_str("for anybody"),
            (true, false) => f.write_str("not for who started the execution"),
            (false, true) => write!(f, "for {}", names.join(" or ")),
            (false, false) => write!(
                f,
                "for {}, but not for who started the execution",
                names.join(" or ")
            ),
        }
    }
}

/// Why somebody may not decide.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Denial {
    /// It matters who decides, and nobody knows who this is.
    #[error("this checkpoint is {0}, and this host knows nobody by name: start it with --tokens")]
    Nameless(Audience),
    /// It is for others.
    #[error("this checkpoint is {0}; you are {1}")]
    NotMeant(Audience, IdentityName),
    /// It is for anybody but them.
    #[error("this checkpoint is not for who started the execution; you are {0}, who did")]
    Starter(IdentityName),
    /// It is for anybody but somebody whom nobody knows.
    #[error(
        "this checkpoint is not for who started the execution, and nobody knows who did: its \
         host had no --tokens then; run it again"
    )]
    NoStarter,
}

#[cfg(test)]
mod tests {
    use proptest::{collection::btree_set, option, prelude::*};

    use super::*;

    fn reviewers(names: &[&str]) -> Vec<Reviewer> {
        names.iter().map(|name| name.parse().unwrap()).collect()
    }

    fn decider(name: &str, groups: &BTreeSet<String>) -> Decider {
        Decider {
            name: name.parse().unwrap(),
            groups: groups.iter().map(|group| group.parse().unwrap()).collect(),
        }
    }

    proptest! {
        #[test]
        fn who_is_meant_may_decide_unless_they_started_it(
            names in btree_set("(group:)?[abc]", 0..4),
            allow_starter: bool,
            starter in option::of("[abc]"),
            who in option::of(("[abc]", btree_set("[abc]", 0..3))),
        ) {
            let names: Vec<_> = names.iter().map(String::as_str).collect();
            let audience = Audience { reviewers: reviewers(&names), allow_starter };
            let starter_name = starter.as_ref().map(|name| name.parse().unwrap());
            let somebody = who.as_ref().map(|(name, groups)| decider(name, groups));
            let result = audience.admit(starter_name.as_ref(), somebody.as_ref());
            // The rule once more, in words of its own.
            let expected = match &who {
                None => names.is_empty() && allow_starter,
                Some((name, groups)) => {
                    let is_named = names.contains(&name.as_str())
                        || groups.iter().any(|group| names.contains(&format!("group:{group}").as_str()));
                    let is_other = starter.as_ref().is_some_and(|starter| starter != name);
                    (names.is_empty() || is_named) && (allow_starter || is_other)
                }
            };
            prop_assert_eq!(result.is_ok(), expected, "{:?}", result);
        }

        #[test]
        fn a_reviewer_reads_what_it_prints(text in "(group:)?[A-Za-z0-9_.@-]{1,64}") {
            prop_assert_eq!(text.parse::<Reviewer>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn a_denial_says_what_is_asked() {
        let both = Audience {
            reviewers: reviewers(&["group:finance", "alice"]),
            allow_starter: false,
        };
        let bob = decider("bob", &BTreeSet::new());
        let alice = decider("alice", &BTreeSet::new());
        let said = |audience: &Audience, starter, decider| {
            let denial = audience.admit(starter, decider).unwrap_err();
            denial.to_string()
        };
        let one = Audience {
            allow_starter: true,
            ..both.clone()
        };
        assert_eq!(
            said(&one, None, Some(&bob)),
            "this checkpoint is for group:finance or alice; you are bob"
        );
        assert_eq!(
            said(&both, Some(&alice.name), Some(&alice)),
            "this checkpoint is not for who started the execution; you are alice, who did"
        );
        assert!(said(&both, None, Some(&alice)).contains("nobody knows who did"));
        assert_eq!(
            said(&both, None, None),
            "this checkpoint is for group:finance or alice, but not for who started the \
             execution, and this host knows nobody by name: start it with --tokens"
        );
    }
}
