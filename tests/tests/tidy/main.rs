//! The house rules that can be kept mechanically.
//!
//! `RULES` is the list. Each rule looks at one file at a time, or at all of them, and says where it
//! is broken; each has an offence that it has to find, so that no rule sleeps.

mod rules;
mod tree;

use rules::{
    api_is_documented_in_wit, commands_exist, core_is_pure, databases_migrate_alike,
    files_are_short, is_free_of_machine_paths, is_small, licences_are_there,
    module_says_what_it_owns, nothing_is_unfinished,
};
use tree::{File, Tree};

/// One rule.
struct Rule {
    name: &'static str,
    why: &'static str,
    check: Check,
    /// A file, its path and its content, that breaks it; none where a file that is missing does.
    offence: Option<(&'static str, &'static str)>,
}

/// What a rule looks at. What it gives is what is wrong.
enum Check {
    Files(fn(&File) -> Vec<String>),
    Tree(fn(&Tree) -> Vec<String>),
}

use Check::{Files, Tree as Whole};

#[rustfmt::skip]
const RULES: &[Rule] = &[
    Rule { name: "the core is pure", check: Files(core_is_pure),
        why: "host/src/workflow/ does no I/O, knows no clock and no chance, so that a journal always folds to the same execution",
        offence: Some(("host/src/workflow/a.rs", "//! A.\nuse std::{collections::BTreeMap, fs};\n")) },
    Rule { name: "every module says what it owns", check: Files(module_says_what_it_owns),
        why: "whoever opens a file reads first what it is for",
        offence: Some(("host/src/a.rs", "use std::fmt;\n")) },
    Rule { name: "files are short", check: Files(files_are_short),
        why: "a file of more than 420 lines has more than one subject",
        offence: None },
    Rule { name: "nothing is unfinished", check: Files(nothing_is_unfinished),
        why: "what is committed works, and lints are expected with a reason rather than allowed",
        offence: Some(("sdk/src/a.rs", concat!("fn a() {\n    to", "do!()\n}\n"))) },
    Rule { name: "commands exist", check: Whole(commands_exist),
        why: "a newcomer types what the README says",
        offence: Some(("README.md", "Run `cargo xtask fly`.\n")) },
    Rule { name: "the contracts are documented", check: Files(api_is_documented_in_wit),
        why: "the WIT files are all that the author of a phase or an endpoint has to read",
        offence: Some(("wit/a/a.wit", "interface a {\n    /// Documented.\n    b: func();\n    c: func();\n}\n")) },
    Rule { name: "databases migrate alike", check: Whole(databases_migrate_alike),
        why: "the same version of the schema means the same on every database",
        offence: Some(("host/migrations/postgres/0999_only_here.sql", "select 1;\n")) },
    Rule { name: "no paths of one machine", check: Files(is_free_of_machine_paths),
        why: "what works on one machine only does not work",
        offence: Some(("docs/a.md", concat!("See /ho", "me/ada/notes.\n"))) },
    Rule { name: "files are small", check: Files(is_small),
        why: "what is more than 1 MB was built, and is built again where it is needed",
        offence: None },
    Rule { name: "the licences are there", check: Whole(licences_are_there),
        why: "nobody may use what has no licence",
        offence: None },
];

impl Rule {
    fn broken_in(&self, tree: &Tree) -> Vec<String> {
        match self.check {
            Files(check) => tree.files().iter().flat_map(check).collect(),
            Whole(check) => check(tree),
        }
    }
}

#[test]
fn the_house_rules_are_kept() {
    let tree = Tree::read();
    assert!(tree.files().len() > 50, "this is not the whole repository");
    let mut report = String::new();
    for rule in RULES {
        let broken = rule.broken_in(&tree);
        if !broken.is_empty() {
            let places = broken.join("\n  ");
            report += &format!("\n{}: {}\n  {places}\n", rule.name, rule.why);
        }
    }
    assert!(report.is_empty(), "broken house rules:\n{report}");
}

#[test]
fn every_rule_finds_its_offence() {
    for rule in RULES {
        let Some((path, text)) = rule.offence else {
            continue;
        };
        let mut tree = Tree::read();
        tree.put(path, text.as_bytes());
        let found = rule.broken_in(&tree);
        let is_found = found.iter().any(|place| place.starts_with(path));
        assert!(is_found, "{}: {path} not among {found:?}", rule.name);
    }
}

#[test]
fn sizes_and_missing_files_are_found() {
    let mut tree = Tree::read();
    let long = format!("//! Long.\n{}", "\n".repeat(rules::LINES_MAX));
    tree.put("host/src/long.rs", long.as_bytes());
    tree.put("docs/large.png", &vec![0; rules::BYTES_MAX + 1]);
    tree.remove("LICENSE-MIT");
    let found: Vec<_> = RULES
        .iter()
        .flat_map(|rule| rule.broken_in(&tree))
        .collect();
    for expected in ["host/src/long.rs: ", "docs/large.png: ", "LICENSE-MIT: "] {
        assert!(
            found.iter().any(|place| place.starts_with(expected)),
            "{expected} {found:?}"
        );
    }
}
