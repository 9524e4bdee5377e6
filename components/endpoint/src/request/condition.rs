//! Conditions on what is there: `If-Match` and `If-None-Match` with the tags that replies give.

use http::{HeaderMap, header};

use super::header::single;
use crate::Problem;

/// The version that a change expects to find: `If-Match: "3"` expects version 3 to be the latest,
/// `If-None-Match: *` expects none (0); none when there is no condition.
///
/// # Errors
///
/// 400 for any other condition, saying which ones there are.
pub fn expected_version(headers: &HeaderMap) -> Result<Option<u32>, Problem> {
    let matched = single(headers, &header::IF_MATCH)?;
    let unmatched = single(headers, &header::IF_NONE_MATCH)?;
    match (matched.map(str::trim), unmatched.map(str::trim)) {
        (None, None) => Ok(None),
        (None, Some("*")) => Ok(Some(0)),
        (None, Some(_)) => Err(Problem::malformed(
            "header `if-none-match` must be `*` here: the workflow must not exist yet",
        )),
        (Some("*"), None) => Err(Problem::malformed(
            "header `if-match` does not support `*` here; give one version, such as \"3\"",
        )),
        (Some(tag), None) => version(tag).map(Some),
        (Some(_), Some(_)) => Err(Problem::malformed(
            "headers `if-match` and `if-none-match` exclude each other; give one",
        )),
    }
}

/// The version in the tag `"3"`, or in the one that it has while it is deprecated, `"3-…"`.
fn version(tag: &str) -> Result<u32, Problem> {
    let digits = tag.strip_prefix('"').and_then(|tag| tag.strip_suffix('"'));
    let digits = digits.filter(|tag| !tag.contains('"'));
    digits
        .map(|tag| tag.split_once('-').map_or(tag, |(digits, _)| digits))
        .filter(|digits| !digits.starts_with('0'))
        .filter(|digits| digits.bytes().all(|byte| byte.is_ascii_digit()))
        .and_then(|digits| digits.parse().ok())
        .ok_or_else(|| {
            Problem::malformed("header `if-match` must be one version in quotes, such as \"3\"")
        })
}

/// Whether the client already has what `tag` (with its quotes) stands for, according to
/// `If-None-Match`. Weak comparison; tags that cannot be read match nothing.
pub fn is_fresh(headers: &HeaderMap, tag: &str) -> bool {
    headers
        .get_all(header::IF_NONE_MATCH)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .map(str::trim)
        .any(|given| given == "*" || given.strip_prefix("W/").unwrap_or(given) == tag)
}

#[cfg(test)]
mod tests {
    use super::{expected_version, is_fresh};
    use crate::request::test::head;
    use http::{HeaderMap, StatusCode};

    #[test]
    fn versions_to_expect() {
        let expected =
            |headers: &[(&str, &str)]| expected_version(&head("PUT", "/", headers).headers);
        assert_eq!(expected(&[]).unwrap(), None);
        assert_eq!(expected(&[("if-match", "\"3\"")]).unwrap(), Some(3));
        assert_eq!(expected(&[("if-none-match", "*")]).unwrap(), Some(0));
        for bad in [
            "*",
            "3",
            "\"0\"",
            "\"03\"",
            "W/\"3\"",
            "\"1\", \"2\"",
            "\"x\"",
            "\"\"",
            "\"",
            "",
            "\"4294967296\"",
            "\"+1\"",
        ] {
            let problem = expected(&[("if-match", bad)]).unwrap_err();
            assert_eq!(problem.status(), StatusCode::BAD_REQUEST, "{bad}");
            assert!(problem.detail().contains("`if-match`"), "{bad}");
        }
        assert!(expected(&[("if-none-match", "\"3\"")]).is_err());
        assert!(expected(&[("if-match", "\"3\""), ("if-none-match", "*")]).is_err());
        assert!(expected(&[("if-match", "\"3\""), ("if-match", "\"4\"")]).is_err());
    }

    #[test]
    fn fresh_is_what_the_client_has() {
        let fresh = |value: &str| {
            is_fresh(
                &head("GET", "/", &[("if-none-match", value)]).headers,
                "\"3\"",
            )
        };
        for yes in ["\"3\"", "W/\"3\"", "\"1\", \"3\"", "*"] {
            assert!(fresh(yes), "{yes}");
        }
        for no in ["3", "\"33\"", "\"1\", \"2\"", "", "W/3"] {
            assert!(!fresh(no), "{no}");
        }
        assert!(!is_fresh(&HeaderMap::new(), "\"3\""));
    }
}
