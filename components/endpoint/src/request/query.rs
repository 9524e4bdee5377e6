//! The query: known parameters, each once, and the pages of lists.

use std::{collections::BTreeMap, str::FromStr};

use http::request::Parts;

use super::path::{decode, id};
use crate::{Problem, bindings::types::PageRequest};

/// Items on a page when the query does not say.
const LIMIT_DEFAULT: u32 = 50;

/// Items on a page at most, so that a page stays quick to make and to send.
const LIMIT_MAX: u32 = 200;

/// Characters in a cursor: several times what the engine gives out.
const CURSOR_CHARACTERS_MAX: usize = 512;

/// The parameters of a request.
#[derive(Debug)]
pub struct Query(BTreeMap<String, String>);

impl Query {
    /// Decodes the query (`+` is a space) and checks that it has no parameter but `known`, none twice.
    ///
    /// # Errors
    ///
    /// 400 naming the parameters that are not known or come twice.
    pub fn parse(head: &Parts, known: &[&str]) -> Result<Self, Problem> {
        let mut parameters = BTreeMap::new();
        let mut wrong = Vec::new();
        for pair in head.uri.query().unwrap_or_default().split('&') {
            if pair.is_empty() {
                continue;
            }
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let name = decode(&name.replace('+', " "), "query")?;
            let value = decode(
                &value.replace('+', " "),
                &format!("query parameter `{name}`"),
            )?;
            if !known.contains(&name.as_str()) {
                wrong.push(format!("query parameter `{name}` is not known"));
            } else if parameters.insert(name.clone(), value).is_some() {
                wrong.push(format!("query parameter `{name}` is given twice"));
            }
        }
        if wrong.is_empty() {
            return Ok(Self(parameters));
        }
        let choices = match known {
            [] => "there is none here".to_owned(),
            known => format!("there are {}", known.join(", ")),
        };
        Err(Problem::malformed(format!(
            "{}; {choices}",
            wrong.join("; ")
        )))
    }

