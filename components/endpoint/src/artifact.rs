//! Artifacts: the list of files that an execution kept, and a file as a download.

use bytes::Bytes;
use futures::Stream;
use http::{HeaderMap, HeaderValue, StatusCode, header};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use crate::{
    Problem, Reply,
    bindings::artifacts::Artifact,
    reply::{self, json, stream::streamed},
    request::condition::is_fresh,
};

/// What `filename*` (RFC 8187) escapes: all but its `attr-char`.
const FILE_NAME_ESCAPES: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'!')
    .remove(b'#')
    .remove(b'$')
    .remove(b'&')
    .remove(b'+')
    .remove(b'-')
    .remove(b'.')
    .remove(b'^')
    .remove(b'_')
    .remove(b'`')
    .remove(b'|')
    .remove(b'~');

/// The reply with all files: `{items: [{node, item, name, content_type, size, sha256}], next: null}`;
/// `item` is left out for a plain node.
pub fn listed(artifacts: &[Artifact]) -> Reply {
    let text = json::page(artifacts, None::<&str>, |object, artifact| {
        object.field("node", &artifact.node);
        if let Some(item) = artifact.item {
            object.field("item", item);
        }
        object.field("name", &artifact.name);
        object.field("content_type", &artifact.content_type);
        object.field("size", artifact.size);
        object.field("sha256", &artifact.sha256);
    });
    reply::with_json(StatusCode::OK, text)
}

/// The reply with a file, or 304 when the client has it already.
///
/// # Errors
///
/// 500 when the engine gave a digest that no header can carry.
pub fn file(
    headers: &HeaderMap,
    artifact: &Artifact,
    bytes: impl Stream<Item = Bytes> + 'static,
) -> Result<Reply, Problem> {
    let tag = format!("\"{}\"", artifact.sha256);
    if is_fresh(headers, &tag) {
        let mut reply = reply::empty(StatusCode::NOT_MODIFIED);
        reply::set(&mut reply, header::ETAG, &tag)?;
        return Ok(reply);
    }
    let mut reply = streamed(bytes);
    reply::set(&mut reply, header::ETAG, &tag)?;
    let name = utf8_percent_encode(&artifact.name, FILE_NAME_ESCAPES);
    let disposition = format!("inline; filename*=UTF-8''{name}");
    reply::set(&mut reply, header::CONTENT_DISPOSITION, &disposition)?;
    let headers = reply.headers_mut();
    headers.insert(header::CONTENT_TYPE, content_type(artifact));
    headers.insert(header::CONTENT_LENGTH, HeaderValue::from(artifact.size));
    // The file is a third party's: whatever it claims to be, a browser must neither guess that it is
    // something else nor run it with the rights of this origin.
    headers.insert(
        header::X_CONTENT_TYPE_OPTIONS,
        HeaderValue::from_static("nosniff"),
    );
    headers.insert(
        header::CONTENT_SECURITY_POLICY,
        HeaderValue::from_static("sandbox"),
    );
    Ok(reply)
}

/// The type that the phase gave, unless no header can carry it.
fn content_type(artifact: &Artifact) -> HeaderValue {
    HeaderValue::from_str(&artifact.content_type)
        .unwrap_or(HeaderValue::from_static("application/octet-stream"))
}

#[cfg(test)]
mod tests {
    use super::{Artifact, file, listed};
    use crate::{
        reply::test::{text, value},
        request::test::head,
    };
    use bytes::Bytes;
    use futures::stream;
    use http::{HeaderMap, StatusCode, header};
    use serde_json::json;

    fn artifact() -> Artifact {
        Artifact {
            node: "report".to_owned(),
            item: None,
            name: "r\"é 1.md".to_owned(),
            content_type: "text/markdown; charset=utf-8".to_owned(),
            size: 6,
            sha256: "ab12".to_owned(),
        }
    }

    fn bytes() -> impl futures::Stream<Item = Bytes> + 'static {
        stream::iter([Bytes::from_static(b"abc"), Bytes::from_static(b"def")])
    }

    #[test]
    fn lists_leave_the_item_of_a_plain_node_out() {
        let item = Artifact {
            item: Some(3),
            ..artifact()
        };
        let list = value(listed(&[artifact(), item]));
        assert_eq!(
            list["items"][0],
            json!({
                "node": "report",
                "name": "r\"é 1.md",
                "content_type": "text/markdown; charset=utf-8",
                "size": 6,
                "sha256": "ab12",
            })
        );
        assert_eq!(list["items"][1]["item"], 3);
        assert_eq!(list["next"], json!(null));
    }

    #[test]
    fn files_cannot_pass_for_our_own() {
        let reply = file(&HeaderMap::new(), &artifact(), bytes()).unwrap();
        let headers = reply.headers();
        assert_eq!(
            headers[header::CONTENT_TYPE],
            "text/markdown; charset=utf-8"
        );
        assert_eq!(headers[header::CONTENT_LENGTH], "6");
        assert_eq!(headers[header::ETAG], "\"ab12\"");
        assert_eq!(headers[header::X_CONTENT_TYPE_OPTIONS], "nosniff");
        assert_eq!(headers[header::CONTENT_SECURITY_POLICY], "sandbox");
        assert_eq!(
            headers[header::CONTENT_DISPOSITION],
            "inline; filename*=UTF-8''r%22%C3%A9%201.md"
        );
        assert_eq!(text(reply), "abcdef");
    }

    #[test]
    fn what_the_client_has_is_not_sent_again() {
        let headers = head("GET", "/", &[("if-none-match", "W/\"ab12\"")]).headers;
        let reply = file(&headers, &artifact(), bytes()).unwrap();
        assert_eq!(reply.status(), StatusCode::NOT_MODIFIED);
        assert_eq!(reply.headers()[header::ETAG], "\"ab12\"");
        assert_eq!(text(reply), "");
    }

    #[test]
    fn types_that_break_a_header_are_not_passed_on() {
        let hostile = Artifact {
            content_type: "text/html\r\nx: y".to_owned(),
            ..artifact()
        };
        let reply = file(&HeaderMap::new(), &hostile, bytes()).unwrap();
        assert_eq!(
            reply.headers()[header::CONTENT_TYPE],
            "application/octet-stream"
        );
    }
}
