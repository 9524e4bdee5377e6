//! What a file of tokens may say, who is let in, and what becomes of a file that changes.

use std::fs;

use proptest::prelude::*;

use super::{file::parse, *};
use crate::workflow::Digest;

fn digest(token: &str) -> String {
    Digest::of(token.as_bytes()).to_string()
}

fn entry(name: &str, tokens: &[&str], scopes: &[&str]) -> String {
    let digests: Vec<_> = tokens.iter().map(|token| digest(token)).collect();
    format!("[[token]]\nname = {name:?}\nsha256 = {digests:?}\nscopes = {scopes:?}\n")
}

fn mistakes(text: &str) -> Vec<String> {
    let found = parse(text, None).err().unwrap_or_default();
    found.iter().map(ToString::to_string).collect()
}

#[test]
fn a_token_is_of_whoever_has_its_digest() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("tokens.toml");
    let alice = entry(
        "alice",
        &["old", "new"],
        &["read", "group:finance", "group:it"],
    );
    let robot = format!(
        "[[token]]\nname = \"robot\"\nsha256 = {:?}\nscopes = [\"engine\"]\n",
        digest("r").to_uppercase()
    );
    fs::write(&file, alice + &robot).unwrap();
    let tokens = Arc::new(Tokens::open(&file).unwrap());
    for good in ["Bearer old", "bearer new", "  BEARER   new "] {
        let found = tokens.who(Some(good)).unwrap();
        assert_eq!(found.name.as_str(), "alice");
        let groups: Vec<_> = found.groups().map(GroupName::as_str).collect();
        assert_eq!(groups, ["finance", "it"]);
    }
    let refused = |given| tokens.who(given).unwrap_err();
    assert_eq!(refused(None), Refused::Missing);
    for bad in ["", "Bearer", "old", "Basic old", "Bearerold"] {
        assert_eq!(refused(Some(bad)), Refused::NotBearer, "{bad}");
    }
    for bad in [
        "Bearer older",
        "Bearer old new",
        &format!("Bearer {}", digest("old")),
    ] {
        assert_eq!(refused(Some(bad)), Refused::Unknown, "{bad}");
    }
    let access = Access::Tokens(tokens);
    let robot = access.allow(Some("Bearer r"), &Scope::Engine).unwrap();
    assert_eq!(robot.unwrap().name.as_str(), "robot");
    assert_eq!(
        access
            .allow(Some("Bearer r"), &Scope::Read)
            .unwrap_err()
            .to_string(),
        "this needs the scope read, which the token of robot does not have"
    );
    assert_eq!(
        access.allow(Some("Bearer x"), &Scope::Read),
        Err(Denied::Refused(Refused::Unknown))
    );
    assert_eq!(Access::Open.allow(None, &Scope::Define), Ok(None));
}

#[test]
fn everything_wrong_is_said_at_once() {
    let (one, two) = (digest("1"), digest("2"));
    let text = format!(
        r#"tokens = 3

[[token]]
name = "alice"
sha256 = "{one}"
scopes = ["read"]

[[token]]
name = "alice"
sha256 = ["{one}", "my-secret"]
scopes = ["raed", "group:", "read", "read", 7]
scope = []

[[token]]
name = "group:it"
scopes = "read"

[[token]]
name = 1
sha256 = []
scopes = []

[[token]]
sha256 = "{two}"
"#
    );
    let rule = "use read, start, control, review, define, engine or group:NAME";
    let digest_rule = "sha256 must be the SHA-256 digest of the token, as 64 hexadecimal digits";
    assert_eq!(
        mistakes(&text),
        [
            "line 1: \"tokens\" is nothing here; use [[token]]".to_owned(),
            "line 9: token 2: alice is in line 3 already; give one entry a list as `sha256`".into(),
            format!("line 10: token 2: {digest_rule}"),
            "line 10: token 2: the digest is in line 5 already".into(),
            format!("line 11: token 2: \"group:\" is not a scope: {rule}"),
            format!("line 11: token 2: \"raed\" is not a scope: {rule}"),
            "line 11: token 2: a scope must be a string".into(),
            "line 11: token 2: the scope is there twice".into(),
            "line 12: token 2: \"scope\" is not a field; the fields are name, sha256 and scopes"
                .into(),
            "line 14: token 3: sha256 is missing".into(),
            "line 15: token 3: \"group:it\" is not a name: use 1 to 64 letters, digits, '_', '-', \
             '.' or '@'"
                .into(),
            "line 16: token 3: scopes must be a list".into(),
            "line 19: token 4: name must be a string".into(),
            "line 20: token 4: sha256 must have 1 to 10 digests".into(),
            "line 21: token 4: scopes must have at least one".into(),
            "line 23: token 5: name is missing".into(),
            "line 23: token 5: scopes is missing".into(),
        ]
    );
    for empty in ["", "token = 1", "token = []", "# nobody yet\n"] {
        assert_eq!(
            mistakes(empty),
            ["line 1: there must be at least one [[token]]"]
        );
    }
    assert_eq!(
        mistakes("token = [1]"),
        ["line 1: token 1: must be a table: [[token]]"]
    );
    assert_eq!(
        mistakes(&entry("me", &["t"], &["read"])),
        ["line 2: token 1: me is nobody's name: it is whoever asks"]
    );
    let twice = mistakes("[[token]]\nname = \"a\nsha256 = \"b\n");
    assert!(
        twice.len() >= 2 && twice[0].starts_with("line 2: "),
        "{twice:?}"
    );
    let groups: Vec<_> = (0..51).map(|number| format!("group:{number}")).collect();
    let groups: Vec<_> = groups.iter().map(String::as_str).collect();
    assert_eq!(
        mistakes(&entry("a", &["t"], &groups)),
        ["line 4: token 1: scopes must have at most 50 groups"]
    );
}

