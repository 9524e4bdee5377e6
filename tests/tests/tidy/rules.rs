//! The rules, one function each. What is wrong begins with the path of the file and a colon.

use crate::tree::{File, Tree};

/// Longest source file, in lines: 400, and some room for a table that must not be torn apart.
pub const LINES_MAX: usize = 420;

/// Largest file, in bytes.
pub const BYTES_MAX: usize = 1 << 20;

/// Files that may be longer, each with the reason.
const LONG_FILES: &[(&str, &str)] = &[];

/// What the pure core must not reach for: I/O, time, chance, concurrency. The traits of `std::io` are
/// fine: to write into memory, or to count what would be written, is no I/O.
const IMPURE: &[&str] = &[
    "fastrand",
    "futures",
    "rand",
    "sqlx",
    "tokio",
    "tracing",
    "wasmtime",
    "std::env",
    "std::fs",
    "std::io::stderr",
    "std::io::stdin",
    "std::io::stdout",
    "std::net",
    "std::os",
    "std::process",
    "std::sync::Mutex",
    "std::sync::RwLock",
    "std::sync::atomic",
    "std::sync::mpsc",
    "std::thread",
    "std::time::Instant",
    "std::time::SystemTime",
];

/// Marks of unfinished work, in pieces so that this file has none.
const UNFINISHED: &[&str] = &[
    concat!("to", "do!("),
    concat!("unimple", "mented!("),
    concat!("db", "g!("),
    concat!("#[al", "low("),
    concat!("#![al", "low("),
];

/// Roots that only exist on somebody's machine, in pieces for the same reason.
const MACHINE_PATHS: &[&str] = &[
    concat!("/wo", "rk/"),
    concat!("/ro", "ot/"),
    concat!("/ho", "me/"),
];

pub fn core_is_pure(file: &File) -> Vec<String> {
    let is_core =
        file.path.starts_with("host/src/workflow/") || file.path == "host/src/workflow.rs";
    if !is_core || !file.is_rust() {
        return Vec::new();
    }
    let text = file.text().unwrap_or_default();
    let code: String = text
        .lines()
        .filter(|line| !line.trim_start().starts_with("//"))
        .fold(String::new(), |code, line| code + line + "\n");
    let mut reached: Vec<_> = imports(&code).into_iter().collect();
    // What is written out where it is used.
    let words = code.split(|c: char| !(c.is_alphanumeric() || c == '_' || c == ':'));
    reached.extend(words.filter(|word| word.contains("::")).map(str::to_owned));
    let is_below = |path: &str, root: &str| {
        path.strip_prefix(root)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with("::"))
    };
    let mut found: Vec<_> = IMPURE
        .iter()
        .filter(|root| reached.iter().any(|path| is_below(path, root)))
        .map(|root| format!("{}: uses {root}", file.path))
        .collect();
    if code.contains("async fn") {
        found.push(format!("{}: has an async fn", file.path));
    }
    found
}

pub fn module_says_what_it_owns(file: &File) -> Vec<String> {
    let says = file
        .text()
        .is_some_and(|text| text.trim_start().starts_with("//!"));
    one(file, file.is_rust() && !says, "does not begin with //!")
}

pub fn files_are_short(file: &File) -> Vec<String> {
    let lines = file.lines().count();
    let may = LONG_FILES.iter().any(|(path, _)| *path == file.path);
    let is_long = file.is_rust() && lines > LINES_MAX && !may;
    one(
        file,
        is_long,
        &format!("has {lines} lines, more than {LINES_MAX}"),
    )
}

pub fn nothing_is_unfinished(file: &File) -> Vec<String> {
    if !file.is_rust() {
        return Vec::new();
    }
    find(file, UNFINISHED)
}

pub fn is_free_of_machine_paths(file: &File) -> Vec<String> {
    find(file, MACHINE_PATHS)
}

pub fn is_small(file: &File) -> Vec<String> {
    let size = file.size();
    one(
        file,
        size > BYTES_MAX,
        &format!("has {size} bytes, more than {BYTES_MAX}"),
    )
}

/// Every `cargo xtask x` in a document is in the table of xtask.
pub fn commands_exist(tree: &Tree) -> Vec<String> {
    let table = tree
        .file("xtask/src/main.rs")
        .and_then(File::text)
        .unwrap_or_default();
    let exists =
        |command: &str| command == "help" || table.contains(&format!("name: \"{command}\","));
    let documents = tree
        .files()
        .iter()
        .filter(|file| file.has_end(".md") || file.path == ".ci/run");
    let mut found = Vec::new();
    for file in documents {
        for (number, line) in file.lines() {
            for rest in line.split("cargo xtask ").skip(1) {
                let command = rest
                    .split(|c: char| !c.is_ascii_lowercase())
                    .next()
                    .unwrap_or_default();
                // Otherwise it is prose, or a placeholder.
                if !command.is_empty() && !exists(command) {
                    found.push(format!(
                        "{}:{number}: there is no cargo xtask {command}",
                        file.path
                    ));
                }
            }
        }
    }
    found
}

