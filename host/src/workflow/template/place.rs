//! Places in a document, written out as JSON Pointers only when somebody asks.

use std::iter;

/// Longest pointer that is written out, in bytes; a longer one is cut. Names are input
/// from outside, and there may be many pointers below a long one.
const POINTER_BYTES_MAX: usize = 500;

/// A place, linked to the place around it.
#[derive(Clone, Copy)]
pub(super) struct Place<'p> {
    parent: Option<&'p Place<'p>>,
    token: Token<'p>,
}

#[derive(Clone, Copy)]
enum Token<'p> {
    Name(&'p str),
    Index(usize),
}

impl<'p> Place<'p> {
    pub(super) const ROOT: Place<'static> = Place {
        parent: None,
        token: Token::Index(0),
    };

    pub(super) fn name(&'p self, name: &'p str) -> Place<'p> {
        let token = Token::Name(name);
        Place {
            parent: Some(self),
            token,
        }
    }

    pub(super) fn index(&'p self, index: usize) -> Place<'p> {
        let token = Token::Index(index);
        Place {
            parent: Some(self),
            token,
        }
    }

    /// Levels below the root.
    pub(super) fn depth(&self) -> usize {
        self.up().count()
    }

    /// As a JSON Pointer.
    pub(super) fn pointer(&self) -> String {
        let tokens: Vec<_> = self.up().map(|place| place.token).collect();
        let mut pointer = String::new();
        for token in tokens.into_iter().rev() {
            pointer.push('/');
            match token {
                Token::Name(name) => pointer.push_str(&escape_pointer(start(name))),
                Token::Index(index) => pointer.push_str(&index.to_string()),
            }
            if pointer.len() > POINTER_BYTES_MAX {
                pointer.truncate(start(&pointer).len());
                pointer.push('…');
                break;
            }
        }
        pointer
    }

    /// This place and those around it, without the root.
    fn up(&self) -> impl Iterator<Item = &Place<'p>> {
        let around = |place: &&Place<'p>| place.parent;
        iter::successors(Some(self), around).filter(|place| place.parent.is_some())
    }
}

/// A reference token of a JSON Pointer (RFC 6901).
pub fn escape_pointer(token: &str) -> String {
    token.replace('~', "~0").replace('/', "~1")
}

/// As much of a text as may be in a pointer.
fn start(text: &str) -> &str {
    &text[..text.floor_char_boundary(POINTER_BYTES_MAX)]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pointer_names_every_level() {
        let root = Place::ROOT;
        let (rows, second);
        rows = root.name("rows/~");
        second = rows.index(2);
        assert_eq!(root.pointer(), "");
        assert_eq!(second.pointer(), "/rows~1~0/2");
        assert_eq!((root.depth(), second.depth()), (0, 2));
    }

    #[test]
    fn a_long_pointer_is_cut() {
        let name = "ä".repeat(10_000);
        let pointer = Place::ROOT.name(&name).name("b").pointer();
        assert!(
            pointer.len() < POINTER_BYTES_MAX + 4 && pointer.ends_with('…'),
            "{pointer}"
        );
    }
}
