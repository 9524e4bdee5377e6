//! JSON text, written once from the first byte to the last.
//!
//! Documents (inputs, outputs, schemas, …) come from the engine as JSON text, possibly megabytes of
//! it. They go into the reply as they are, copied once, neither parsed nor checked again.

use serde::Serialize;

/// Writes an object into a text of its own.
pub fn object(build: impl FnOnce(&mut Object)) -> Vec<u8> {
    object_sized(0, build)
}

/// Writes an object whose documents have about `bytes` in all, so that the text need not move while
/// it grows.
pub fn object_sized(bytes: usize, build: impl FnOnce(&mut Object)) -> Vec<u8> {
    let mut text = Vec::with_capacity(bytes + FIELDS_BYTES);
    write_object(&mut text, build);
    text
}

/// What the fields of an object around its documents take: a few hundred bytes.
pub const FIELDS_BYTES: usize = 512;

/// A list of objects with the cursor of the page after it: `{"items": […], "next": …}`.
pub fn page<T, N: Serialize>(items: &[T], next: N, fields: impl Fn(&mut Object, &T)) -> Vec<u8> {
    page_sized(0, items, next, fields)
}

/// A page whose documents have about `bytes` in all.
pub fn page_sized<T, N: Serialize>(
    bytes: usize,
    items: &[T],
    next: N,
    fields: impl Fn(&mut Object, &T),
) -> Vec<u8> {
    object_sized(bytes, |page| {
        page.objects("items", items, fields);
        page.field("next", next);
    })
}

/// An object while it is written; fields appear in the order in which they are given.
pub struct Object<'a> {
    text: &'a mut Vec<u8>,
    is_empty: bool,
}

impl Object<'_> {
    /// A field with a plain value; none is null.
    ///
    /// # Panics
    ///
    /// When the value cannot be JSON, which no string, number or option of them can.
    pub fn field(&mut self, name: &str, value: impl Serialize) {
        self.name(name);
        write(self.text, &value);
    }

    /// A field with a document, which is JSON text already.
    pub fn document(&mut self, name: &str, json: &str) {
        self.name(name);
        self.text.extend_from_slice(json.as_bytes());
    }

    /// A field with a document or null.
    pub fn optional_document(&mut self, name: &str, json: Option<&str>) {
        self.document(name, json.unwrap_or("null"));
    }

    /// A field with an object.
    pub fn object(&mut self, name: &str, build: impl FnOnce(&mut Object)) {
        self.name(name);
        write_object(self.text, build);
    }

    /// A field with an array of objects.
    pub fn objects<T>(&mut self, name: &str, items: &[T], fields: impl Fn(&mut Object, &T)) {
        self.name(name);
        self.text.push(b'[');
        for (index, item) in items.iter().enumerate() {
            if index > 0 {
                self.text.push(b',');
            }
            write_object(self.text, |object| fields(object, item));
        }
        self.text.push(b']');
    }

    fn name(&mut self, name: &str) {
        if !std::mem::take(&mut self.is_empty) {
            self.text.push(b',');
        }
        write(self.text, name);
        self.text.push(b':');
    }
}

/// Writes an object to the end of a text.
pub fn write_object(text: &mut Vec<u8>, build: impl FnOnce(&mut Object)) {
    text.push(b'{');
    build(&mut Object {
        text,
        is_empty: true,
    });
    text.push(b'}');
}

fn write(text: &mut Vec<u8>, value: &(impl Serialize + ?Sized)) {
    serde_json::to_writer(text, value).expect("plain values are JSON, and memory takes every byte");
}

#[cfg(test)]
mod tests {
    use super::{object, page};

    #[test]
    fn writes_fields_in_order() {
        let text = object(|object| {
            object.field("text", "a\"\n\u{1}ä");
            object.field("none", None::<&str>);
            object.field("number", 0.25_f32);
            object.field("nan", f32::NAN);
            object.document("raw", "{\"kept\" : 1.0}");
            object.optional_document("null", None);
            object.objects("list", &[1, 2], |object, n| object.field("n", n));
            object.objects("empty", &[(); 0], |_, ()| {});
            object.object("one", |object| object.field("n", 3));
        });
        assert_eq!(
            String::from_utf8(text).unwrap(),
            "{\"text\":\"a\\\"\\n\\u0001ä\",\"none\":null,\"number\":0.25,\"nan\":null,\
             \"raw\":{\"kept\" : 1.0},\"null\":null,\"list\":[{\"n\":1},{\"n\":2}],\"empty\":[],\"one\":{\"n\":3}}"
        );
    }

    #[test]
    fn pages_have_items_and_next() {
        let next = Some("c");
        let text = page(&["x"], next, |object, id| object.field("id", id));
        assert_eq!(text, b"{\"items\":[{\"id\":\"x\"}],\"next\":\"c\"}");
        let text = page(&[(); 0], None::<String>, |_, ()| {});
        assert_eq!(text, b"{\"items\":[],\"next\":null}");
    }
}
