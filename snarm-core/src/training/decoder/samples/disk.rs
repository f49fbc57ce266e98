//! Samples in a file without a name: records of one size, each written once and read as often as it is drawn.
//!
//! When the file is full what it holds stays. Every image is drawn equally often, so any other choice of samples would be
//! read as seldom, and nothing is written twice.

use std::collections::HashMap;
use std::fs::File;
use std::io::{Read, Result, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use half::f16;
use half::slice::HalfFloatSliceExt;
use snarm_kernels::preprocess::PixelRect;

use super::sample::{Id, Sample};
use crate::error::Error;

const WHAT: &str = "computed descriptors";

/// Room on a disk for samples that fall out of memory.
///
/// The file has no name: it is gone with this value, and with the process, however that ends.
#[derive(Debug)]
pub struct DiskCache {
    folder: PathBuf,
    file: File,
    /// Most bytes in the file.
    most: u64,
    /// Sizes of a record, which are those of the first sample.
    layout: Option<Layout>,
    places: HashMap<Id, Place>,
    record: Vec<u8>,
}

/// A record, and the few numbers of its sample that are no lists.
#[derive(Debug, Clone, Copy)]
struct Place {
    number: u64,
    visible: PixelRect,
    gain: f32,
    level: Option<f32>,
}

/// Elements of the lists of a sample, in the order of a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Layout {
    descriptors: usize,
    residuals: usize,
    distances: usize,
    mask: usize,
}

impl Layout {
    fn of(sample: &Sample) -> Self {
        Self {
            descriptors: sample.descriptors.len(),
            residuals: sample.residuals.len(),
            distances: sample.distances.len(),
            mask: sample.mask.len(),
        }
    }

    /// Bytes of a record: a pixel of the mask is a bit.
    fn bytes(self) -> usize {
        2 * (self.descriptors + self.residuals) + 4 * self.distances + self.mask.div_ceil(8)
    }
}

impl DiskCache {
    /// At most `most` bytes in a file in `folder`.
    ///
    /// # Errors
    /// When no file can be made there.
    pub fn create(folder: &Path, most: u64) -> crate::error::Result<Self> {
        let file = tempfile::tempfile_in(folder).map_err(|source| Error::write(WHAT, folder, source))?;
        Ok(Self::of(file, folder, most))
    }

    fn of(file: File, folder: &Path, most: u64) -> Self {
        let folder = folder.to_owned();
        Self { folder, file, most, layout: None, places: HashMap::new(), record: Vec::new() }
    }

    /// On a disk that is always full, where the system has one.
    #[cfg(test)]
    pub(super) fn on_a_full_disk() -> Option<Self> {
        let file = std::fs::OpenOptions::new().read(true).write(true).open("/dev/full").ok()?;
        Some(Self::of(file, Path::new("/dev"), u64::MAX))
    }

