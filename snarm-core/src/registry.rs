//! One encoder, one trained decoder and one bank in memory for all users of a process.
//!
//! What is loaded is found by its content: two paths to the same weights share one network. An entry lives as long as
//! someone uses it. Loading is single-flight: a second user waits for the first one's result.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, RwLock, Weak};
use std::time::SystemTime;

use once_cell::sync::OnceCell;
use snarm_kernels::Precision;

use crate::bank::Bank;
use crate::encoder::{
    Encoder, PositionInterpolation, Published, Reading, TINY, Wanted, is_known, parts, split_wanted,
};
use crate::error::{Error, Result};
use crate::models::{Decoder, shipped};
use crate::paths;

/// Where the user's own weights are, as the host of this crate knows.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Places {
    /// The encoder where a user names none; `None` is `snarm-tiny`.
    pub(crate) encoder: Option<String>,
    /// Folders where weights are looked for by file name.
    pub(crate) folders: Vec<PathBuf>,
}

static PLACES: RwLock<Places> = RwLock::new(Places { encoder: None, folders: Vec::new() });

/// Sets where weights are looked for from now on.
pub(crate) fn set_places(places: Places) {
    *PLACES.write().unwrap_or_else(PoisonError::into_inner) = places;
}

fn places() -> Places {
    PLACES.read().unwrap_or_else(PoisonError::into_inner).clone()
}

/// Name of the decoder that is none: the residuals themselves are the score.
pub const NO_DECODER: &str = "none";

static ENCODERS: Shared<Encoder> = Shared::new();
static DECODERS: Shared<Decoder> = Shared::new();
static BANKS: Shared<Bank> = Shared::new();

/// How a network is wanted.
#[derive(Debug, Clone, Copy, Default)]
pub struct How<'a> {
    /// It is shared only among those who give the same name here: a name that nobody else gives is a copy of one's own.
    pub instance: Option<&'a str>,
    /// What elements of its matrix products are rounded to on the processor.
    pub precision: Precision,
}

/// The encoder of that name or weights file, or several joined by `+` as one; `None` is the one that [`crate::environment`]
/// names, or `snarm-tiny`.
///
/// # Errors
/// When the file is missing or holds no network that is known.
pub fn encoder(name: Option<&str>) -> Result<Arc<Encoder>> {
    encoder_of_name(name, How::default())
}

/// As [`encoder`].
fn encoder_of_name(name: Option<&str>, how: How<'_>) -> Result<Arc<Encoder>> {
    let name = match name {
        Some(name) => name.to_owned(),
        None => places().encoder.unwrap_or_else(|| TINY.to_owned()),
    };
    let name = find_encoder(&name);
    let precision = how.precision;
    ENCODERS.get(&paths::named(&name), how, Encoder::identity, || {
        Encoder::load(&name, Reading { positions: PositionInterpolation::Legacy, precision })
    })
}

/// The bank in that file.
///
/// # Errors
/// As [`Bank::open`].
pub fn bank(path: &Path) -> Result<Arc<Bank>> {
    BANKS.get(path, How::default(), |bank| bank.digest().to_owned(), || Bank::open(path))
}

/// The encoder that made `bank`: `name` if given, else the one the bank names.
///
/// # Errors
/// As [`encoder`], or when its weights are not the ones that made the bank.
pub fn encoder_of(bank: &Bank, name: Option<&str>) -> Result<Arc<Encoder>> {
    encoder_for(bank, name, How::default())
}

/// As [`encoder_of`].
///
/// # Errors
/// As [`encoder_of`].
pub fn encoder_for(bank: &Bank, name: Option<&str>, how: How<'_>) -> Result<Arc<Encoder>> {
    let encoder = encoder_of_name(Some(name.unwrap_or(bank.encoder_name())), how)?;
    bank.check_encoder(&encoder)?;
    Ok(encoder)
}

