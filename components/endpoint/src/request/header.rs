//! Headers that carry a request of their own: `Idempotency-Key`, `Prefer`, `Last-Event-ID`, `Accept`.

use http::{HeaderMap, HeaderName, header};

use crate::Problem;

/// Characters in an idempotency key: room for a UUID and a prefix.
const IDEMPOTENCY_KEY_CHARACTERS_MAX: usize = 128;

/// Seconds that `Prefer: wait` can ask for; longer waits are cut to this, as most proxies end
/// requests that take longer.
const WAIT_SECONDS_MAX: u32 = 60;

/// A header that may come once, as text.
///
/// # Errors
///
/// 400 when it comes twice or is not visible ASCII.
pub fn single<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Result<Option<&'a str>, Problem> {
    let mut values = headers.get_all(name).iter();
    let Some(value) = values.next() else {
        return Ok(None);
    };
    if values.next().is_some() {
        return Err(Problem::malformed(format!(
            "header `{name}` is given twice"
        )));
    }
    match value.to_str() {
        Ok(text) => Ok(Some(text)),
        Err(_) => Err(Problem::malformed(format!(
            "header `{name}` is not visible ASCII"
        ))),
    }
}

/// The key under which a repeated start finds the first one.
///
/// # Errors
///
/// 400 naming the limit.
pub fn idempotency_key(headers: &HeaderMap) -> Result<Option<String>, Problem> {
    let Some(key) = single(headers, &HeaderName::from_static("idempotency-key"))? else {
        return Ok(None);
    };
    let length = 1..=IDEMPOTENCY_KEY_CHARACTERS_MAX;
    if length.contains(&key.len()) && key.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Ok(Some(key.to_owned()));
    }
    Err(Problem::malformed(format!(
        "header `idempotency-key` must be 1 to {IDEMPOTENCY_KEY_CHARACTERS_MAX} visible ASCII \
         characters"
    )))
}

/// How many seconds `Prefer: wait=N` (RFC 7240) asks to wait for the end, 0 to 60; none when it does
/// not. Other preferences are passed over; of several waits the first counts.
///
/// # Errors
///
/// 400 when a quote is left open or the wait is not a whole number of seconds.
pub fn wait_seconds(headers: &HeaderMap) -> Result<Option<u32>, Problem> {
    for value in headers.get_all("prefer") {
        let Ok(text) = value.to_str() else {
            return Err(Problem::malformed("header `prefer` is not visible ASCII"));
        };
        for preference in split_unquoted(text, ',')? {
            // Parameters of a preference follow its semicolon; `wait` has none.
            let preference = split_unquoted(preference, ';')?[0];
            let (name, word) = preference.split_once('=').unwrap_or((preference, ""));
            if name.trim().eq_ignore_ascii_case("wait") {
                return parse_wait(word.trim()).map(Some);
            }
        }
    }
    Ok(None)
}

/// The value of `wait`, as a token or a quoted string.
fn parse_wait(word: &str) -> Result<u32, Problem> {
    let unquoted = word
        .strip_prefix('"')
        .and_then(|word| word.strip_suffix('"'));
    let digits = unquoted.unwrap_or(word);
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(Problem::malformed(
            "header `prefer` must give `wait` a whole number of seconds, such as wait=10",
        ));
    }
    // What overflows is longer than the longest wait, too.
    Ok(digits
        .parse()
        .unwrap_or(WAIT_SECONDS_MAX)
        .min(WAIT_SECONDS_MAX))
}

/// Splits a header's value, not inside of quoted strings.
fn split_unquoted(text: &str, separator: char) -> Result<Vec<&str>, Problem> {
    let (mut quoted, mut escaped) = (false, false);
    let parts = text
        .split(|character| {
            let literal = std::mem::take(&mut escaped);
            match character {
                '\\' if quoted => escaped = !literal,
                '"' if !literal => quoted = !quoted,
                other => return other == separator && !quoted,
            }
            false
        })
        .collect();
    if quoted {
        return Err(Problem::malformed(
            "header `prefer` has a quote that is not closed",
        ));
    }
    Ok(parts)
}

/// The last event that a client of a stream has seen, to go on after it.
///
/// # Errors
///
/// 400 when it is not a sequence number.
pub fn last_event_id(headers: &HeaderMap) -> Result<Option<u64>, Problem> {
    let Some(text) = single(headers, &HeaderName::from_static("last-event-id"))? else {
        return Ok(None);
    };
    let digits = text.bytes().all(|byte| byte.is_ascii_digit());
    match text.parse() {
        Ok(seq) if digits => Ok(Some(seq)),
        _ => Err(Problem::malformed(
            "header `last-event-id` must be the id of an event: a whole number",
        )),
    }
}

/// Whether the client would rather have server-sent events than JSON.
///
/// Only an explicit `text/event-stream` says so: a wildcard is what every simple client sends.
pub fn wants_event_stream(headers: &HeaderMap) -> bool {
    let stream = quality(headers, "text/event-stream");
    stream > 0.0 && stream >= quality(headers, "application/json")
}

