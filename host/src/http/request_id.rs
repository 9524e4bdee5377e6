//! Request ids: one name for a request in the logs of everybody who saw it.

use http::HeaderValue;
use uuid::Uuid;

/// Longest id that is taken over from a client: a UUID or a trace id and something around it.
const BYTES_MAX: usize = 64;

/// The client's id when it can go into a log as it is, else a new one.
pub(super) fn take_over_or_make(given: Option<HeaderValue>) -> HeaderValue {
    given.filter(is_sane).unwrap_or_else(make)
}

fn is_sane(id: &HeaderValue) -> bool {
    let bytes = id.as_bytes();
    let is_plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"-_.:".contains(byte);
    (1..=BYTES_MAX).contains(&bytes.len()) && bytes.iter().all(is_plain)
}

fn make() -> HeaderValue {
    let mut buffer = Uuid::encode_buffer();
    let text = Uuid::now_v7().hyphenated().encode_lower(&mut buffer);
    // Hexadecimal digits and hyphens are always valid.
    HeaderValue::from_str(text).unwrap_or(HeaderValue::from_static("unknown"))
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::take_over_or_make;

    #[test]
    fn takes_over_what_is_sane() {
        for id in ["a", "0199a9c0-1b2c-7d3e-8f40-112233445566", &"x".repeat(64)] {
            let given = HeaderValue::from_str(id).unwrap();
            assert_eq!(take_over_or_make(Some(given)), id);
        }
    }

    #[test]
    fn makes_one_otherwise() {
        for id in ["", "a b", "a\"b", "a;b", "é", &"x".repeat(65)] {
            let given = HeaderValue::from_bytes(id.as_bytes()).unwrap();
            assert_eq!(take_over_or_make(Some(given)).len(), 36);
        }
        assert_ne!(take_over_or_make(None), take_over_or_make(None));
    }
}
