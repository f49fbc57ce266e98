//! Where frames come from: image files, folders, patterns, clips. One visitor walks through all of them.

mod made;
mod names;
mod range;
mod video;

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, anyhow, bail};
use snarm_core::dataset::{self, Depth, Picture, Reading, Walk};
use snarm_core::files;
use snarm_core::frame::Frame;
use snarm_core::paths::text;

use made::Made;
pub(crate) use made::{ANNOTATED, NEAREST, ODD, RESULTS};
use names::Names;
pub(crate) use range::Ranges;
pub(crate) use video::{Shown, Video};

use crate::progress::Progress;

/// Fewest bits that samples are taken for.
const FEWEST: u8 = 8;

/// Pictures that are read to see whether samples are dark.
const LOOKED_AT: usize = 8;

/// One sample of so many is few.
const FEW: usize = 1000;

/// Something to look at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Source {
    /// One image file.
    Still {
        path: PathBuf,
        /// Name for files made from it: its path below what was asked for, without ending.
        name: PathBuf,
    },
    /// A clip.
    Clip {
        path: PathBuf,
        /// Name of the folder for files made from it, as that of an image.
        name: PathBuf,
    },
}

impl Source {
    /// The file.
    pub(crate) fn path(&self) -> &Path {
        match self {
            Self::Still { path, .. } | Self::Clip { path, .. } => path,
        }
    }
}

/// Which frames are wanted.
#[derive(Debug, Clone, Default)]
pub(crate) struct Selection {
    /// Stretches of clips.
    pub(crate) ranges: Ranges,
    /// Each so many-th frame; 0 and 1 are all.
    pub(crate) interval: usize,
    /// At most so many frames; 0 is no limit.
    pub(crate) max_frames: usize,
    /// Whether image files that cannot be read are passed over with a warning.
    pub(crate) skip_unreadable: bool,
    /// How image files are read.
    pub(crate) reading: Reading,
}

/// One frame on its way past the visitor.
pub(crate) struct Item<'a> {
    pub(crate) source: &'a Path,
    /// Name for files made from it, which no other frame of the sources has.
    pub(crate) name: PathBuf,
    /// Name of its clip, which no other one has.
    pub(crate) clip: Option<&'a Path>,
    /// Number of the frame in its clip, or of the image.
    pub(crate) number: u64,
    /// Time in the clip, in nanoseconds.
    pub(crate) time: Option<u64>,
    pub(crate) frame: Frame<'a>,
}

/// What went past.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Seen {
    /// Frames visited.
    pub(crate) frames: usize,
    /// Files that could not be read.
    pub(crate) skipped: usize,
    /// Clips of which frames are missing, or were not read, as far as it can be known.
    pub(crate) incomplete: usize,
}

/// Turns arguments into sources: a folder is all images below it, a name with `*` or `?` is the files it matches and what
/// the folders it matches hold, a file is an image or a clip by its ending. Each file comes once, whatever names and links
/// lead to it; what is left out of folders is told in the log, and so is what earlier runs made there.
pub(crate) fn resolve(arguments: &[PathBuf]) -> Result<Vec<Source>> {
    let (mut walk, mut files, mut made) = (Walk::new(), Vec::new(), Made::default());
    for path in arguments {
        let met = walk.left_out.again.len();
        let (found, root) = if path.is_dir() {
            (made.leave_out(walk.folder(path)?, path), path.clone())
        } else if path.is_file() {
            let first = walk.file(path);
            (first.then(|| path.clone()).into_iter().collect(), path.parent().unwrap_or(path).to_owned())
        } else if dataset::is_pattern(path) {
            let root = fixed_part(path);
            (made.leave_out(walk.pattern(path)?, &root), root)
        } else {
            return Err(unusable(path));
        };
        if found.is_empty() && walk.left_out.again.len() == met {
            return Err(nothing_in(path, &walk, &made));
        }
        files.extend(found.into_iter().map(|found| (found, root.clone())));
    }
    walk.left_out.warn();
    if !made.is_empty() {
        tracing::warn!("left out: {made}");
    }
    Ok(named(files))
}