/// The decoder for `encoder`, in the precision of that: the shipped one, if one ships for it, when `name` is `None`; none when it is `none`; else the
/// file `name`.
///
/// # Errors
/// As [`Decoder::open`], or when the decoder was trained for another encoder.
pub fn decoder(name: Option<&str>, encoder: &Encoder) -> Result<Option<Arc<Decoder>>> {
    decoder_of_instance(name, encoder, None)
}

/// As [`decoder`], shared only among those who give the same `instance`.
///
/// # Errors
/// As [`decoder`].
pub fn decoder_of_instance(
    name: Option<&str>,
    encoder: &Encoder,
    instance: Option<&str>,
) -> Result<Option<Arc<Decoder>>> {
    let how = How { instance, precision: encoder.precision() };
    let decoder = match name {
        Some(NO_DECODER) => return Ok(None),
        Some(name) => decoder_in(name, how)?,
        None => {
            let digest = encoder.digest();
            let Some(bytes) = shipped(digest) else { return Ok(None) };
            let name = format!("shipped for {digest}");
            DECODERS.get(Path::new(&name), how, content, || Decoder::embedded(bytes, how.precision))?
        }
    };
    decoder.check_encoder(encoder)?;
    Ok(Some(decoder))
}

/// What tells a decoder from others in memory.
fn content(decoder: &Decoder) -> String {
    decoder.content().to_owned()
}

/// The decoder in that file, whatever encoder it was trained for.
fn decoder_in(name: &str, how: How<'_>) -> Result<Arc<Decoder>> {
    let path = paths::named(&find_weights(name));
    DECODERS.get(&path, how, content, || Decoder::open_in(&path, how.precision))
}

/// The encoder to learn or score with: `name` if given, else that of the decoder `model` where this compares frames with no
/// bank, else the usual one, see [`encoder`].
///
/// # Errors
/// As [`encoder`] and [`Decoder::open`].
pub fn encoder_with(name: Option<&str>, model: Option<&str>, how: How<'_>) -> Result<Arc<Encoder>> {
    match (name, model) {
        (None, Some(model)) if model != NO_DECODER && !paths::named(model).is_dir() => {
            let decoder = decoder_in(model, how)?;
            encoder_of_name(decoder.encoder().filter(|_| !decoder.needs_memory()), how)
        }
        (name, _) => encoder_of_name(name, how),
    }
}

/// What scores frames without a bank: the encoder `name`, else that of the decoder `model`, what stands for the bank, and
/// the decoder.
///
/// # Errors
/// As [`Decoder::open`] and [`encoder`]; when the decoder needs a bank, or neither it nor `name` tells the encoder.
pub fn without_bank(
    model: &str,
    name: Option<&str>,
    how: How<'_>,
) -> Result<(Arc<Encoder>, Arc<Bank>, Arc<Decoder>)> {
    if model == NO_DECODER {
        let expected = "a bank, without which nothing is scored where there is no decoder".to_owned();
        return Err(Error::Mismatch { what: "bank", expected, found: "none".to_owned() });
    }
    let decoder = decoder_in(model, how)?;
    let encoder = encoder_of_name(name.or(decoder.encoder()), how)?;
    let bank = Arc::new(Bank::absent(&encoder, &decoder)?);
    Ok((encoder, bank, decoder))
}

/// A file of that name from the search path, if the name is no path to a file itself. What the name asks for at its end stays.
pub fn find_weights(name: &str) -> String {
    if let (base, Some(wanted)) = split_wanted(name) {
        return format!("{}@{wanted}", find_weights(base));
    }
    let named = paths::named(name);
    if named.exists() {
        return name.to_owned();
    }
    on_path(name).map_or_else(|| name.to_owned(), paths::text)
}

/// As [`find_weights`], for the name of an encoder, which may be several joined by `+`.
pub fn find_encoder(name: &str) -> String {
    if let (base, Some(wanted)) = split_wanted(name) {
        return format!("{}@{wanted}", find_encoder(base));
    }
    let is_here = |name: &str| is_known(name) || on_path(split_wanted(name).0).is_some();
    parts(name, &is_here).into_iter().map(find_weights).collect::<Vec<_>>().join("+")
}