/// Everything that has a name in a WIT file has a comment before it.
pub fn api_is_documented_in_wit(file: &File) -> Vec<String> {
    if !file.has_end(".wit") {
        return Vec::new();
    }
    let mut found = Vec::new();
    let mut is_documented = false;
    // Parameters that are on lines of their own belong to their function.
    let mut open_parentheses = 0;
    for (number, line) in file.lines() {
        let line = line.trim();
        if line.starts_with("///") {
            is_documented = true;
            continue;
        }
        if open_parentheses == 0 && !is_documented && names_something(line) {
            found.push(format!("{}:{number}: no comment before: {line}", file.path));
        }
        open_parentheses += line.matches('(').count();
        open_parentheses -= line.matches(')').count().min(open_parentheses);
        is_documented = false;
    }
    found
}

/// `package`, `use`, `import`, `export` and `include` only refer; the rest names.
fn names_something(line: &str) -> bool {
    let refers = [
        "package ", "use ", "import ", "export ", "include ", "//", "}", "@",
    ];
    !line.is_empty() && !refers.iter().any(|start| line.starts_with(start))
}

/// The same numbers and names for every database.
pub fn databases_migrate_alike(tree: &Tree) -> Vec<String> {
    let folders = ["host/migrations/sqlite/", "host/migrations/postgres/"];
    let [sqlite, postgres] = folders.map(|folder| tree.names_in(folder));
    if postgres.is_empty() {
        return Vec::new();
    }
    let lacks = |folder: &str, names: &[&str], others: &[&str], other: &str| -> Vec<String> {
        let only = names.iter().filter(|name| !others.contains(name));
        only.map(|name| format!("{folder}{name}: is not in {other}"))
            .collect()
    };
    let mut found = lacks(folders[0], &sqlite, &postgres, folders[1]);
    found.extend(lacks(folders[1], &postgres, &sqlite, folders[0]));
    found
}

pub fn licences_are_there(tree: &Tree) -> Vec<String> {
    let files = [
        ("LICENSE-MIT", "MIT License"),
        ("LICENSE-APACHE", "Apache License"),
    ];
    let is_there = |(path, title): &(&str, &str)| {
        tree.file(path)
            .and_then(File::text)
            .is_some_and(|text| text.contains(title))
    };
    let missing = files.iter().filter(|file| !is_there(file));
    missing
        .map(|(path, title)| format!("{path}: is not the {title}"))
        .collect()
}

fn one(file: &File, is_wrong: bool, what: &str) -> Vec<String> {
    is_wrong
        .then(|| format!("{}: {what}", file.path))
        .into_iter()
        .collect()
}

fn find(file: &File, marks: &[&str]) -> Vec<String> {
    let mut found = Vec::new();
    for (number, line) in file.lines() {
        for mark in marks.iter().filter(|mark| line.contains(**mark)) {
            found.push(format!("{}:{number}: has {mark}", file.path));
        }
    }
    found
}

/// The full paths of all imports: `use std::{fmt, io::Read};` gives `std::fmt` and `std::io::Read`.
fn imports(code: &str) -> Vec<String> {
    let mut found = Vec::new();
    for statement in code.split(';') {
        let Some((before, tree)) = statement.rsplit_once("use ") else {
            continue;
        };
        // A statement, not the end of a longer word.
        if before.ends_with(|c: char| c.is_whitespace()) || before.is_empty() {
            expand("", tree.trim(), &mut found);
        }
    }
    found
}

fn expand(root: &str, tree: &str, found: &mut Vec<String>) {
    let Some((start, rest)) = tree.split_once('{') else {
        let path = tree.split(" as ").next().unwrap_or(tree).trim();
        found.push(format!("{root}{path}"));
        return;
    };
    let inside = rest.rsplit_once('}').map_or(rest, |(inside, _)| inside);
    let root = format!("{root}{}", start.trim());
    let mut depth = 0;
    let parts = inside.split(|c: char| {
        match c {
            '{' => depth += 1,
            '}' => depth -= 1,
            _ => {}
        }
        c == ',' && depth == 0
    });
    for part in parts.map(str::trim).filter(|part| !part.is_empty()) {
        expand(&root, part, found);
    }
}

#[test]
fn imports_are_expanded() {
    let code = "//! A.\nuse std::{\n    fmt,\n    sync::{Arc, Mutex as M},\n};\n\npub use a::B;\nlet cause = 1;\n";
    assert_eq!(
        imports(code),
        ["std::fmt", "std::sync::Arc", "std::sync::Mutex", "a::B"]
    );
}
