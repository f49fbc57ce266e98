//! Files that are not what they should be: found all at once, before hours of work depend on them.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::{Mutex, PoisonError};

use super::reading::{Depth, PICTURES, Reading, decode, each};
use super::{Dataset, Mask};
use crate::error::{BadFile, Error, Result};

/// What becomes of a data set with bad files.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum OnBadFile {
    /// They are left out.
    Skip,
    /// The data set is refused, and the error names them all.
    #[default]
    Fail,
}

impl OnBadFile {
    /// Name in settings.
    pub fn name(self) -> &'static str {
        match self {
            Self::Skip => "skip",
            Self::Fail => "fail",
        }
    }
}

impl FromStr for OnBadFile {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self> {
        [Self::Skip, Self::Fail].into_iter().find(|rule| rule.name() == name).ok_or_else(|| Error::Setting {
            name: "on-bad-file",
            expected: "skip or fail".to_owned(),
            found: name.to_owned(),
        })
    }
}

/// A file to read, with what it must agree with.
enum Job<'a> {
    Image(&'a Path),
    /// An image and its mask, which must be of its size and mark something.
    Marked(&'a Path, &'a Path),
    /// A good image and its mask, which must be of its size and mark nothing.
    Unmarked(&'a Path, &'a Path),
}

impl Dataset {
    /// Every file that is broken or does not fit, in the order of their paths: what [`Dataset::bad`] holds, images and
    /// masks that cannot be decoded, masks of another size than their image, masks of defective images that mark
    /// nothing or everything, and masks of good images that mark something. And what the samples of 16 bits of the images
    /// hold. Reads all files, on all threads of the pool.
    ///
    /// # Errors
    /// When threads cannot be started.
    pub fn inspect(&self) -> Result<(Vec<BadFile>, Depth)> {
        let good = |path: &'_ Path| self.good_masks.iter().find(|(image, _)| image == path);
        let mut jobs: Vec<Job<'_>> = Vec::new();
        jobs.extend(self.train.iter().chain(&self.validation).map(|path| Job::Image(path)));
        for sample in &self.test {
            jobs.push(match (&sample.mask, good(&sample.path)) {
                (Some(mask), _) => Job::Marked(&sample.path, mask),
                (None, Some((_, mask))) => Job::Unmarked(&sample.path, mask),
                (None, None) => Job::Image(&sample.path),
            });
        }
        let all = Mutex::new((self.bad.clone(), Depth::default()));
        each(&jobs, |job| {
            let mut depth = Depth::default();
            let found = job.run(&self.reading, &mut depth);
            let mut all = all.lock().unwrap_or_else(PoisonError::into_inner);
            all.0.extend(found);
            all.1.merge(depth);
        })?;
        let (mut bad, depth) = all.into_inner().unwrap_or_else(PoisonError::into_inner);
        bad.sort();
        Ok((bad, depth))
    }

    /// The data set without its bad files, and their list; or, with [`OnBadFile::Fail`], an error that names them. The bits
    /// that samples of 16 bits hold are set to what was found, unless they are given.
    ///
    /// # Errors
    /// [`Error::BadFiles`] when there are any and none may be; [`Error::Mismatch`] when skipping them leaves no image to
    /// learn from or to test with.
    pub fn checked(mut self, rule: OnBadFile) -> Result<(Self, Vec<BadFile>)> {
        let (bad, depth) = self.inspect()?;
        self.depth = depth;
        self.reading.bits = self.reading.bits.or(depth.bits());
        if bad.is_empty() {
            return Ok((self, bad));
        }
        if rule == OnBadFile::Fail {
            return Err(Error::BadFiles(bad));
        }
        let names: BTreeSet<&Path> = bad.iter().map(|file| file.path.as_path()).collect();
        let fine = |path: &PathBuf| !names.contains(path.as_path());
        self.train.retain(fine);
        self.validation.retain(fine);
        self.test.retain(|sample| fine(&sample.path) && sample.mask.as_ref().is_none_or(fine));
        // A good image with a mark is one or the other: nobody knows.
        let (good_masks, doubtful): (Vec<_>, Vec<_>) =
            self.good_masks.into_iter().partition(|(image, mask)| fine(image) && fine(mask));
        self.good_masks = good_masks;
        self.test.retain(|sample| doubtful.iter().all(|(image, _)| *image != sample.path));
        self.bad.clear();
        if self.train.is_empty() || self.test.is_empty() {
            let expected = "readable images to learn from and to test with".to_owned();
            let found = format!("{} and {}", self.train.len(), self.test.len());
            return Err(Error::Values { what: "data set", expected, found });
        }
        Ok((self, bad))
    }
}

impl Job<'_> {
    /// What is wrong with the file, or with its mask.
    fn run(&self, reading: &Reading, depth: &mut Depth) -> Option<BadFile> {
        let (Self::Image(path) | Self::Marked(path, _) | Self::Unmarked(path, _)) = *self;
        let complaint = |path: &Path, reason: String| Some(BadFile::new(path.to_owned(), reason));
        let (width, height) =
            match decode("image", PICTURES, path, reading).and_then(|image| image.checked(path)) {
                Ok(decoded) => {
                    depth.add(&decoded);
                    (decoded.image.width() as usize, decoded.image.height() as usize)
                }
                Err(error) => return complaint(path, reason(&error)),
            };
        let (mask_path, defective) = match *self {
            Self::Image(_) => return None,
            Self::Marked(_, mask) => (mask, true),
            Self::Unmarked(_, mask) => (mask, false),
        };
        let complaint = |reason| complaint(mask_path, reason);
        let mask = match Mask::read(mask_path, reading) {
            Ok(mask) => mask,
            Err(error) => return complaint(reason(&error)),
        };
        if (mask.width, mask.height) != (width, height) {
            return complaint(format!(
                "expected a mask of the size of its image, {width}x{height}, found {}x{}",
                mask.width, mask.height
            ));
        }
        match (defective, mask.data.iter().filter(|&&marked| marked).count()) {
            (true, 0) => complaint("expected the mask of a defect, found one that marks nothing".to_owned()),
            (true, n) if n == mask.data.len() => {
                complaint("expected the mask of a defect, found one that marks the whole image".to_owned())
            }
            (false, n) if n > 0 => {
                complaint(format!("expected no mark on a good image, found {n} marked pixels"))
            }
            _ => None,
        }
    }
}

/// An error about a file, without the file's name, which stands before it.
fn reason(error: &Error) -> String {
    match error {
        Error::NotFound { what, .. } => format!("expected the {what}, found no file"),
        Error::Read { what, reason, .. } => format!("cannot read {what}: {reason}"),
        Error::WrongFile { expected, found, .. } => format!("expected {expected}, found {found}"),
        other => other.to_string(),
    }
}
