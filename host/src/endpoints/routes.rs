//! Spin's route rules: exact paths, `:name` for one segment, a trailing `/...` for the
//! rest; of all the routes that match a path, the most specific one answers.
//!
//! The matching is routefinder's, which Spin uses too.

use std::fmt;

use routefinder::{Match, RouteSpec, Router, Segment};
use thiserror::Error;

/// A route that has been checked.
#[derive(Debug, Clone)]
pub struct Route {
    source: String,
    spec: RouteSpec,
}

/// Why a route is refused.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum RouteError {
    /// It is not of the form that Spin documents.
    #[error(
        "`{route}` {reason}; a route is `/` and segments of text or `:name`, `/...` may end it"
    )]
    Malformed {
        /// As written.
        route: String,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// Another route matches exactly the same paths.
    #[error("`{route}` matches the same paths as `{earlier}`; every route may be there once")]
    Duplicate {
        /// As written.
        route: String,
        /// The one before it.
        earlier: String,
    },
}

/// Which target answers which path.
pub struct Routes<T> {
    router: Router<Entry<T>>,
}

struct Entry<T> {
    source: String,
    target: T,
}

impl Route {
    /// Checks a route such as `/api/executions/:id/...`.
    pub fn parse(source: &str) -> Result<Self, RouteError> {
        let malformed = |reason| RouteError::Malformed {
            route: source.to_owned(),
            reason,
        };
        let Some(path) = source.strip_prefix('/') else {
            return Err(malformed("does not begin with a slash"));
        };
        let (exact, wildcard) = match path.strip_suffix("...") {
            Some("") => ("", true),
            Some(before) => match before.strip_suffix('/') {
                Some(before) => (before, true),
                None => return Err(malformed("has dots behind text")),
            },
            None => (path, false),
        };
        let segments: Vec<&str> = if exact.is_empty() {
            Vec::new()
        } else {
            exact.split('/').collect()
        };
        for (index, segment) in segments.iter().enumerate() {
            check_segment(segment, &segments[..index]).map_err(malformed)?;
        }
        // routefinder writes the wildcard as a star.
        let spec = format!("/{exact}{}", if wildcard { "/*" } else { "" });
        let spec = spec
            .parse()
            .map_err(|_| malformed("is not understood by the router"))?;
        Ok(Self {
            source: source.to_owned(),
            spec,
        })
    }
}

fn check_segment(segment: &str, before: &[&str]) -> Result<(), &'static str> {
    let is_text = |c: char| c.is_ascii_alphanumeric() || "-._~!$&'()+,;=@".contains(c);
    match segment.strip_prefix(':') {
        Some("") => Err("has a capture without a name"),
        Some(name)
            if !name
                .chars()
                .all(|c| c.is_ascii_alphanumeric() || "-_".contains(c)) =>
        {
            Err("has a capture with a name that is not letters, digits, `-` and `_`")
        }
        Some(_) if before.contains(&segment) => Err("has two captures of one name"),
        None if segment.is_empty() => Err("has an empty segment"),
        None if segment == "..." => Err("has `...` before its end"),
        None if segment == "." || segment == ".." => Err("has a dot segment, which never matches"),
        // A star would be a wildcard to routefinder, and escapes would never match.
        None if !segment.chars().all(is_text) => {
            Err("has a character that no path segment has unescaped")
        }
        Some(_) | None => Ok(()),
    }
}

impl<T> Routes<T> {
    /// Adds a route.
    pub fn add(&mut self, route: Route, target: T) -> Result<(), RouteError> {
        if let Some((_, earlier)) = (self.router.iter()).find(|(spec, _)| same(spec, &route.spec)) {
            return Err(RouteError::Duplicate {
                route: route.source,
                earlier: earlier.source.clone(),
            });
        }
        let entry = Entry {
            source: route.source,
            target,
        };
        let added: Result<(), std::convert::Infallible> = self.router.add(route.spec, entry);
        added.unwrap_or_else(|never| match never {});
        Ok(())
    }

    /// The target of the most specific route that matches `path` (without the query).
    pub fn find(&self, path: &str) -> Option<&T> {
        let found = self.router.match_iter(path).find(ends_at_a_slash)?;
        Some(&found.handler().target)
    }

    /// The targets, once for every route.
    pub fn targets(&self) -> impl Iterator<Item = &T> {
        self.router.iter().map(|(_, entry)| &entry.target)
    }

    /// The same routes with targets made from these.
    pub fn map<U>(self, mut make: impl FnMut(T) -> U) -> Routes<U> {
        let entries = self.router.into_iter().map(|(spec, entry)| {
            let source = entry.source;
            let target = make(entry.target);
            (spec, Entry { source, target })
        });
        Routes {
            router: entries.collect(),
        }
    }
}

/// To routefinder `/health/*` matches `/healthy` as well; nobody who writes `/health/...`
/// means that.
fn ends_at_a_slash<T>(found: &Match<'_, '_, Entry<T>>) -> bool {
    if found.route().segments().last() != Some(&Segment::Wildcard) {
        return true;
    }
    let captures = found.captures();
    let rest = captures.wildcard().unwrap_or_default();
    let path = found.path().trim_end_matches('/');
    rest.is_empty()
        || path
            .strip_suffix(rest)
            .is_some_and(|path| path.ends_with('/'))
}

/// Do both match exactly the same paths? The names of captures make no difference.
fn same(one: &RouteSpec, other: &RouteSpec) -> bool {
    let (one, other) = (one.segments(), other.segments());
    let alike = |pair: (&Segment, &Segment)| match pair {
        (Segment::Param(_), Segment::Param(_)) => true,
        (one, other) => one == other,
    };
    one.len() == other.len() && one.iter().zip(other).all(alike)
}

impl<T> Default for Routes<T> {
    fn default() -> Self {
        Self {
            router: Router::new(),
        }
    }
}

impl<T: fmt::Debug> fmt::Debug for Routes<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let entries = self
            .router
            .iter()
            .map(|(_, entry)| (&entry.source, &entry.target));
        f.debug_map().entries(entries).finish()
    }
}

#[cfg(test)]
mod tests;
