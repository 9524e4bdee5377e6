//! Finds expressions in text, and names in expressions.
//!
//! Only strings, names and punctuation are told apart; everything else about
//! CEL is the evaluator's business.

use super::{Uses, path};

/// A stretch of a text.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Piece<'t> {
    Literal(&'t str),
    /// What is between `{{` and `}}`.
    Expression(&'t str),
}

/// Splits a text at its `{{ … }}`. Braces within string literals of an
/// expression do not end it, so `{{ '{{' }}` is how to write two braces.
pub(super) fn pieces(text: &str) -> Result<Vec<Piece<'_>>, String> {
    let mut pieces = Vec::new();
    let mut rest = text;
    while let Some(open) = rest.find("{{") {
        if open > 0 {
            pieces.push(Piece::Literal(&rest[..open]));
        }
        let inside = &rest[open + 2..];
        let close = closing_braces(inside).ok_or_else(|| {
            format!(
                "\"{{{{\" at byte {} has no \"}}}}\"",
                text.len() - rest.len() + open
            )
        })?;
        pieces.push(Piece::Expression(&inside[..close]));
        rest = &inside[close + 2..];
    }
    if !rest.is_empty() || pieces.is_empty() {
        pieces.push(Piece::Literal(rest));
    }
    Ok(pieces)
}

/// Where the `}}` is that ends an expression: outside of strings, comments and map literals.
fn closing_braces(text: &str) -> Option<usize> {
    let bytes = text.as_bytes();
    let mut depth = 0_usize;
    let mut at = 0;
    while at < bytes.len() {
        match bytes[at] {
            b'"' | b'\'' => at += string_length(&text[at..], is_raw(&text[..at]))?,
            b'/' if bytes.get(at + 1) == Some(&b'/') => at += comment_length(&text[at..]),
            b'{' => {
                depth += 1;
                at += 1;
            }
            b'}' if depth > 0 => {
                depth -= 1;
                at += 1;
            }
            b'}' if bytes.get(at + 1) == Some(&b'}') => return Some(at),
            _ => at += 1,
        }
    }
    None
}

/// Does the string literal after this text keep its backslashes: `r"…"`, `br"…"`, `Rb"…"`?
fn is_raw(before: &str) -> bool {
    let is_word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let word = &before[before.trim_end_matches(is_word).len()..];
    word.len() <= 2 && word.contains(['r', 'R'])
}

/// Length of the comment that `text` begins with: to the end of the line.
fn comment_length(text: &str) -> usize {
    text.find('\n').unwrap_or(text.len())
}

/// Length of the string literal that `text` begins with, its quotes included;
/// none when it does not end.
fn string_length(text: &str, is_raw: bool) -> Option<usize> {
    let quote = &text[..1];
    let triple = quote.repeat(3);
    let close = if text.starts_with(&triple) {
        triple.as_str()
    } else {
        quote
    };
    let mut at = close.len();
    while at < text.len() {
        let rest = &text[at..];
        if rest.starts_with(close) {
            return Some(at + close.len());
        }
        let mut characters = rest.chars();
        let first = characters.next()?;
        at += first.len_utf8();
        if first == '\\' && !is_raw {
            at += characters.next()?.len_utf8();
        }
    }
    None
}

/// The names that a CEL expression refers to. `nodes` must be followed by the id
/// of a node, so that what an expression depends on is known beforehand.
pub(super) fn uses(source: &str) -> Result<Uses, String> {
    let mut uses = Uses::default();
    let mut unknown: Vec<&str> = Vec::new();
    let mut bound: Vec<&str> = Vec::new();
    let mut at = 0;
    // What was before, blanks aside; '.' only when it selects a field of something.
    let mut previous = None;
    while let Some(next) = source[at..].chars().next() {
        let rest = &source[at..];
        if next == '"' || next == '\'' {
            at += string_length(rest, is_raw(&source[..at])).ok_or("string literal has no end")?;
            previous = Some('"');
        } else if rest.starts_with("//") {
            at += comment_length(rest);
        } else if next.is_ascii_alphabetic() || next == '_' {
            let name = path::name(rest);
            at += name.len();
            let is_string_prefix = name.len() <= 2 && source[at..].starts_with(['"', '\'']);
            if previous != Some('.') && !is_string_prefix {
                let after = source[at..].trim_start();
                // The variable of a macro: `rows.filter(row, …)`.
                if matches!(previous, Some('(' | ',')) && after.starts_with(',') {
                    bound.push(name);
                } else if !is_declared(name) && !after.starts_with('(') {
                    unknown.push(name);
                }
                at += note(name, &source[at..], &mut uses)?;
            }
            previous = Some('a');
        } else {
            at += next.len_utf8();
            let is_operand = |c: char| c.is_alphanumeric() || matches!(c, ')' | ']' | '}' | '"');
            if next == '.' && !previous.is_some_and(is_operand) {
                // A leading dot only says that the name after it is a root.
            } else if next == '?' && previous == Some('.') {
                // An optional field: `input.?name`.
            } else if !next.is_whitespace() {
                previous = Some(next);
            }
        }
    }
    match unknown.into_iter().find(|name| !bound.contains(name)) {
        Some(name) => Err(format!(
            "there is no {name:?} here; there are {}",
            ROOTS.join(", ")
        )),
        None => Ok(uses),
    }
}

