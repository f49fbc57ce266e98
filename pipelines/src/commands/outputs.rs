//! Files that a command is to write: none that it reads, and none that is something else. Asked before the long work.

use std::collections::HashSet;
use std::fs::{self, File};
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use snarm_core::files;
use snarm_core::paths::text;

/// Bytes of a file by which its kind is told, where it has no header that says its length.
const BEGINNING: u64 = 1 << 16;

/// Most bytes of a header that are read.
const HEADER: u64 = 64 << 20;

/// Width and height of the drawings of `snarm limits` in PNG.
pub(crate) const PLOT: [u32; 2] = [1520, 660];

/// What a file that is to be written holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Holds {
    Bank,
    Decoder,
    Encoder,
    /// A file of ours or of the published program.
    Converted,
    Json,
    /// A page in HTML.
    Page,
    /// A drawing in SVG.
    Drawing,
    /// A drawing of `snarm limits` in PNG, which other pictures are not taken for.
    Plot,
    /// The course of a training.
    Course,
    Picture,
}

impl Holds {
    /// What the errors call it.
    fn name(self) -> &'static str {
        match self {
            Self::Bank => "a bank",
            Self::Decoder => "a decoder",
            Self::Encoder => "an encoder that was distilled",
            Self::Converted => "a bank, a decoder or their published counterparts",
            Self::Json => "JSON",
            Self::Page => "a page in HTML",
            Self::Drawing => "a drawing in SVG",
            Self::Plot => "a drawing of limits in PNG",
            Self::Course => "the course of a training",
            Self::Picture => "a picture",
        }
    }

    /// Whether a file that begins so is one.
    fn is_in(self, start: &[u8]) -> bool {
        let mark = |word: &str| is_safetensors(start) && has(start, word);
        let trimmed = start.trim_ascii_start();
        let begins = |word: &str| {
            trimmed.get(..word.len()).is_some_and(|first| first.eq_ignore_ascii_case(word.as_bytes()))
        };
        match self {
            Self::Bank => mark("snarm-bank"),
            Self::Decoder => mark("snarm-decoder"),
            Self::Encoder => mark("snarm-encoder"),
            // A decoder that came from a checkpoint has nothing of ours but the names of its tensors.
            Self::Converted => {
                mark("snarm-bank") || mark("snarm-decoder") || mark("\"head_list.0.") || is_torch(start)
            }
            Self::Json => matches!(trimmed.first(), Some(b'{' | b'[')),
            Self::Page => begins("<!doctype html") || begins("<html"),
            Self::Drawing => begins("<svg"),
            Self::Plot => is_png_of(start, PLOT),
            Self::Course => begins("step,"),
            Self::Picture => image::guess_format(start).is_ok(),
        }
    }
}

/// Whether a file begins as a PNG of this width and height does.
fn is_png_of(start: &[u8], [width, height]: [u32; 2]) -> bool {
    let size = [width.to_be_bytes(), height.to_be_bytes()].concat();
    start.starts_with(b"\x89PNG") && start.get(16..24) == Some(&size[..])
}

/// Whether a file begins as safetensors do: with the length of a header, and the header.
pub(super) fn is_safetensors(start: &[u8]) -> bool {
    start.get(8) == Some(&b'{') && start.get(4..8) == Some(&[0; 4])
}

/// Whether a file begins as those of PyTorch do: an archive or a pickle.
pub(super) fn is_torch(start: &[u8]) -> bool {
    start.starts_with(b"PK") || start.first() == Some(&0x80)
}

/// Whether a word is among the first bytes of a file.
pub(super) fn has(start: &[u8], word: &str) -> bool {
    start.windows(word.len()).any(|bytes| bytes == word.as_bytes())
}

/// The first bytes of a file, its header among them where it has one.
pub(super) fn beginning(path: &Path) -> io::Result<Vec<u8>> {
    let (mut file, mut start) = (File::open(path)?, Vec::new());
    (&mut file).take(BEGINNING).read_to_end(&mut start)?;
    if is_safetensors(&start)
        && let Some(length) = start.first_chunk().map(|bytes| u64::from_le_bytes(*bytes))
    {
        let rest = length.saturating_add(8).min(HEADER).saturating_sub(start.len() as u64);
        file.take(rest).read_to_end(&mut start)?;
    }
    Ok(start)
}

