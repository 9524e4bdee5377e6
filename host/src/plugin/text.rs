//! Keeping what guests say at a bearable length.

/// The text, cut to `chars_max` characters with a mark where something is missing.
pub(super) fn shorten(mut text: String, chars_max: usize) -> String {
    if let Some((end, _)) = text.char_indices().nth(chars_max) {
        text.truncate(end);
        text.push('…');
    }
    text
}
