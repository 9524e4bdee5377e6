//! The hosts that may be asked, and what they want to see.

use std::{
    cell::Cell,
    hash::{BuildHasher, Hasher, RandomState},
};

use spin_sdk::variables;

use crate::bindings::types::Error;

/// Addresses of engine APIs, separated by commas: `http://10.0.0.1:8081,http://10.0.0.2:8081`.
const URLS: &str = "engine_url";

/// The token that opens them.
const TOKEN: &str = "engine_token";

/// Addresses that end so lead nowhere (RFC 2606): what a manifest says for an engine that there is not.
const NOWHERE: &str = ".invalid";

thread_local! {
    /// The engine that is asked first: the one that answered last. Instances begin with any, so that
    /// all engines are asked alike.
    static FIRST: Cell<usize> = Cell::new(anything());
}

/// What there is to ask.
pub struct Engines {
    urls: Vec<String>,
    /// A bearer token.
    pub token: String,
}

impl Engines {
    /// Looks into the variables each time, so that new ones count from now on.
    pub async fn look_up() -> Result<Self, Error> {
        let urls = addresses(&variable(URLS).await?);
        if urls.is_empty() {
            return Err(Error::Unavailable(format!("the variable {URLS} is empty")));
        }
        Ok(Self {
            urls,
            token: variable(TOKEN).await?,
        })
    }

    /// Which engines to try, with their numbers: each once, but the only one twice.
    pub fn in_turn(&self) -> impl Iterator<Item = (usize, &str)> {
        let count = self.urls.len();
        let first = FIRST.get() % count;
        let turns = (first..first + count.max(2)).map(move |turn| turn % count);
        turns.map(|number| (number, self.urls[number].as_str()))
    }
}

/// This engine answers.
pub fn prefer(number: usize) {
    FIRST.set(number);
}

async fn variable(name: &str) -> Result<String, Error> {
    let value = variables::get(name).await;
    value.map_err(|error| Error::Unavailable(format!("the variable {name} is not there: {error}")))
}

fn addresses(list: &str) -> Vec<String> {
    let mut urls = Vec::new();
    for url in list.split(',').map(|url| url.trim().trim_end_matches('/')) {
        let host = url.rsplit_once("://").map_or(url, |(_, host)| host);
        let name = host.rsplit_once(':').map_or(host, |(name, _)| name);
        if !url.is_empty() && !name.ends_with(NOWHERE) && !urls.iter().any(|known| known == url) {
            urls.push(url.to_owned());
        }
    }
    urls
}

#[expect(clippy::cast_possible_truncation, reason = "any number will do")]
fn anything() -> usize {
    RandomState::new().build_hasher().finish() as usize
}

#[cfg(test)]
mod tests {
    use super::{Engines, addresses, prefer};

    #[test]
    fn addresses_are_separated_by_commas() {
        for (list, urls) in [
            ("http://a:1", &["http://a:1"][..]),
            (
                " http://a:1/ ,https://b, http://a:1",
                &["http://a:1", "https://b"],
            ),
            ("http://a:1,http://none.invalid", &["http://a:1"]),
            ("http://none.invalid:80, ", &[]),
        ] {
            assert_eq!(addresses(list), urls, "{list}");
        }
    }

    #[test]
    fn each_has_its_turn_and_the_only_one_two() {
        let turns = |list: &str| {
            let engines = Engines {
                urls: addresses(list),
                token: String::new(),
            };
            let turns = engines.in_turn();
            turns.map(|(number, _)| number).collect::<Vec<_>>()
        };
        prefer(1);
        assert_eq!(turns("http://a,http://b,http://c"), [1, 2, 0]);
        assert_eq!(turns("http://a"), [0, 0]);
    }
}
