//! Which paths are let in: those that everybody reads the same way.
//!
//! Routes are matched on the path as it was sent and components take it apart themselves, so
//! a path with `..`, `//` or a broken escape could lead to one component and be read by it
//! as belonging to another. There is no honest use for any of them.

/// Says what is wrong with a path, if anything is.
pub(super) fn check(path: &str) -> Result<(), &'static str> {
    if !path.starts_with('/') {
        return Err("must begin with a slash");
    }
    if path.contains("//") {
        return Err("has an empty segment (`//`)");
    }
    if !path.bytes().any(|byte| matches!(byte, b'%' | b'\\')) {
        return dot_segments(path.as_bytes());
    }
    let bytes = decode(path)?;
    dot_segments(&bytes)?;
    let text = str::from_utf8(&bytes).map_err(|_| "is not UTF-8 once its escapes are decoded")?;
    if text.chars().any(char::is_control) {
        return Err("has an escaped control character");
    }
    Ok(())
}

fn decode(path: &str) -> Result<Vec<u8>, &'static str> {
    const BROKEN: &str = "has a `%` without two hexadecimal digits behind it";
    let digit = |byte: Option<u8>| {
        let value = byte.and_then(|byte| char::from(byte).to_digit(16));
        // Two digits make a byte.
        value
            .and_then(|value| u8::try_from(value).ok())
            .ok_or(BROKEN)
    };
    let mut bytes = path.bytes();
    let mut decoded = Vec::with_capacity(path.len());
    while let Some(byte) = bytes.next() {
        decoded.push(match byte {
            b'%' => digit(bytes.next())? << 4 | digit(bytes.next())?,
            _ => byte,
        });
    }
    Ok(decoded)
}

/// Whatever some reader takes for a separator counts as one here.
fn dot_segments(path: &[u8]) -> Result<(), &'static str> {
    let mut segments = path.split(|byte| matches!(byte, b'/' | b'\\'));
    if segments.any(|segment| matches!(segment, b"." | b"..")) {
        return Err("has a dot segment (`.` or `..`)");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::check;

    #[test]
    fn lets_ordinary_paths_in() {
        for path in [
            "/",
            "/health/live",
            "/health/",
            "/api/executions/0199-a_B",
            "/a/...",
            "/a/.well-known/..b/c..",
            "/a/b%20c/%C3%A9.md",
            "/a/report%2Fpart",
            "/a;b=c/d@e:f",
        ] {
            assert_eq!(check(path), Ok(()), "{path}");
        }
    }

    #[test]
    fn keeps_ambiguous_paths_out() {
        for (path, says) in [
            ("", "slash"),
            ("*", "slash"),
            ("health", "slash"),
            ("//", "`//`"),
            ("/health//live", "`//`"),
            ("//example.com/", "`//`"),
            ("/..", "dot"),
            ("/.", "dot"),
            ("/a/../b", "dot"),
            ("/a/./b", "dot"),
            ("/a/..", "dot"),
            ("/a/%2e%2e/b", "dot"),
            ("/a/%2E./b", "dot"),
            ("/a/.%2e", "dot"),
            ("/a%2f..%2fb", "dot"),
            ("/a%5c..%5cb", "dot"),
            ("/a\\..\\b", "dot"),
            ("/a/%", "hexadecimal"),
            ("/a/%2", "hexadecimal"),
            ("/a/%zz", "hexadecimal"),
            ("/a/%+1", "hexadecimal"),
            ("/a/%ff", "UTF-8"),
            ("/a/%c3%28", "UTF-8"),
            ("/a/%ed%a0%80", "UTF-8"),
            ("/a/%00", "control"),
            ("/a/b%0d%0ac", "control"),
            ("/a/%7f", "control"),
        ] {
            let why = check(path).expect_err(path);
            assert!(why.contains(says), "{path}: {why}");
        }
    }
}
