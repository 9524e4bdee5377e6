//! The request path: decoded segments, and what a parameter in it may look like.

use percent_encoding::percent_decode_str;

use crate::Problem;

/// Characters in an id or a phase name: fits a file name and a label value everywhere.
const ID_CHARACTERS_MAX: usize = 64;

/// Characters in the name of an artifact.
const ARTIFACT_NAME_CHARACTERS_MAX: usize = 200;

/// A path, percent-decoded segment by segment.
#[derive(Debug)]
pub struct Path(Vec<String>);

impl Path {
    /// Splits at slashes, then decodes; a slash at the end says nothing.
    ///
    /// # Errors
    ///
    /// 400 when a percent sign starts no escape or the result is not UTF-8.
    pub fn parse(path: &str) -> Result<Self, Problem> {
        let path = path.strip_prefix('/').unwrap_or(path);
        let path = path.strip_suffix('/').unwrap_or(path);
        path.split('/')
            .map(|segment| decode(segment, "path"))
            .collect::<Result<_, _>>()
            .map(Self)
    }

    /// The segments, to match against.
    pub fn segments(&self) -> Vec<&str> {
        self.0.iter().map(String::as_str).collect()
    }
}

/// Decodes percent escapes strictly; `place` names the text in the error.
///
/// # Errors
///
/// 400 when a percent sign starts no escape or the result is not UTF-8.
pub(super) fn decode(text: &str, place: &str) -> Result<String, Problem> {
    let complete = text.split('%').skip(1).all(|rest| {
        let digits = rest.as_bytes().get(..2);
        digits.is_some_and(|digits| digits.iter().all(u8::is_ascii_hexdigit))
    });
    if !complete {
        return Err(Problem::malformed(format!(
            "{place} has a `%` that two hexadecimal digits do not follow"
        )));
    }
    match percent_decode_str(text).decode_utf8() {
        Ok(text) => Ok(text.into_owned()),
        Err(_) => Err(Problem::malformed(format!("{place} is not UTF-8"))),
    }
}

/// An id (of a workflow, execution, node, checkpoint or template) in the path or the query.
///
/// # Errors
///
/// 400 naming the parameter and the rule.
pub fn id<'a>(parameter: &str, text: &'a str) -> Result<&'a str, Problem> {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-';
    if (1..=ID_CHARACTERS_MAX).contains(&text.len()) && text.bytes().all(allowed) {
        return Ok(text);
    }
    Err(Problem::malformed(format!(
        "parameter `{parameter}` must match ^[A-Za-z0-9_-]{{1,{ID_CHARACTERS_MAX}}}$"
    )))
}

/// A version in the path.
///
/// # Errors
///
/// 400 naming the parameter and the rule.
pub fn number(parameter: &str, text: &str) -> Result<u32, Problem> {
    let is_plain = text.bytes().all(|byte| byte.is_ascii_digit());
    let number = text.parse().ok().filter(|number| is_plain && *number > 0);
    number.ok_or_else(|| {
        Problem::malformed(format!(
            "parameter `{parameter}` must be a whole number from 1 to {}",
            u32::MAX
        ))
    })
}

/// The name of a phase in the path.
///
/// # Errors
///
/// 400 naming the parameter and the rule.
pub fn phase_name<'a>(parameter: &str, text: &'a str) -> Result<&'a str, Problem> {
    let allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    if (1..=ID_CHARACTERS_MAX).contains(&text.len()) && text.bytes().all(allowed) {
        return Ok(text);
    }
    Err(Problem::malformed(format!(
        "parameter `{parameter}` must match ^[a-z0-9-]{{1,{ID_CHARACTERS_MAX}}}$"
    )))
}

/// The name of an artifact in the path.
///
/// # Errors
///
/// 400 naming the parameter and the rule.
pub fn artifact_name<'a>(parameter: &str, text: &'a str) -> Result<&'a str, Problem> {
    let allowed = |character: char| character != '/' && !character.is_control();
    let length = text.chars().count();
    if (1..=ARTIFACT_NAME_CHARACTERS_MAX).contains(&length) && text.chars().all(allowed) {
        return Ok(text);
    }
    Err(Problem::malformed(format!(
        "parameter `{parameter}` must be 1 to {ARTIFACT_NAME_CHARACTERS_MAX} characters, none of \
         them `/` or a control character"
    )))
}

#[cfg(test)]
mod tests {
    use super::{Path, artifact_name, id, phase_name};
    use http::StatusCode;

    #[test]
    fn decodes_segment_by_segment() {
        let path = Path::parse("/api/executions/a%2Fb/%C3%A4/").unwrap();
        assert_eq!(path.segments(), ["api", "executions", "a/b", "ä"]);
        assert_eq!(Path::parse("/a//b").unwrap().segments(), ["a", "", "b"]);
    }

    #[test]
    fn refuses_broken_escapes() {
        for bad in ["/%", "/%4", "/%zz", "/a%2", "/%ff", "/%C3", "/%+1", "/%%41"] {
            let problem = Path::parse(bad).unwrap_err();
            assert_eq!(problem.status(), StatusCode::BAD_REQUEST, "{bad}");
            assert!(problem.detail().starts_with("path "), "{bad}");
        }
    }

    #[test]
    fn ids_obey_their_rule() {
        let longest = "x".repeat(64);
        for good in ["a", "delay_triage", "A-9_z", &longest] {
            assert_eq!(id("id", good).unwrap(), good);
        }
        let too_long = "x".repeat(65);
        for bad in [
            "", "a b", "a/b", "ä", "..", "a.b", "a\n", "a\0", "%41", &too_long,
        ] {
            let problem = id("id", bad).unwrap_err();
            assert_eq!(problem.status(), StatusCode::BAD_REQUEST, "{bad:?}");
            assert_eq!(
                problem.detail(),
                "parameter `id` must match ^[A-Za-z0-9_-]{1,64}$"
            );
        }
    }

    #[test]
    fn names_obey_their_rules() {
        assert!(phase_name("name", "csv-parse2").is_ok());
        for bad in ["", "CSV", "csv_parse", "csv.parse"] {
            assert!(phase_name("name", bad).is_err(), "{bad:?}");
        }
        let longest = "ä".repeat(200);
        for good in ["report.md", "..", "a b", &longest] {
            assert!(artifact_name("name", good).is_ok(), "{good:?}");
        }
        let too_long = "ä".repeat(201);
        for bad in ["", "a/b", "a\0b", "a\r\nb", &too_long] {
            assert!(artifact_name("name", bad).is_err(), "{bad:?}");
        }
    }
}
