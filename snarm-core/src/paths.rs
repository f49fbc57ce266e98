//! Paths as text, lossless whatever bytes they hold, and safe to print.
//!
//! In the text a backslash is `\\`, and a byte that belongs to no UTF-8 text or to a control character is `\xNN` (two
//! hexadecimal digits). All else stands as it is, so paths without any of these are their own text. Messages and files of
//! results hold paths in this form.

use std::borrow::Cow;
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};

/// The text of `path`.
pub fn text(path: impl AsRef<OsStr>) -> String {
    let mut text = String::new();
    let escape = |text: &mut String, bytes: &[u8]| {
        bytes.iter().for_each(|byte| text.push_str(&format!("\\x{byte:02x}")));
    };
    for chunk in path.as_ref().as_encoded_bytes().utf8_chunks() {
        for c in chunk.valid().chars() {
            match c {
                '\\' => text.push_str("\\\\"),
                c if c.is_control() => escape(&mut text, c.encode_utf8(&mut [0; 4]).as_bytes()),
                c => text.push(c),
            }
        }
        escape(&mut text, chunk.invalid());
    }
    text
}

/// The path whose text is `text`. A backslash that begins no escape stands for itself.
pub fn path(text: &str) -> PathBuf {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&first, after)) = rest.split_first() {
        let digit = |i: usize| after.get(i).and_then(|&byte| char::from(byte).to_digit(16));
        let (byte, used) = match (first, after.first(), digit(1), digit(2)) {
            (b'\\', Some(b'\\'), ..) => (b'\\', 1),
            (b'\\', Some(b'x'), Some(high), Some(low)) => ((16 * high + low) as u8, 3),
            _ => (first, 0),
        };
        bytes.push(byte);
        rest = &after[used..];
    }
    OsString::from_vec(bytes).into()
}

/// The path that a user or a file names: the file of exactly that name, if there is one, else the path whose text it is.
pub fn named(name: &str) -> PathBuf {
    let literal = PathBuf::from(name);
    if literal.exists() { literal } else { path(name) }
}

/// What names a file, or something else that has a name, such as an encoder, as text for [`named`]: text as it stands, and
/// other bytes escaped.
pub fn name(path: &Path) -> Cow<'_, str> {
    path.to_str().map_or_else(|| text(path).into(), Cow::Borrowed)
}

#[cfg(test)]
mod tests {
    use std::os::unix::ffi::OsStrExt;

    use super::*;

    #[test]
    fn every_path_comes_back_from_its_text() {
        for (bytes, expected) in [
            (&b"line 1/a.png"[..], "line 1/a.png"),
            ("Prüfung/好.png".as_bytes(), "Prüfung/好.png"),
            (b"a\xff.png", "a\\xff.png"),
            (b"a\\xff.png", "a\\\\xff.png"),
            (b"\xc3\x28\xe5\xa5", "\\xc3(\\xe5\\xa5"),
            (b"two\nlines\x1b[31m\x7f", "two\\x0alines\\x1b[31m\\x7f"),
            ("\u{9b}c1".as_bytes(), "\\xc2\\x9bc1"),
            ("\u{fffd}".as_bytes(), "\u{fffd}"),
            (b"", ""),
        ] {
            assert_eq!(text(OsStr::from_bytes(bytes)), expected);
            assert_eq!(path(expected).as_os_str().as_bytes(), bytes, "{expected}");
        }
    }

    #[test]
    fn the_name_of_a_path_leads_to_it() {
        let bytes = OsStr::from_bytes(b"a\\b\xff+c@24");
        assert_eq!(named(&name(Path::new(bytes))), bytes);
        // An encoder, or an escape that somebody wrote.
        for text in ["vit+snarm-tiny@24", "a\\xff.png"] {
            assert_eq!(name(Path::new(text)), text);
        }
    }

    #[test]
    fn a_backslash_that_begins_no_escape_stands_for_itself() {
        assert_eq!(path("a\\b\\x4").as_os_str().as_bytes(), b"a\\b\\x4");
    }
}