/// The quality that `Accept` gives a media type by name; 0 when it does not name it.
fn quality(headers: &HeaderMap, media_type: &str) -> f32 {
    let values = headers.get_all(header::ACCEPT).iter();
    let ranges = values
        .filter_map(|value| value.to_str().ok())
        .flat_map(|text| text.split(','));
    for range in ranges {
        let mut parts = range.split(';').map(str::trim);
        if !parts
            .next()
            .is_some_and(|name| name.eq_ignore_ascii_case(media_type))
        {
            continue;
        }
        let weight = parts.find_map(|part| part.strip_prefix("q=").or(part.strip_prefix("Q=")));
        return weight.map_or(1.0, |weight| weight.parse().unwrap_or(0.0));
    }
    0.0
}

#[cfg(test)]
mod tests {
    use super::{idempotency_key, last_event_id, wait_seconds, wants_event_stream};
    use crate::{Problem, request::test::head};
    use http::{HeaderMap, HeaderValue, StatusCode};

    fn headers(name: &str, values: &[&str]) -> HeaderMap {
        let pairs: Vec<_> = values.iter().map(|value| (name, *value)).collect();
        head("GET", "/", &pairs).headers
    }

    fn refused<T: std::fmt::Debug>(result: Result<T, Problem>, name: &str) {
        let problem = result.unwrap_err();
        assert_eq!(problem.status(), StatusCode::BAD_REQUEST);
        assert!(problem.detail().contains(&format!("`{name}`")));
    }

    #[test]
    fn idempotency_keys_have_a_length() {
        let longest = "k".repeat(128);
        for good in [
            "a",
            "\"quoted\"",
            "550e8400-e29b-41d4-a716-446655440000",
            &longest,
        ] {
            let key = idempotency_key(&headers("idempotency-key", &[good])).unwrap();
            assert_eq!(key.as_deref(), Some(good));
        }
        assert_eq!(idempotency_key(&HeaderMap::new()).unwrap(), None);
        let too_long = "k".repeat(129);
        for bad in ["", "a b", "tab\there", &too_long] {
            refused(
                idempotency_key(&headers("idempotency-key", &[bad])),
                "idempotency-key",
            );
        }
        refused(
            idempotency_key(&headers("idempotency-key", &["a", "b"])),
            "idempotency-key",
        );
        let mut latin = HeaderMap::new();
        latin.insert(
            "idempotency-key",
            HeaderValue::from_bytes(b"k\xe4").unwrap(),
        );
        refused(idempotency_key(&latin), "idempotency-key");
    }

    #[test]
    fn waits_are_whole_seconds_up_to_a_minute() {
        for (given, seconds) in [
            (&["wait=10"][..], Some(10)),
            (&["respond-async, wait=5"], Some(5)),
            (&["respond-async", "WAIT = \"7\" ; x=1"], Some(7)),
            (&["wait=0"], Some(0)),
            (&["wait=3600"], Some(60)),
            (&["wait=99999999999999999999"], Some(60)),
            (&["wait=1, wait=2"], Some(1)),
            (&["foo=\"a, wait=9\"; b, wait=3"], Some(3)),
            (&["foo=\"\\\", wait=9\""], None),
            (&["respond-async"], None),
            (&["waiting=3"], None),
            (&[], None),
        ] {
            assert_eq!(
                wait_seconds(&headers("prefer", given)).unwrap(),
                seconds,
                "{given:?}"
            );
        }
    }

    #[test]
    fn waits_that_are_no_seconds_are_refused() {
        for bad in [
            "wait",
            "wait=",
            "wait=1.5",
            "wait=-1",
            "wait=+1",
            "wait=ten",
            "wait=1s",
            "a=\"",
            "wait=\"1",
            "wait=\"\"",
        ] {
            refused(wait_seconds(&headers("prefer", &[bad])), "prefer");
        }
    }

    #[test]
    fn event_ids_are_numbers() {
        let id = |text: &str| last_event_id(&headers("last-event-id", &[text]));
        assert_eq!(id("0").unwrap(), Some(0));
        assert_eq!(id("18446744073709551615").unwrap(), Some(u64::MAX));
        assert_eq!(last_event_id(&HeaderMap::new()).unwrap(), None);
        for bad in ["", "-1", "+1", "1.0", "abc", "18446744073709551616"] {
            refused(id(bad), "last-event-id");
        }
    }

    #[test]
    fn only_an_explicit_wish_gets_a_stream() {
        let wants = |accept: &str| wants_event_stream(&headers("accept", &[accept]));
        assert!(wants("text/event-stream"));
        assert!(wants("Text/Event-Stream; q=0.5, */*"));
        assert!(wants("application/json;q=0.9, text/event-stream"));
        assert!(!wants("application/json, text/event-stream;q=0.1"));
        assert!(!wants("text/event-stream;q=0"));
        assert!(!wants("*/*"));
        assert!(!wants("text/*"));
        assert!(!wants_event_stream(&HeaderMap::new()));
    }
}