/// The file of that name in the folders of the search path.
fn on_path(name: &str) -> Option<PathBuf> {
    let named = paths::named(name);
    places().folders.iter().map(|folder| folder.join(&named)).find(|path| path.is_file())
}

/// A file as it was when it was read: another time or length is another file.
type File = (PathBuf, Option<SystemTime>, u64);

/// The instance and the precision.
type Kind = (Option<String>, Precision);

/// The files that something was read from, the rest of its name, and of what kind it is.
type Source = (Vec<File>, Option<Wanted>, Kind);

/// Kind and content.
type Content = (Kind, String);

impl How<'_> {
    fn kind(self) -> Kind {
        (self.instance.map(str::to_owned), self.precision)
    }
}

/// Values by the file they were read from, and by content.
struct Shared<T> {
    slots: Mutex<Option<Slots<T>>>,
}

struct Slots<T> {
    by_source: HashMap<Source, Arc<OnceCell<Weak<T>>>>,
    by_digest: HashMap<Content, Weak<T>>,
}

impl<T> Shared<T> {
    const fn new() -> Self {
        Self { slots: Mutex::new(None) }
    }

    fn get(
        &self,
        name: &Path,
        how: How<'_>,
        digest: fn(&T) -> String,
        load: impl Fn() -> Result<T>,
    ) -> Result<Arc<T>> {
        let source = source(name, how);
        loop {
            let slot = self.with(|slots| slots.by_source.entry(source.clone()).or_default().clone());
            let mut loaded = None;
            let weak = slot.get_or_try_init(|| {
                let value = self.unify(load()?, how, digest);
                loaded = Some(value.clone());
                Ok::<_, Error>(Arc::downgrade(&value))
            })?;
            if let Some(value) = loaded.or_else(|| weak.upgrade()) {
                return Ok(value);
            }
            // The last user has gone: make room for a new load.
            self.with(|slots| match slots.by_source.get(&source) {
                Some(current) if Arc::ptr_eq(current, &slot) => drop(slots.by_source.remove(&source)),
                _ => {}
            });
        }
    }

    /// The value in use that has the same content, or this one.
    fn unify(&self, value: T, how: How<'_>, digest: fn(&T) -> String) -> Arc<T> {
        self.with(|slots| {
            slots.by_digest.retain(|_, weak| weak.strong_count() > 0);
            // Files that were replaced are never asked for again.
            slots.by_source.retain(|_, slot| slot.get().is_none_or(|weak| weak.strong_count() > 0));
            let key = (how.kind(), digest(&value));
            if let Some(same) = slots.by_digest.get(&key).and_then(Weak::upgrade) {
                return same;
            }
            let value = Arc::new(value);
            slots.by_digest.insert(key, Arc::downgrade(&value));
            value
        })
    }

    fn with<R>(&self, work: impl FnOnce(&mut Slots<T>) -> R) -> R {
        let mut slots = self.slots.lock().unwrap_or_else(PoisonError::into_inner);
        work(slots.get_or_insert_with(|| Slots { by_source: HashMap::new(), by_digest: HashMap::new() }))
    }
}

fn source(name: &Path, how: How<'_>) -> Source {
    // Names of networks are text; paths may be any bytes.
    let Some(text) = name.to_str() else {
        return (vec![file_at(name.to_owned())], None, how.kind());
    };
    let (base, wanted) = split_wanted(text);
    let files = parts(base, &is_known).into_iter().map(file).collect();
    (files, wanted, how.kind())
}

fn file(name: &str) -> File {
    // A published network is the file in the cache.
    let fetched = Published::named(name).and_then(|network| network.fetched().ok());
    file_at(fetched.unwrap_or_else(|| PathBuf::from(name)))
}