    /// The folder that the file lies in.
    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }

    /// Writes a sample that is not there yet, as long as there is room.
    pub(super) fn put(&mut self, id: Id, sample: &Sample) -> Result<()> {
        let layout = *self.layout.get_or_insert(Layout::of(sample));
        let (number, bytes) = (self.places.len() as u64, layout.bytes() as u64);
        let full = (number + 1) * bytes > self.most;
        if full || self.places.contains_key(&id) || layout != Layout::of(sample) {
            return Ok(());
        }
        self.record.clear();
        for halves in [&sample.descriptors, &sample.residuals] {
            self.record.extend_from_slice(bytemuck::cast_slice(halves.reinterpret_cast()));
        }
        self.record.extend_from_slice(bytemuck::cast_slice(&sample.distances));
        let byte = |pixels: &[u8]| pixels.iter().rev().fold(0, |byte, pixel| byte << 1 | pixel);
        self.record.extend(sample.mask.chunks(8).map(byte));
        self.file.seek(SeekFrom::Start(number * bytes))?;
        self.file.write_all(&self.record)?;
        let Sample { visible, gain, level, .. } = *sample;
        self.places.insert(id, Place { number, visible, gain, level });
        Ok(())
    }

    /// Reads a sample that was written, the same to the last bit.
    pub(super) fn get(&mut self, id: Id) -> Result<Option<Sample>> {
        let (Some(layout), Some(place)) = (self.layout, self.places.get(&id).copied()) else {
            return Ok(None);
        };
        self.record.resize(layout.bytes(), 0);
        self.file.seek(SeekFrom::Start(place.number * layout.bytes() as u64))?;
        self.file.read_exact(&mut self.record)?;
        let (descriptors, rest) = self.record.split_at(2 * layout.descriptors);
        let (residuals, rest) = rest.split_at(2 * layout.residuals);
        let (distances, mask) = rest.split_at(4 * layout.distances);
        let halves = |bytes: &[u8]| {
            let mut halves = vec![f16::ZERO; bytes.len() / 2];
            bytemuck::cast_slice_mut(halves.reinterpret_cast_mut()).copy_from_slice(bytes);
            halves
        };
        Ok(Some(Sample {
            descriptors: halves(descriptors),
            residuals: halves(residuals),
            mask: (0..layout.mask).map(|i| mask[i / 8] >> (i % 8) & 1).collect(),
            visible: place.visible,
            gain: place.gain,
            distances: bytemuck::pod_collect_to_vec(distances),
            level: place.level,
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::super::Shows;
    use super::*;
    use crate::encoder::seeded::values;

    fn id(image: usize) -> Id {
        Id { category: 1, image, shows: Shows::Synthetic(2) }
    }

    /// A sample whose lists have no round lengths.
    fn sample(image: usize) -> Sample {
        let halves = |name: &str| -> Vec<f16> {
            values(&format!("{name}{image}"), 35, 0.0, 9.0).iter().map(|v| f16::from_f32(*v)).collect()
        };
        Sample {
            descriptors: halves("d"),
            residuals: halves("r"),
            mask: (0..81).map(|i| u8::from(i % (image + 2) == 0)).collect(),
            visible: PixelRect { x: image, y: 2, width: 7, height: 5 },
            gain: 0.1 + image as f32,
            distances: values(&format!("s{image}"), 7, 1.0, 0.5),
            level: (image > 0).then_some(0.3),
        }
    }

    fn assert_same(a: &Sample, b: &Sample) {
        assert_eq!((&a.descriptors, &a.residuals, &a.mask), (&b.descriptors, &b.residuals, &b.mask));
        assert_eq!((a.visible, a.gain, &a.distances, a.level), (b.visible, b.gain, &b.distances, b.level));
    }

    #[test]
    fn what_is_read_is_what_was_written_and_the_file_has_no_name() {
        let folder = tempfile::tempdir().unwrap();
        let mut cache = DiskCache::create(folder.path(), u64::MAX).unwrap();
        for image in 0..3 {
            cache.put(id(image), &sample(image)).unwrap();
        }
        for image in [2, 0, 1, 2] {
            assert_same(&cache.get(id(image)).unwrap().unwrap(), &sample(image));
        }
        assert!(cache.get(id(3)).unwrap().is_none());
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
    }

    #[test]
    fn the_file_never_grows_beyond_its_bound() {
        let record = Layout::of(&sample(0)).bytes() as u64;
        assert_eq!(record, 2 * 35 * 2 + 4 * 7 + 11);
        for (most, held) in [(0, 0), (record - 1, 0), (record, 1), (3 * record - 1, 2), (3 * record, 3)] {
            let mut cache = DiskCache::create(&std::env::temp_dir(), most).unwrap();
            // Twice: what is there is not written again.
            for image in [0, 1, 2, 3, 0, 1, 2, 3] {
                cache.put(id(image), &sample(image)).unwrap();
                assert!(cache.file.metadata().unwrap().len() <= most);
            }
            assert_eq!(cache.file.metadata().unwrap().len(), held * record);
            let found: Vec<bool> = (0..4).map(|i| cache.get(id(i)).unwrap().is_some()).collect();
            assert_eq!(found, [0, 1, 2, 3].map(|i| i < held), "the first ones stay");
        }
    }

    #[test]
    fn a_folder_without_room_is_named() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let error = DiskCache::create(file.path(), 1 << 20).unwrap_err().to_string();
        assert!(error.starts_with("cannot write computed descriptors: "), "{error}");
        assert!(error.ends_with(&file.path().display().to_string()), "{error}");
    }

    #[test]
    fn a_full_disk_is_an_error() {
        let mut cache = DiskCache::on_a_full_disk().unwrap();
        let error = cache.put(id(0), &sample(0)).unwrap_err();
        assert_eq!(error.kind(), std::io::ErrorKind::StorageFull);
        assert!(cache.get(id(0)).unwrap().is_none());
    }
}