/// Sources with names for what is made from them. Images come first: the folder of a clip is none that they lie in.
fn named(found: Vec<(PathBuf, PathBuf)>) -> Vec<Source> {
    let mut names = Names::default();
    let of_stills: Vec<Option<PathBuf>> =
        found.iter().map(|(path, root)| dataset::is_image(path).then(|| names.still(path, root))).collect();
    let sources = found.into_iter().zip(of_stills).map(|((path, root), name)| match name {
        Some(name) => Source::Still { path, name },
        None => Source::Clip { name: names.clip(&path, &root), path },
    });
    sources.collect()
}

/// The error for a name that no image, clip, folder or pattern has.
fn unusable(path: &Path) -> anyhow::Error {
    let name = if path.as_os_str().is_empty() { "''".to_owned() } else { text(path) };
    let found = match std::fs::metadata(path) {
        Ok(found) => files::kind(&found).to_owned(),
        Err(reason) if reason.kind() != ErrorKind::NotFound => format!("what cannot be read ({reason})"),
        Err(_) if path.is_symlink() => "a link to nothing".to_owned(),
        Err(_) => "nothing of that name".to_owned(),
    };
    anyhow!("expected an image, a clip, a folder or a pattern, found {found}: {name}")
}

/// The error for a folder or pattern that leads to nothing.
fn nothing_in(path: &Path, walk: &Walk, made: &Made) -> anyhow::Error {
    let mut left_out =
        if walk.left_out.is_empty() { String::new() } else { format!("; left out: {}", walk.left_out) };
    if !made.is_empty() {
        left_out += &format!("; left out: {made}");
    }
    let name = text(path);
    if path.is_dir() {
        let endings = dataset::IMAGE_ENDINGS.join(", ");
        anyhow!("expected images ({endings}), found none in folder {name}{left_out}")
    } else {
        anyhow!("expected files that match the pattern, found none: {name}{left_out}")
    }
}

/// The folders of a pattern before the first wildcard.
fn fixed_part(pattern: &Path) -> PathBuf {
    pattern.components().take_while(|c| !dataset::is_pattern(c)).collect()
}

/// Finds out how many bits samples of 16 bits hold in the images among `sources` that are wanted, where nobody said it, and
/// tells of it.
pub(crate) fn find_bits(sources: &[Source], wanted: &mut Selection) -> Result<()> {
    if wanted.reading.bits.is_some() {
        return Ok(());
    }
    let stills = sources.iter().filter_map(|source| match source {
        Source::Still { path, .. } => Some(path.clone()),
        Source::Clip { .. } => None,
    });
    let most = if wanted.max_frames == 0 { usize::MAX } else { wanted.max_frames };
    let stills: Vec<PathBuf> = stills.step_by(wanted.interval.max(1)).take(most).collect();
    let depth = dataset::depth_of(&stills, &wanted.reading)?;
    wanted.reading.bits = depth.bits();
    tell(&depth, &stills, &wanted.reading);
    Ok(())
}

/// Tells what samples of 16 bits in some pictures are taken for, where that is less than they could hold, and where nearly
/// all of them are so dark that a few bright ones, such as hot pixels, may have decided it.
pub(crate) fn tell(depth: &Depth, pictures: &[PathBuf], reading: &Reading) {
    let Some(bits) = reading.bits.filter(|_| depth.pictures > 0) else { return };
    let (n, largest, white) = (depth.pictures, depth.largest, u16::MAX >> (16 - bits.clamp(1, 16)));
    if bits < 16 {
        tracing::warn!(
            "{n} image(s) have samples of 16 bits, of which the greatest is {largest}: read as {bits} bits, with white at \
             {white} (--bits names another number)"
        );
    }
    if bits > FEWEST && are_dark(pictures, reading) {
        tracing::warn!(
            "nearly all samples are below a quarter of white, which is at {white}, since the greatest of them is {largest}: a \
             few, such as hot pixels, may have made it {bits} bits (--bits names another number)"
        );
    }
}