/// What a file is by its first bytes, in a word or two.
fn what(start: &[u8]) -> String {
    let ours = [("snarm-bank", "a bank"), ("snarm-decoder", "a decoder"), ("snarm-encoder", "an encoder")];
    if is_safetensors(start) {
        let found = ours.iter().find(|(word, _)| has(start, word));
        return found.map_or("a file of weights", |(_, name)| name).to_owned();
    }
    if let Ok(format) = image::guess_format(start) {
        let name = format.extensions_str().first().copied().unwrap_or_default();
        return format!("a picture ({name})");
    }
    let is_clip = start.starts_with(&[0x1a, 0x45, 0xdf, 0xa3]) || start.get(4..8) == Some(b"ftyp");
    let is_text = |start: &[u8]| {
        let end = start.iter().rposition(u8::is_ascii).map_or(0, |last| last + 1);
        std::str::from_utf8(&start[..end]).is_ok() && !start.contains(&0)
    };
    match start {
        _ if is_clip => "a clip",
        _ if is_torch(start) => "an archive or a pickle",
        _ if Holds::Json.is_in(start) => "JSON",
        _ if is_text(start) => "a text",
        _ => "a file of another kind",
    }
    .to_owned()
}

/// Files that are read, whatever names and links lead to them.
#[derive(Debug, Default)]
pub(crate) struct Inputs(HashSet<(u64, u64)>);

impl Inputs {
    /// Those of these paths that lead to a file.
    pub(crate) fn of<'a>(paths: impl IntoIterator<Item = &'a Path>) -> Self {
        Self(paths.into_iter().filter_map(id).collect())
    }

    fn have(&self, path: &Path) -> bool {
        id(path).is_some_and(|id| self.0.contains(&id))
    }

    /// Refuses to write to a file that is read.
    fn spare(&self, option: &str, path: &Path) -> Result<()> {
        if self.have(path) {
            bail!("{option}: expected a file that is not read as well, found an input: {}", text(path));
        }
        Ok(())
    }
}

/// What a file is known by; nothing of what is no file.
fn id(path: &Path) -> Option<(u64, u64)> {
    let found = fs::metadata(path).ok().filter(fs::Metadata::is_file)?;
    Some((found.dev(), found.ino()))
}

/// Refuses to write to a file that is read, or that holds something else. Devices, FIFOs and what a program has open are
/// written into; nothing is lost there.
pub(crate) fn check(option: &str, path: &Path, holds: Holds, inputs: &Inputs) -> Result<()> {
    // What cannot be looked at cannot be written either, and whoever writes it says why.
    let Ok(Some(old)) = files::replaced(path) else { return Ok(()) };
    inputs.spare(option, &old)?;
    let start = match beginning(&old) {
        Ok(start) => start,
        Err(reason) if reason.kind() == io::ErrorKind::PermissionDenied => return Ok(()),
        Err(reason) => return Err(reason).with_context(|| format!("cannot read {}", text(path))),
    };
    if start.is_empty() || holds.is_in(&start) {
        return Ok(());
    }
    let (expected, found) = (holds.name(), what(&start));
    bail!("{option}: expected a new file, or {expected} to replace, found {found}: {}", text(path))
}

/// As [`check`], for a file that is continued: what it holds will be seen.
pub(crate) fn check_continued(option: &str, path: &Path, inputs: &Inputs) -> Result<()> {
    files::replaced(path).ok().flatten().map_or(Ok(()), |old| inputs.spare(option, &old))
}

