//! The body: JSON text, read up to a limit.

use bytes::Bytes;
use http::{HeaderMap, header, request::Parts};
use http_body::Body;
use http_body_util::BodyExt;

use super::header::single;
use crate::Problem;

/// Bytes of a request body: room for a large definition or table, while a few of them still fit
/// into the memory of a component.
pub const BODY_BYTES_MAX: usize = 8 * 1024 * 1024;

/// Reads the body as text; empty when there is none.
///
/// # Errors
///
/// 413 when it is too large, 415 when it claims to be something other than JSON, 400 when it breaks
/// off or is not UTF-8.
pub async fn read<B>(head: &Parts, body: B) -> Result<String, Problem>
where
    B: Body<Data = Bytes>,
{
    let length = content_length(&head.headers)?;
    if length.is_some_and(|length| length > BODY_BYTES_MAX as u64) {
        return Err(Problem::too_large(BODY_BYTES_MAX));
    }
    let mut body = std::pin::pin!(body);
    let mut bytes = Vec::with_capacity(length.and_then(|n| n.try_into().ok()).unwrap_or(0));
    while let Some(frame) = body.frame().await {
        let frame =
            frame.map_err(|_| Problem::malformed("body broke off before it was complete"))?;
        let Ok(data) = frame.into_data() else {
            continue;
        };
        if bytes.len() + data.len() > BODY_BYTES_MAX {
            return Err(Problem::too_large(BODY_BYTES_MAX));
        }
        if !is_json(&head.headers) {
            return Err(Problem::unsupported_media_type());
        }
        bytes.extend_from_slice(&data);
    }
    String::from_utf8(bytes).map_err(|error| {
        let valid = error.utf8_error().valid_up_to();
        Problem::malformed(format!("body is not UTF-8 from byte {valid} on"))
    })
}

/// What `Content-Length` announces.
fn content_length(headers: &HeaderMap) -> Result<Option<u64>, Problem> {
    let Some(text) = single(headers, &header::CONTENT_LENGTH)? else {
        return Ok(None);
    };
    let length = text.parse().map_err(|_| {
        Problem::malformed("header `content-length` must be a whole number of bytes")
    })?;
    Ok(Some(length))
}

/// Whether the content type is JSON or not given; parameters do not matter.
fn is_json(headers: &HeaderMap) -> bool {
    let Some(value) = headers.get(header::CONTENT_TYPE) else {
        return true;
    };
    let essence = value.to_str().unwrap_or_default().split(';').next();
    let essence = essence.unwrap_or_default().trim().to_ascii_lowercase();
    essence == "application/json"
        || (essence.starts_with("application/") && essence.ends_with("+json"))
}

#[cfg(test)]
mod tests {
    use super::{BODY_BYTES_MAX, read};
    use crate::{Problem, request::test::head};
    use bytes::Bytes;
    use futures::{executor::block_on, stream};
    use http::StatusCode;
    use http_body::Frame;
    use http_body_util::{Full, StreamBody};

    fn read_all(headers: &[(&str, &str)], body: &[u8]) -> Result<String, Problem> {
        let body = Full::new(Bytes::copy_from_slice(body));
        block_on(read(&head("POST", "/", headers), body))
    }

    #[test]
    fn json_by_any_name_is_read() {
        for content_type in [
            "application/json",
            "Application/JSON; charset=utf-8",
            "application/merge-patch+json",
        ] {
            let text = read_all(&[("content-type", content_type)], b"{}").unwrap();
            assert_eq!(text, "{}");
        }
        assert_eq!(read_all(&[], b"{}").unwrap(), "{}");
        assert_eq!(read_all(&[], b"").unwrap(), "");
        assert_eq!(
            read_all(&[("content-type", "text/plain")], b"").unwrap(),
            ""
        );
    }

    #[test]
    fn other_types_are_refused() {
        for content_type in [
            "text/plain",
            "application/x-www-form-urlencoded",
            "json",
            "",
            "a+json",
        ] {
            let problem = read_all(&[("content-type", content_type)], b"{}").unwrap_err();
            assert_eq!(
                problem.status(),
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                "{content_type}"
            );
        }
    }

    #[test]
    fn what_is_not_text_is_refused() {
        let problem = read_all(&[], b"{\"a\":\"\xff\"}").unwrap_err();
        assert_eq!(problem.status(), StatusCode::BAD_REQUEST);
        assert_eq!(problem.detail(), "body is not UTF-8 from byte 6 on");
    }

    #[test]
    fn the_limit_holds_with_and_without_an_announcement() {
        let largest = vec![b' '; BODY_BYTES_MAX];
        assert_eq!(read_all(&[], &largest).unwrap().len(), BODY_BYTES_MAX);
        let too_large = vec![b' '; BODY_BYTES_MAX + 1];
        let unannounced = read_all(&[], &too_large).unwrap_err();
        let announced = read_all(&[("content-length", "8388609")], b"").unwrap_err();
        for problem in [unannounced, announced] {
            assert_eq!(problem.status(), StatusCode::PAYLOAD_TOO_LARGE);
            assert!(problem.detail().contains("8388608 bytes"));
        }
        for bad in ["x", "-1", ""] {
            let problem = read_all(&[("content-length", bad)], b"").unwrap_err();
            assert_eq!(problem.status(), StatusCode::BAD_REQUEST, "{bad}");
        }
    }

    #[test]
    fn a_body_that_breaks_off_is_not_taken_for_a_whole_one() {
        let frames = [Ok(Frame::data(Bytes::from_static(b"{}"))), Err("reset")];
        let body = StreamBody::new(stream::iter(frames));
        let problem = block_on(read(&head("POST", "/", &[]), body)).unwrap_err();
        assert_eq!(problem.status(), StatusCode::BAD_REQUEST);
    }
}
