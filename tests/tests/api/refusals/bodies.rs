//! Bodies that cannot be read at all.

use super::{EXECUTE, PUT, RESOLVE, VALIDATE, is_refusal, picky};
use crate::{api::excerpt, host::shared};

#[tokio::test]
async fn bodies_that_are_no_json() {
    let api = shared();
    picky(api).await;
    let deep = |levels: usize| [b"{\"input\":".to_vec(), vec![b'['; levels]].concat();
    let nul = b"{\"requirement\": \"a\\u0000b\"}";
    let rows: &[(&[u8], u16, &str)] = &[
        (b"{", 400, "line 1 column 1"),
        (b"{\"input\": {}", 400, "line 1 column 12"),
        (b"{\"input\": {},}", 400, "line 1 column 14"),
        (b"{'input': {}}", 400, "line 1 column 2"),
        (b"{\"input\" {}}", 400, "line 1 column"),
        (b"{} {}", 400, "line 1 column"),
        (b"{\n\n  // no\n}", 400, "line 3 column"),
        (b"NaN", 400, "not JSON"),
        (b"\xef\xbb\xbf{}", 400, "line 1 column 1"),
        (b"{\"input\": \"\\ud800\"}", 400, "line 1 column"),
        (b"{\"input\": {\"n\": 1e400}}", 400, "number out of range"),
        (b"{\"input\": {\"n\": 01}}", 400, "line 1 column"),
        (b"{\"input\": \"a\nb\"}", 400, "line 2 column 0"),
        (b"{\"input\": \"\xff\"}", 400, "not UTF-8 from byte 11 on"),
        (
            b"{\"input\": {\"n\": 1}, \"input\": {\"n\": 2}}",
            422,
            "/input: is given twice",
        ),
        (
            b"{\"input\": {\"a\": [{\"x/y\": 1, \"x/y\": 1}]}}",
            422,
            "/input/a/0/x~1y: is given twice",
        ),
        (&deep(101), 422, "nested deeper than 100 levels"),
        (&deep(1_000_000), 422, "nested deeper than 100 levels"),
        (nul, 422, "/requirement: must not contain U+0000"),
        (b"[]", 422, ": must be an object"),
        (b"null", 422, ": must be an object"),
        (b"\"{}\"", 422, ": must be an object"),
    ];
    for (body, status, says) in rows {
        let what = excerpt(&String::from_utf8_lossy(&body[..body.len().min(60)]));
        is_refusal(
            &api.send("POST", EXECUTE, "", body).await,
            *status,
            says,
            &what,
        );
    }
    for path in [VALIDATE, PUT] {
        let method = if path == PUT { "PUT" } else { "POST" };
        for (body, status, says) in [
            (&b""[..], 422, ": is missing: the body must be a definition"),
            (b"[]", 422, ": must be an object, not an array"),
            (b"{\"id\":", 400, "line 1 column 6"),
            (
                b"{\"id\": \"a\", \"id\": \"b\"}",
                422,
                "/id: is given twice",
            ),
            (b"\xc3\x28", 400, "not UTF-8 from byte 0 on"),
        ] {
            is_refusal(&api.send(method, path, "", body).await, status, says, path);
        }
    }
    api.is_well().await;
}

#[tokio::test]
async fn bodies_that_are_too_large() {
    const MAX: usize = 8 << 20;
    let api = shared();
    picky(api).await;
    let announced = format!("content-length: {}\r\n\r\n", MAX + 1);
    let chunk = [
        b"100000\r\n".to_vec(),
        vec![b' '; 1 << 20],
        b"\r\n".to_vec(),
    ]
    .concat();
    let mut pieces = vec![&b"transfer-encoding: chunked\r\n\r\n"[..]];
    pieces.extend(vec![&chunk[..]; 8]);
    pieces.push(b"1\r\n \r\n");
    for path in [EXECUTE, VALIDATE, RESOLVE] {
        // As it says itself: refused before any of it is sent.
        let reply = api.send_pieces("POST", path, &[announced.as_bytes()]).await;
        is_refusal(&reply, 413, "body must be at most 8388608 bytes", path);
        // As it turns out.
        let reply = api.send_pieces("POST", path, &pieces).await;
        is_refusal(&reply, 413, "body must be at most 8388608 bytes", path);
    }
    // As large as it may be.
    let start = br#"{"input": {"n": 1, "s": ""#;
    let end = br#""}}"#;
    let filling = vec![b'x'; MAX - start.len() - end.len()];
    let reply = api
        .send("POST", EXECUTE, "", &[&start[..], &filling, end].concat())
        .await;
    assert_eq!(reply.status, 202, "{}", excerpt(&reply.body));
    api.is_well().await;
}