#[test]
fn a_file_for_one_scope_has_no_other() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("engine.toml");
    let edge = entry("edge", &["e"], &["engine"]);
    fs::write(&file, &edge).unwrap();
    let tokens = Tokens::open_only(&file, Scope::Engine).unwrap();
    assert!(tokens.who(Some("Bearer e")).is_ok());

    let alice = entry("alice", &["a"], &["engine", "read", "group:it"]);
    fs::write(&file, edge + &alice).unwrap();
    tokens.refresh();
    assert_eq!(tokens.who(Some("Bearer a")), Err(Refused::Unknown));
    let error = Tokens::open_only(&file, Scope::Engine).unwrap_err();
    let error = error.to_string();
    for wrong in [
        "line 8: token 2: the scope read is for nothing here: use engine",
        "line 8: token 2: the scope group:it is for nothing here: use engine",
    ] {
        assert!(error.contains(wrong), "{error}");
    }
    assert!(Tokens::open(&file).is_ok());
}

#[test]
fn a_changed_file_counts_and_a_broken_one_does_not() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("tokens.toml");
    let error = Tokens::open(&file).unwrap_err().to_string();
    assert!(
        error.starts_with("read ") && error.contains("tokens.toml"),
        "{error}"
    );
    fs::write(&file, "nonsense = 1").unwrap();
    let error = Tokens::open(&file).unwrap_err().to_string();
    assert!(error.contains("tokens.toml: line 1: "), "{error}");

    fs::write(&file, entry("alice", &["one"], &["read"])).unwrap();
    let tokens = Tokens::open(&file).unwrap();
    let is_known = |token: &str| tokens.who(Some(&format!("Bearer {token}"))).is_ok();
    tokens.refresh();
    assert!(is_known("one") && !is_known("two"));
    fs::write(&file, entry("alice", &["one", "two"], &["read"])).unwrap();
    tokens.refresh();
    assert!(is_known("one") && is_known("two"));
    for broken in [
        "",
        "[[token]]\nname = \"bob\"\n",
        &" ".repeat((1 << 20) + 1),
    ] {
        fs::write(&file, broken).unwrap();
        tokens.refresh();
        assert!(is_known("one") && is_known("two"));
    }
    fs::remove_file(&file).unwrap();
    tokens.refresh();
    assert!(is_known("one") && is_known("two"));
    fs::write(&file, entry("bob", &["two"], &["read"])).unwrap();
    tokens.refresh();
    assert!(!is_known("one") && is_known("two"));
    assert_eq!(tokens.count(), 1);
    assert!(tokens.named(&"bob".parse().unwrap()).is_some());
    assert!(tokens.named(&"alice".parse().unwrap()).is_none());
}

proptest! {
    #[test]
    fn a_scope_reads_what_it_prints(text in "(read|start|control|review|define|engine|group:[A-Za-z0-9_.@-]{1,64})") {
        prop_assert_eq!(text.parse::<Scope>().unwrap().to_string(), text);
    }

    #[test]
    fn no_text_breaks_the_reader(text in "(\\[\\[token\\]\\]\n|name|sha256|scopes| = |\"a\"|\\[|\\]|1|\n|é|\\PC){0,30}") {
        let _ = parse(&text, None);
    }
}