    /// The text of a parameter.
    pub fn text(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    /// A parameter that is an id.
    ///
    /// # Errors
    ///
    /// 400 naming the parameter and the rule.
    pub fn id(&self, name: &str) -> Result<Option<String>, Problem> {
        let Some(text) = self.text(name) else {
            return Ok(None);
        };
        Ok(Some(id(name, text)?.to_owned()))
    }

    /// A parameter that is a whole number from `min` to `max`.
    ///
    /// # Errors
    ///
    /// 400 naming the parameter and the range.
    pub fn number<N>(&self, name: &str, min: N, max: N) -> Result<Option<N>, Problem>
    where
        N: Copy + FromStr + PartialOrd + std::fmt::Display,
    {
        let Some(text) = self.text(name) else {
            return Ok(None);
        };
        // `from_str` would take a plus sign, too.
        let digits = text.bytes().all(|byte| byte.is_ascii_digit());
        match text.parse() {
            Ok(number) if digits && number >= min && number <= max => Ok(Some(number)),
            _ => Err(Problem::malformed(format!(
                "query parameter `{name}` must be a whole number from {min} to {max}"
            ))),
        }
    }

    /// A parameter that is one of `choices`, each of which `name_of` names.
    ///
    /// # Errors
    ///
    /// 400 naming the parameter and the choices.
    pub fn choice<T: Copy>(
        &self,
        name: &str,
        choices: &[T],
        name_of: fn(T) -> &'static str,
    ) -> Result<Option<T>, Problem> {
        let Some(text) = self.text(name) else {
            return Ok(None);
        };
        let found = choices.iter().find(|choice| name_of(**choice) == text);
        if let Some(choice) = found {
            return Ok(Some(*choice));
        }
        let names: Vec<_> = choices.iter().map(|choice| name_of(*choice)).collect();
        Err(Problem::malformed(format!(
            "query parameter `{name}` must be one of {}",
            names.join(", ")
        )))
    }

    /// The page that `limit` and `cursor` ask for.
    ///
    /// # Errors
    ///
    /// 400 naming the parameter and its limit.
    pub fn page(&self) -> Result<PageRequest, Problem> {
        let limit = self.number("limit", 1, LIMIT_MAX)?.unwrap_or(LIMIT_DEFAULT);
        let cursor = self.text("cursor");
        let well_formed = |cursor: &str| {
            (1..=CURSOR_CHARACTERS_MAX).contains(&cursor.len())
                && cursor.bytes().all(|byte| byte.is_ascii_graphic())
        };
        if cursor.is_some_and(|cursor| !well_formed(cursor)) {
            return Err(Problem::malformed(format!(
                "query parameter `cursor` must be the `next` of another page, at most \
                 {CURSOR_CHARACTERS_MAX} characters"
            )));
        }
        Ok(PageRequest {
            cursor: cursor.map(str::to_owned),
            limit,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::Query;
    use crate::{Problem, request::test::head};
    use http::StatusCode;

    const KNOWN: &[&str] = &["limit", "cursor", "status", "after", "id"];

    fn query(text: &str) -> Result<Query, Problem> {
        Query::parse(&head("GET", &format!("/x?{text}"), &[]), KNOWN)
    }

    fn refusal<T: std::fmt::Debug>(result: Result<T, Problem>) -> String {
        let problem = result.unwrap_err();
        assert_eq!(problem.status(), StatusCode::BAD_REQUEST);
        problem.detail().to_owned()
    }

    #[test]
    fn decodes_names_and_values() {
        let query = query("&status=a+b%20c%2B&%6Cimit=3&&after").unwrap();
        assert_eq!(query.text("status"), Some("a b c+"));
        assert_eq!(query.text("limit"), Some("3"));
        assert_eq!(query.text("after"), Some(""));
        assert_eq!(query.text("cursor"), None);
        assert!(Query::parse(&head("GET", "/x", &[]), &[]).is_ok());
    }

    #[test]
    fn names_every_parameter_that_does_not_belong() {
        let detail = refusal(query("limit=1&Limit=2&offset=3&limit=4"));
        assert_eq!(
            detail,
            "query parameter `Limit` is not known; query parameter `offset` is not known; query \
             parameter `limit` is given twice; there are limit, cursor, status, after, id"
        );
        let none = Query::parse(&head("GET", "/x?a=1", &[]), &[]);
        assert!(refusal(none).ends_with("there is none here"));
    }

    #[test]
    fn refuses_broken_escapes() {
        for bad in ["status=%", "status=%f", "%zz=1", "status=%ff"] {
            assert!(refusal(query(bad)).starts_with("query"), "{bad}");
        }
    }

    #[test]
    fn numbers_have_a_range() {
        let number = |text: &str| query(text).unwrap().number::<u64>("after", 0, u64::MAX);
        assert_eq!(
            number("after=18446744073709551615").unwrap(),
            Some(u64::MAX)
        );
        assert_eq!(number("limit=1").unwrap(), None);
        for bad in [
            "-1",
            "%2B1",
            "1.0",
            "",
            "x",
            "18446744073709551616",
            "0x1",
            "%201",
        ] {
            let detail = refusal(number(&format!("after={bad}")));
            assert!(detail.contains("from 0 to 18446744073709551615"), "{bad}");
        }
    }

    #[test]
    fn choices_are_listed() {
        let choice = |text: &str| {
            let name_of = |flag| if flag { "pending" } else { "done" };
            query(text)
                .unwrap()
                .choice("status", &[true, false], name_of)
        };
        assert_eq!(choice("status=done").unwrap(), Some(false));
        assert_eq!(choice("").unwrap(), None);
        for bad in ["status=Done", "status=", "status=done,pending"] {
            let detail = refusal(choice(bad));
            assert_eq!(
                detail,
                "query parameter `status` must be one of pending, done"
            );
        }
    }

    #[test]
    fn pages_have_limits() {
        let page = query("").unwrap().page().unwrap();
        assert_eq!((page.limit, page.cursor), (50, None));
        let page = query("limit=200&cursor=eyJ9").unwrap().page().unwrap();
        assert_eq!((page.limit, page.cursor.as_deref()), (200, Some("eyJ9")));
        let long = format!("cursor={}", "x".repeat(513));
        for bad in [
            "limit=0",
            "limit=201",
            "limit=ten",
            "cursor=",
            "cursor=a%00",
            &long,
        ] {
            refusal(query(bad).unwrap().page());
        }
    }

    #[test]
    fn ids_in_the_query_obey_the_same_rule() {
        assert_eq!(
            query("id=a-1").unwrap().id("id").unwrap().as_deref(),
            Some("a-1")
        );
        assert!(refusal(query("id=a/b").unwrap().id("id")).contains("`id`"));
    }
}