fn file_at(path: PathBuf) -> File {
    let metadata = std::fs::metadata(&path).ok();
    let modified = metadata.as_ref().and_then(|m| m.modified().ok());
    let length = metadata.map_or(0, |m| m.len());
    (path.canonicalize().unwrap_or(path), modified, length)
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    #[test]
    fn one_load_serves_all_users_at_once() {
        let shared: Shared<String> = Shared::new();
        let loads = AtomicUsize::new(0);
        let get = || {
            shared.get(Path::new("/nowhere/a"), How::default(), String::clone, || {
                loads.fetch_add(1, Ordering::SeqCst);
                Ok("content".to_owned())
            })
        };
        let (a, b) = std::thread::scope(|scope| {
            let (a, b) = (scope.spawn(get), scope.spawn(get));
            (a.join().unwrap().unwrap(), b.join().unwrap().unwrap())
        });
        assert!(Arc::ptr_eq(&a, &b));
        let other = shared
            .get(Path::new("/nowhere/b"), How::default(), String::clone, || Ok("content".to_owned()))
            .unwrap();
        assert!(Arc::ptr_eq(&a, &other), "equal content is one value");
        let own = |name| {
            let how = How { instance: Some(name), ..How::default() };
            shared.get(Path::new("/nowhere/a"), how, String::clone, || Ok("content".to_owned()))
        };
        let (first, second, third) = (own("x").unwrap(), own("x").unwrap(), own("y").unwrap());
        assert!(Arc::ptr_eq(&first, &second), "one instance is one value");
        assert!(
            !Arc::ptr_eq(&first, &third) && !Arc::ptr_eq(&first, &a),
            "another instance is another value"
        );
        drop((a, b, other));
        get().unwrap();
        assert!(loads.load(Ordering::SeqCst) >= 2, "the last user gone, it is loaded again");
    }

    #[test]
    fn files_that_nobody_uses_any_more_leave_nothing_behind() {
        let shared: Shared<String> = Shared::new();
        for version in 0..20 {
            let (name, content) = (format!("/nowhere/{version}"), format!("content {version}"));
            shared.get(Path::new(&name), How::default(), String::clone, || Ok(content.clone())).unwrap();
        }
        assert!(shared.with(|slots| slots.by_source.len() < 3 && slots.by_digest.len() < 3));
    }

    #[cfg(unix)]
    #[test]
    fn names_of_files_that_look_alike_are_two_files() {
        use std::os::unix::ffi::OsStrExt;
        let shared: Shared<String> = Shared::new();
        let load = |bytes: &[u8], content: &str| {
            let name = Path::new(std::ffi::OsStr::from_bytes(bytes));
            shared.get(name, How::default(), String::clone, || Ok(content.to_owned())).unwrap()
        };
        let (first, second) = (load(b"/nowhere/\xe9", "first"), load(b"/nowhere/\xff", "second"));
        assert_eq!((first.as_str(), second.as_str()), ("first", "second"));
    }

    #[test]
    fn files_whose_names_are_no_text_are_not_taken_for_each_other() {
        use std::os::unix::ffi::OsStringExt;
        let dir = tempfile::tempdir().unwrap();
        let names = [&b"a\xfe.bank"[..], b"a\xff.bank"].map(|name| {
            let path = dir.path().join(std::ffi::OsString::from_vec(name.to_vec()));
            std::fs::write(&path, name).unwrap();
            paths::text(path)
        });
        assert_ne!(
            source(&paths::named(&names[0]), How::default()),
            source(&paths::named(&names[1]), How::default())
        );
        assert_eq!(
            source(&paths::named(&names[0]), How::default()).0[0].2,
            7,
            "the file is found by its text"
        );
        assert_eq!(find_weights(&names[0]), names[0]);
    }

    #[test]
    fn a_failed_load_is_tried_again() {
        let shared: Shared<String> = Shared::new();
        let fail = || Err(Error::TooFewFrames { needed: 2, found: 0 });
        assert!(shared.get(Path::new("/nowhere/c"), How::default(), String::clone, fail).is_err());
        assert!(
            shared.get(Path::new("/nowhere/c"), How::default(), String::clone, || Ok(String::new())).is_ok()
        );
    }
}