/// Whether of the samples of some pictures, a few of which are read, next to none reach a quarter of white.
fn are_dark(pictures: &[PathBuf], reading: &Reading) -> bool {
    let most = pictures.len().min(LOOKED_AT);
    let chosen = (0..most).filter_map(|i| pictures.get(i * pictures.len() / most));
    let (mut bright, mut all) = (0, 0);
    // Pictures that cannot be read say so elsewhere.
    for picture in chosen.filter_map(|path| Picture::read(path, reading).ok()) {
        bright += picture.data.iter().filter(|sample| **sample > u8::MAX / 4).count();
        all += picture.data.len();
    }
    all > 0 && bright.saturating_mul(FEW) <= all
}

/// Shows every wanted frame of `sources` to `look`.
pub(crate) fn visit(
    sources: &[Source],
    wanted: &Selection,
    progress: &Progress,
    look: &mut dyn FnMut(&Item<'_>) -> Result<()>,
) -> Result<Seen> {
    let mut seen = Seen::default();
    let n_stills = sources.iter().filter(|s| matches!(s, Source::Still { .. })).count();
    progress.expect(if n_stills == sources.len() { Some(n_stills) } else { None });
    let mut still_number = 0;
    for source in sources {
        if wanted.max_frames > 0 && seen.frames >= wanted.max_frames {
            break;
        }
        match source {
            Source::Clip { path, name } => {
                let clip = Clip { path, name, is_alone: sources.len() == 1 };
                visit_clip(&clip, wanted, progress, look, &mut seen)?;
            }
            Source::Still { path, name } => {
                progress.step();
                let number = still_number;
                still_number += 1;
                if number % wanted.interval.max(1) as u64 == 0 {
                    visit_still(path, name, number, wanted, look, &mut seen)?;
                }
            }
        }
    }
    Ok(seen)
}

fn visit_still(
    path: &Path,
    name: &Path,
    number: u64,
    wanted: &Selection,
    look: &mut dyn FnMut(&Item<'_>) -> Result<()>,
    seen: &mut Seen,
) -> Result<()> {
    let picture = match Picture::read(path, &wanted.reading) {
        Ok(picture) => picture,
        Err(reason) if wanted.skip_unreadable => {
            tracing::warn!("skipped: {reason}");
            seen.skipped += 1;
            return Ok(());
        }
        Err(reason) => return Err(reason.into()),
    };
    let (name, frame) = (name.to_owned(), picture.frame()?);
    look(&Item { source: path, name, clip: None, number, time: None, frame })?;
    seen.frames += 1;
    Ok(())
}

/// A clip among the sources.
struct Clip<'a> {
    path: &'a Path,
    name: &'a Path,
    /// Whether it is the only source, so that its frames need no name of the clip.
    is_alone: bool,
}

fn visit_clip(
    &Clip { path, name, is_alone }: &Clip<'_>,
    wanted: &Selection,
    progress: &Progress,
    look: &mut dyn FnMut(&Item<'_>) -> Result<()>,
    seen: &mut Seen,
) -> Result<()> {
    let mut video = Video::open(path)?;
    let length = video.length();
    let (mut taken, before) = (0usize, seen.frames);
    let mut met = wanted.ranges.met();
    // Whether the clip is over, or all stretches of it.
    let (mut is_over, mut are_over) = (false, false);
    while wanted.max_frames == 0 || seen.frames < wanted.max_frames {
        let next = video.next().with_context(|| format!("cannot decode {}", text(path)))?;
        let Some(Shown { number, time, frame }) = next else {
            let lacks = video.lacks().inspect(|lack| tracing::warn!("{}: {lack}", text(path)));
            seen.incomplete += usize::from(lacks.count() > 0);
            is_over = true;
            break;
        };
        if wanted.ranges.are_over(time) {
            are_over = true;
            break;
        }
        progress.clip(time, length);
        if !wanted.ranges.contain(time) {
            continue;
        }
        met.see(time);
        taken += 1;
        if (taken - 1) % wanted.interval.max(1) == 0 {
            let frame_name = format!("frame-{number:06}");
            let name_of_it = if is_alone { frame_name.into() } else { name.join(frame_name) };
            look(&Item {
                source: path,
                name: name_of_it,
                clip: Some(name),
                number,
                time: Some(time),
                frame,
            })?;
            seen.frames += 1;
        }
    }
    if !is_over && !are_over {
        return Ok(());
    }
    let (number, end) = video.position();
    let decoded = format!("{number} frames and {:.2} s", end as f64 / 1e9);
    let found = if is_over { format!("a clip of {decoded}") } else { format!("none in the first {decoded}") };
    let missing = met.missing();
    if seen.frames == before && !wanted.ranges.is_empty() {
        bail!("expected frames in the given range ({}), found {found}: {}", missing.join(", "), text(path));
    }
    for stretch in missing {
        tracing::warn!("expected frames in the stretch {stretch}, found {found}: {}", text(path));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::ffi::OsString;
    use std::os::unix::ffi::OsStringExt;
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn the_fixed_part_of_a_pattern_ends_at_its_first_wildcard() {
        assert_eq!(fixed_part(Path::new("/data/x/*/b.png")), Path::new("/data/x"));
        assert_eq!(fixed_part(Path::new("*.png")), Path::new(""));
    }

    /// Folder, patterns and files: the same files by other names come once, and every link in a circle ends.
    #[test]
    fn each_file_comes_once_whatever_leads_to_it() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path();
        std::fs::create_dir_all(root.join("good/sub")).unwrap();
        let odd = OsString::from_vec(b"odd\xff.bmp".to_vec());
        let files = [root.join("good/1.png"), root.join("good").join(&odd), root.join("good/sub/2.TIF")];
        files.iter().for_each(|path| std::fs::write(path, b"").unwrap());
        for (link, to) in [("good/latest", "."), ("good/a_link.png", "1.png"), ("good/sub/up", "../..")] {
            symlink(to, root.join(link)).unwrap();
        }
        let paths = |arguments: &[&str]| -> Vec<PathBuf> {
            let arguments: Vec<PathBuf> = arguments.iter().map(|name| root.join(name)).collect();
            let sources = resolve(&arguments).unwrap();
            sources
                .into_iter()
                .map(|source| match source {
                    Source::Still { path, .. } | Source::Clip { path, .. } => path,
                })
                .collect()
        };
        let whole = [&files[0], &files[1], &files[2]].map(Clone::clone);
        assert_eq!(paths(&["good"]), whole);
        assert_eq!(paths(&["goo?"]), whole);
        assert_eq!(paths(&["good", "good/sub", "good/**/*", "good/1.png"]), whole);
        assert_eq!(paths(&["good/sub/2.TIF", "good"]), [&files[2], &files[0], &files[1]].map(Clone::clone));
        std::fs::write(root.join("good/notes.txt"), b"").unwrap();
        std::fs::create_dir(root.join("other")).unwrap();
        std::fs::write(root.join("other/notes.gif"), b"").unwrap();
        let message = resolve(&[root.join("other")]).unwrap_err().to_string();
        assert!(message.contains("1 file that is no image") && message.contains("notes.gif"), "{message}");
    }
    #[test]
    fn what_is_no_input_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        for (link, to) in [("circle", "circle"), ("astray", "none")] {
            symlink(to, at(link)).unwrap();
        }
        let _socket = std::os::unix::net::UnixListener::bind(at("socket.png")).unwrap();
        assert!(std::process::Command::new("mkfifo").arg(at("fifo.mkv")).status().unwrap().success());
        std::fs::write(at("file"), b"").unwrap();
        for (path, found) in [
            (PathBuf::from("/dev/null"), "found a device: /dev/null"),
            (at("socket.png"), "found a socket: "),
            (at("fifo.mkv"), "found a FIFO: "),
            (at("circle"), "found what cannot be read (Too many levels of symbolic links"),
            (at("astray"), "found a link to nothing: "),
            (at(&"a".repeat(300)), "found what cannot be read (File name too long"),
            (at("file/a.png"), "found what cannot be read (Not a directory"),
            (at("none"), "found nothing of that name: "),
            (PathBuf::new(), "found nothing of that name: ''"),
        ] {
            let message = resolve(&[path]).unwrap_err().to_string();
            assert!(message.starts_with("expected an image, a clip, a folder or a pattern, "), "{message}");
            assert!(message.contains(found), "{message}");
        }
    }
}
