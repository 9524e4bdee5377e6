//! Where a phase may send requests, in the syntax of Spin's `allowed_outbound_hosts`.

use std::{fmt, net::Ipv6Addr, str::FromStr};

use http::{Uri, uri::Scheme};

/// Where requests may go. Nowhere by default.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(in crate::plugin) struct AllowedHosts(Vec<Pattern>);

/// Where a request goes. Its text is what grants it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Destination {
    scheme: Scheme,
    /// In lower case; an IPv6 address in brackets, in its usual form.
    host: String,
    port: u16,
}

/// `scheme://host[:port]`.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Pattern {
    /// None is any.
    scheme: Option<Scheme>,
    host: Host,
    /// None is any.
    port: Option<u16>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Host {
    Any,
    /// A suffix that begins with a dot.
    Below(String),
    Exactly(String),
}

impl AllowedHosts {
    /// The error names the pattern that is none.
    pub(in crate::plugin) fn parse(patterns: &[String]) -> Result<Self, String> {
        let parsed = patterns.iter().map(|pattern| {
            pattern
                .parse()
                .map_err(|reason| format!("{pattern:?} {reason}"))
        });
        parsed.collect::<Result<_, _>>().map(Self)
    }

    pub(super) fn allow(&self, destination: &Destination) -> bool {
        self.0.iter().any(|pattern| pattern.allows(destination))
    }
}

impl Pattern {
    fn allows(&self, destination: &Destination) -> bool {
        let Destination { scheme, host, port } = destination;
        let is_scheme = self.scheme.as_ref().is_none_or(|own| own == scheme);
        let is_port = self.port.is_none_or(|own| own == *port);
        let is_host = match &self.host {
            Host::Any => true,
            Host::Below(suffix) => host.ends_with(suffix),
            Host::Exactly(own) => own == host,
        };
        is_scheme && is_host && is_port
    }
}

impl FromStr for Pattern {
    /// What is wrong, to be read after the pattern.
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (scheme, rest) = text
            .split_once("://")
            .ok_or("does not begin with https://, http:// or *://")?;
        let scheme = match scheme {
            "*" => None,
            "http" => Some(Scheme::HTTP),
            "https" => Some(Scheme::HTTPS),
            _ => return Err(format!("has the scheme {scheme:?}, not https, http or *")),
        };
        let rest = rest.strip_suffix('/').unwrap_or(rest);
        if rest.contains(['/', '?', '#']) {
            return Err("has a path, but a grant is for a whole host".to_owned());
        }
        let (host, port) = match rest.rsplit_once(':') {
            // The last colon of an IPv6 address is no separator.
            Some((host, port)) if !port.ends_with(']') => (host, Some(port)),
            _ => (rest, None),
        };
        let port = match (port, &scheme) {
            (Some("*"), _) => None,
            (Some(port), _) => Some(number(port)?),
            (None, Some(scheme)) => Some(usual_port(scheme)),
            (None, None) => {
                return Err("needs a port, because its scheme does not say which".to_owned());
            }
        };
        let host = host.parse()?;
        Ok(Self { scheme, host, port })
    }
}

impl FromStr for Host {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text == "*" {
            return Ok(Self::Any);
        }
        let (is_below, name) = match text.strip_prefix("*.") {
            Some(domain) => (true, domain),
            None => (false, text),
        };
        if name.contains('*') {
            return Err("has a * elsewhere than for the scheme, the port, the host or the first part of the host".to_owned());
        }
        // Means another component of the same application to Spin; here there is no such thing.
        if name == "self" {
            return Err("has the host \"self\", which a phase does not have".to_owned());
        }
        let name = match canonical(name) {
            Some(name) if !(is_below && name.starts_with('[')) => name,
            _ => {
                return Err(format!(
                    "has the host {text:?}, which is no name or address"
                ));
            }
        };
        Ok(if is_below {
            Self::Below(format!(".{name}"))
        } else {
            Self::Exactly(name)
        })
    }
}

impl Destination {
    /// None when there is no telling where it goes.
    pub(super) fn of(uri: &Uri) -> Option<Self> {
        let scheme = uri.scheme()?.clone();
        let authority = uri.authority()?;
        // A name and password before the host only serve to mislead.
        if authority.as_str().contains('@') {
            return None;
        }
        let host = canonical(authority.host())?;
        let port = match authority.as_str().strip_prefix(authority.host())? {
            "" => usual_port(&scheme),
            port => number(port.strip_prefix(':')?).ok()?,
        };
        Some(Self { scheme, host, port })
    }
}

impl fmt::Display for Destination {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { scheme, host, port } = self;
        write!(f, "{scheme}://{host}")?;
        if *port != usual_port(scheme) {
            write!(f, ":{port}")?;
        }
        Ok(())
    }
}

/// A host as it is compared; none when it is neither a name nor an address.
fn canonical(host: &str) -> Option<String> {
    let inside = host
        .strip_prefix('[')
        .and_then(|host| host.strip_suffix(']'));
    if let Some(address) = inside {
        let address: Ipv6Addr = address.parse().ok()?;
        return Some(format!("[{address}]"));
    }
    let is_fine = |char: char| char.is_ascii_alphanumeric() || matches!(char, '-' | '.' | '_');
    (!host.is_empty() && host.chars().all(is_fine)).then(|| host.to_ascii_lowercase())
}

