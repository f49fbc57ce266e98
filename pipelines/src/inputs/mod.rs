//! Where frames come from: image files, folders, patterns, clips. One visitor walks through all of them.

mod range;
mod video;
mod y4m;

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use snarm_core::dataset::{self, Picture};
use snarm_core::frame::Frame;

pub(crate) use range::Ranges;
pub(crate) use video::Video;

use crate::progress::Progress;

/// Something to look at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Source {
    /// One image file.
    Still {
        path: PathBuf,
        /// Name for files made from it: its path below what was asked for, without ending.
        name: String,
    },
    /// A clip.
    Clip(PathBuf),
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
}

/// One frame on its way past the visitor.
pub(crate) struct Item<'a> {
    pub(crate) source: &'a Path,
    pub(crate) name: String,
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
}

/// Turns arguments into sources: a folder is all images below it, a name with `*` or `?` is what it matches, a
/// file is an image or a clip by its ending.
pub(crate) fn resolve(arguments: &[String]) -> Result<Vec<Source>> {
    let (mut sources, mut names) = (Vec::new(), HashSet::new());
    for argument in arguments {
        let path = Path::new(argument);
        if path.is_dir() {
            let images = dataset::images(path)?;
            if images.is_empty() {
                bail!(
                    "expected images ({}), found none in folder {argument}",
                    dataset::IMAGE_ENDINGS.join(", ")
                );
            }
            sources.extend(images.into_iter().map(|image| still(image, path, &mut names)));
        } else if path.is_file() {
            sources.push(file(path.to_owned(), path.parent().unwrap_or(path), &mut names));
        } else if argument.contains(['*', '?']) {
            let files = dataset::expand(argument)?;
            if files.is_empty() {
                bail!("expected files that match the pattern, found none: {argument}");
            }
            let root = fixed_part(argument);
            sources.extend(files.into_iter().map(|found| file(found, &root, &mut names)));
        } else {
            bail!("expected an image, a clip, a folder or a pattern, found nothing of that name: {argument}");
        }
    }
    Ok(sources)
}

/// The folders of a pattern before the first wildcard.
fn fixed_part(pattern: &str) -> PathBuf {
    let components = Path::new(pattern).components();
    components.take_while(|c| !c.as_os_str().to_string_lossy().contains(['*', '?'])).collect()
}

fn file(path: PathBuf, root: &Path, names: &mut HashSet<String>) -> Source {
    if dataset::is_image(&path) { still(path, root, names) } else { Source::Clip(path) }
}

fn still(path: PathBuf, root: &Path, names: &mut HashSet<String>) -> Source {
    let relative = path.strip_prefix(root).unwrap_or(&path);
    let mut name = relative.with_extension("").to_string_lossy().into_owned();
    // Two files may differ in their ending alone, or come from two folders.
    if names.contains(&name) {
        name = relative.to_string_lossy().replace('.', "_");
    }
    let (plain, mut n) = (name.clone(), 2);
    while !names.insert(name.clone()) {
        name = format!("{plain}_{n}");
        n += 1;
    }
    Source::Still { path, name }
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
            Source::Clip(path) => visit_clip(path, wanted, progress, look, &mut seen)?,
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
    name: &str,
    number: u64,
    wanted: &Selection,
    look: &mut dyn FnMut(&Item<'_>) -> Result<()>,
    seen: &mut Seen,
) -> Result<()> {
    let picture = match Picture::open(path) {
        Ok(picture) => picture,
        Err(reason) if wanted.skip_unreadable => {
            tracing::warn!("skipped: {reason}");
            seen.skipped += 1;
            return Ok(());
        }
        Err(reason) => return Err(reason.into()),
    };
    look(&Item { source: path, name: name.to_owned(), number, time: None, frame: picture.frame()? })?;
    seen.frames += 1;
    Ok(())
}

fn visit_clip(
    path: &Path,
    wanted: &Selection,
    progress: &Progress,
    look: &mut dyn FnMut(&Item<'_>) -> Result<()>,
    seen: &mut Seen,
) -> Result<()> {
    let mut video = Video::open(path)?;
    let (mut taken, before) = (0usize, seen.frames);
    loop {
        let full = wanted.max_frames > 0 && seen.frames >= wanted.max_frames;
        let (number, time) = video.position();
        if full || wanted.ranges.are_over(time) {
            break;
        }
        let Some(frame) = video.next().with_context(|| format!("cannot decode {}", path.display()))? else {
            break;
        };
        progress.step();
        if !wanted.ranges.contain(time) {
            continue;
        }
        taken += 1;
        if (taken - 1) % wanted.interval.max(1) == 0 {
            look(&Item {
                source: path,
                name: format!("frame-{number:06}"),
                number,
                time: Some(time),
                frame,
            })?;
            seen.frames += 1;
        }
    }
    if seen.frames == before && !wanted.ranges.is_empty() {
        let (number, time) = video.position();
        bail!(
            "expected frames in the given range, found a clip of {number} frames and {:.2} s: {}",
            time as f64 / 1e9,
            path.display()
        );
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_for_outputs_never_repeat() {
        let mut names = HashSet::new();
        let mut name = |path: &str| match still(PathBuf::from(path), Path::new("in"), &mut names) {
            Source::Still { name, .. } => name,
            Source::Clip(_) => unreachable!(),
        };
        assert_eq!(name("in/a.png"), "a");
        assert_eq!(name("in/a.jpg"), "a_jpg");
        assert_eq!(name("in/b/a.png"), "b/a");
        assert_eq!(name("in/a.png"), "a_png");
        assert_eq!(name("in/a.png"), "a_png_2");
    }

    #[test]
    fn the_fixed_part_of_a_pattern_ends_at_its_first_wildcard() {
        assert_eq!(fixed_part("/data/x/*/b.png"), Path::new("/data/x"));
        assert_eq!(fixed_part("*.png"), Path::new(""));
    }
}