/// What expressions are about.
const ROOTS: &[&str] = &["input", "context", "nodes", "item"];

/// Names that stand for something without being declared: roots, literals, operators, types.
fn is_declared(name: &str) -> bool {
    const LANGUAGE: &[&str] = &[
        "true",
        "false",
        "null",
        "in",
        "int",
        "uint",
        "double",
        "bool",
        "string",
        "bytes",
        "list",
        "map",
        "type",
        "null_type",
        "math",
        "optional",
        "google",
    ];
    ROOTS.contains(&name) || LANGUAGE.contains(&name)
}

/// Notes a root name; returns how many bytes after it belong to it.
fn note(name: &str, after: &str, uses: &mut Uses) -> Result<usize, String> {
    match name {
        "input" => uses.input = true,
        "context" => uses.context = true,
        "item" => uses.item = true,
        "nodes" => {
            let (step, length) = path::step(after).ok_or(
                "\"nodes\" must be followed by the id of a node: nodes.<id> or nodes[\"<id>\"]",
            )?;
            let node = path::node_id(&step)?;
            if !uses.nodes.contains(&node) {
                uses.nodes.push(node);
            }
            return Ok(length);
        }
        _ => {}
    }
    Ok(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_splits_at_expressions() {
        assert_eq!(
            pieces("a {{ b }} c").unwrap(),
            [
                Piece::Literal("a "),
                Piece::Expression(" b "),
                Piece::Literal(" c")
            ]
        );
        assert_eq!(pieces("").unwrap(), [Piece::Literal("")]);
        assert_eq!(pieces("{{ '}}' }}").unwrap(), [Piece::Expression(" '}}' ")]);
        assert_eq!(
            pieces("{{ {'a': {'b': 1}} }}").unwrap(),
            [Piece::Expression(" {'a': {'b': 1}} ")]
        );
        assert!(pieces("x {{ y }").unwrap_err().contains("byte 2"));
        assert!(pieces("{{ 'y }}").is_err());
    }

    #[test]
    fn names_are_found_outside_of_strings_and_fields() {
        let uses = uses("size(nodes.a.output) + nodes['b-c'].output.input > 1 && 'item' != r'\\' ? 'x'.context : item")
            .unwrap();
        assert_eq!(uses.nodes.len(), 2);
        assert_eq!(uses.nodes[1].as_str(), "b-c");
        assert!(uses.item && !uses.input && !uses.context);
    }

    #[test]
    fn unknown_names_are_refused_and_those_of_macros_are_not() {
        for good in [
            "input.rows.filter(row, row.late > 60).map(r, r.id)",
            "[1, 2].exists( x , x == 1) && size(input.a) > 0",
            "input.?name.orValue('x') == string(1) || null == input.b",
            "{'nope': true}",
        ] {
            assert!(uses(good).is_ok(), "{good}: {:?}", uses(good));
        }
        for bad in [
            "inputs",
            "my_input + input2 + Item",
            "nope + 1",
            "input.a == nope",
            "row.late > 60",
            "{nope: 1}",
            "[nope]",
        ] {
            assert!(uses(bad).unwrap_err().contains("there is no"), "{bad}");
        }
    }

    #[test]
    fn nodes_needs_an_id() {
        for bad in [
            "nodes",
            "nodes.map(n, n)",
            "nodes[input.x]",
            "size(nodes)",
            "nodes['a b'].output",
        ] {
            assert!(uses(bad).is_err(), "{bad}");
        }
    }
}