fn number(port: &str) -> Result<u16, String> {
    match port.parse() {
        Ok(port) if port > 0 => Ok(port),
        _ => Err(format!("has the port {port:?}, not 1 to 65535 or *")),
    }
}

fn usual_port(scheme: &Scheme) -> u16 {
    if *scheme == Scheme::HTTPS { 443 } else { 80 }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn destination(uri: &str) -> Option<Destination> {
        Destination::of(&uri.parse().unwrap())
    }

    fn allows(pattern: &str, uri: &str) -> bool {
        let hosts = AllowedHosts::parse(&[pattern.to_owned()]).unwrap();
        hosts.allow(&destination(uri).unwrap())
    }

    #[test]
    fn nothing_is_allowed_by_default() {
        let localhost = destination("http://localhost/").unwrap();
        assert!(!AllowedHosts::default().allow(&localhost));
        assert!(!AllowedHosts::parse(&[]).unwrap().allow(&localhost));
    }

    #[test]
    fn patterns_allow_what_they_say_and_nothing_else() {
        for (pattern, allowed, refused) in [
            (
                "https://api.example.com",
                &["https://api.example.com/a?b", "https://API.example.COM:443"][..],
                &[
                    "http://api.example.com",
                    "https://api.example.com:444",
                    "https://example.com",
                    "https://api.example.com.evil.org",
                    "https://api.example.com.",
                ][..],
            ),
            (
                "http://localhost:*/",
                &["http://localhost", "http://localhost:8080/"],
                &[
                    "https://localhost",
                    "http://127.0.0.1",
                    "http://a.localhost",
                ],
            ),
            (
                "https://*.Example.com",
                &["https://a.example.com", "https://a.b.example.com"],
                &[
                    "https://example.com",
                    "https://notexample.com",
                    "https://a.example.com:1",
                ],
            ),
            (
                "*://example.com:8443",
                &["http://example.com:8443", "https://example.com:8443"],
                &["https://example.com"],
            ),
            (
                "http://[0:0::1]",
                &["http://[::1]", "http://[::0001]:80/"],
                &["http://[::1]:81", "http://[::2]", "http://localhost"],
            ),
            ("http://[::1]:*", &["http://[::1]:81"], &["https://[::1]"]),
            (
                "https://*",
                &["https://a.b"],
                &["http://a.b", "https://a.b:1"],
            ),
            (
                "*://*:*",
                &["http://a", "https://b:1", "http://[::1]:2"],
                &[],
            ),
        ] {
            for uri in allowed {
                assert!(allows(pattern, uri), "{pattern} refuses {uri}");
            }
            for uri in refused {
                assert!(!allows(pattern, uri), "{pattern} allows {uri}");
            }
        }
    }

    #[test]
    fn what_is_no_pattern_is_refused_with_a_reason() {
        for (pattern, reason) in [
            ("example.com", "does not begin with https://"),
            ("insecure:allow-all", "does not begin with https://"),
            ("redis://example.com", "has the scheme \"redis\""),
            ("https://example.com/path", "has a path"),
            ("https://example.com?", "has a path"),
            ("*://example.com", "needs a port"),
            ("https://example.com:", "has the port \"\""),
            ("https://example.com:0", "has the port \"0\""),
            ("https://example.com:65536", "has the port \"65536\""),
            ("https://example.com:1..2", "has the port \"1..2\""),
            ("https://a.*.com", "has a * elsewhere"),
            ("https://*example.com", "has a * elsewhere"),
            ("https://", "has the host \"\""),
            ("https://*.", "has the host \"*.\""),
            ("https://a@example.com", "has the host \"a@example.com\""),
            ("https://{{ host }}", "has the host \"{{ host }}\""),
            ("https://*.[::1]", "has the host \"*.[::1]\""),
            ("https://[::g]", "has the host \"[::g]\""),
            ("http://self", "has the host \"self\""),
        ] {
            let error = AllowedHosts::parse(&["http://a".into(), pattern.into()]).unwrap_err();
            assert!(
                error.starts_with(&format!("{pattern:?} {reason}")),
                "{error}"
            );
        }
    }

    #[test]
    fn a_destination_reads_as_what_grants_it() {
        for uri in [
            "https://a.b",
            "http://a.b:8080",
            "http://[::1]:1",
            "https://a:80",
        ] {
            let destination = destination(uri).unwrap();
            assert_eq!(destination.to_string(), uri);
            assert!(allows(&destination.to_string(), uri));
        }
        let usual = destination("https://A.b:443/c").unwrap();
        assert_eq!(usual.to_string(), "https://a.b");
    }

    #[test]
    fn misleading_destinations_are_none() {
        for uri in [
            "/a",
            "http://granted.org@evil.org/",
            "http://granted.org:99999/",
            "http://granted.org:/",
            "http://a~b/",
        ] {
            assert_eq!(destination(uri), None, "{uri}");
        }
    }
}