/// Refuses to write files into a folder where one of them is read, or lies there already without `mark`, the file that every
/// run leaves there.
pub(crate) fn check_folder(
    option: &str,
    folder: &Path,
    mark: &str,
    files: impl IntoIterator<Item = PathBuf>,
    inputs: &Inputs,
) -> Result<()> {
    let is_ours = folder.join(mark).is_file();
    for file in files {
        inputs.spare(option, &file)?;
        if !is_ours && file.is_file() {
            bail!(
                "{option}: expected a new folder, or that of an earlier run with its {mark}, found a file that would be \
                 replaced: {}",
                text(&file)
            );
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    fn safetensors(format: &str, length: u64) -> Vec<u8> {
        let padding = " ".repeat(length as usize);
        let header = format!("{{\"__metadata__\":{{\"a\":\"{padding}\",\"format\":\"{format}\"}}}}");
        [&(header.len() as u64).to_le_bytes()[..], header.as_bytes()].concat()
    }

    #[test]
    fn files_are_replaced_by_their_kind_alone() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("out");
        let ask = |content: &[u8], holds: Holds| {
            std::fs::write(&path, content).unwrap();
            check("--out", &path, holds, &Inputs::default()).map_err(|reason| reason.to_string())
        };
        // Names may come after a long list of scores.
        for (content, holds) in [
            (safetensors("snarm-bank", 200_000), Holds::Bank),
            (safetensors("snarm-decoder", 10), Holds::Decoder),
            (safetensors("snarm-decoder", 10), Holds::Converted),
            (safetensors("snarm-encoder", 10), Holds::Encoder),
            (safetensors("\",\"head_list.0.0.conv.weight\":\"", 10), Holds::Converted),
            (b"PK\x03\x04".to_vec(), Holds::Converted),
            (b"\n{\"mean\":{}}".to_vec(), Holds::Json),
            (b"<!doctype html>".to_vec(), Holds::Page),
            (b"<svg xmlns=".to_vec(), Holds::Drawing),
            (b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\x05\xf0\0\0\x02\x94".to_vec(), Holds::Plot),
            (b"step,loss\n".to_vec(), Holds::Course),
            (b"\x89PNG\r\n\x1a\n".to_vec(), Holds::Picture),
            (Vec::new(), Holds::Bank),
        ] {
            assert_eq!(ask(&content, holds), Ok(()), "{holds:?}");
        }
        for (content, holds, found) in [
            (&b"\x89PNG\r\n\x1a\n"[..], Holds::Bank, "found a picture (png)"),
            (b"\xff\xd8\xff\xe0\0\x10JFIF", Holds::Json, "found a picture (jpg)"),
            (&safetensors("snarm-decoder", 10)[..], Holds::Bank, "found a decoder"),
            (&safetensors("pt", 10)[..], Holds::Encoder, "found a file of weights"),
            (b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\x05\0\0\0\x03\0", Holds::Plot, "found a picture (png)"),
            (b"{\"mean\":{}}", Holds::Bank, "found JSON"),
            ("Prüfung\n".as_bytes(), Holds::Page, "found a text"),
            (b"\x1a\x45\xdf\xa3\x01", Holds::Drawing, "found a clip"),
            (b"\0\x01\x02", Holds::Course, "found a file of another kind"),
        ] {
            let message = ask(content, holds).unwrap_err();
            assert!(message.contains(holds.name()) && message.contains(found), "{holds:?}: {message}");
        }
        // Nothing is lost in a device.
        check("--out", Path::new("/dev/null"), Holds::Bank, &Inputs::default()).unwrap();
        check("--out", &dir.path().join("none/new"), Holds::Bank, &Inputs::default()).unwrap();
    }

    #[test]
    fn inputs_are_known_by_whatever_name() {
        let dir = tempfile::tempdir().unwrap();
        let [read, link, hard] = ["read", "link", "hard"].map(|name| dir.path().join(name));
        std::fs::write(&read, safetensors("snarm-bank", 10)).unwrap();
        symlink("read", &link).unwrap();
        std::fs::hard_link(&read, &hard).unwrap();
        let inputs = Inputs::of([read.as_path(), Path::new("/dev/null")]);
        for path in [&read, &link, &hard] {
            let message = check("--out", path, Holds::Bank, &inputs).unwrap_err().to_string();
            assert!(message.contains("--out: expected a file that is not read as well"), "{message}");
            check_continued("--out", path, &inputs).unwrap_err();
            check_folder("--out", dir.path(), "mark", [path.clone()], &inputs).unwrap_err();
        }
        check("--out", Path::new("/dev/null"), Holds::Bank, &inputs).unwrap();
    }

    #[test]
    fn folders_are_written_to_where_a_run_left_its_mark() {
        let dir = tempfile::tempdir().unwrap();
        let ask = || {
            let files = ["0.png", "1.png"].map(|name| dir.path().join(name));
            check_folder("--out", dir.path(), "nearest.json", files, &Inputs::default())
        };
        ask().unwrap();
        std::fs::write(dir.path().join("1.png"), "").unwrap();
        let message = ask().unwrap_err().to_string();
        assert!(message.contains("with its nearest.json") && message.ends_with("1.png"), "{message}");
        std::fs::write(dir.path().join("nearest.json"), "{}").unwrap();
        ask().unwrap();
    }
}
