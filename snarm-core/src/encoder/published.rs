//! Published networks that are known by name: where they are published, and where they lie once `snarm fetch` has
//! brought them.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::{PoisonError, RwLock};

use crate::error::{Error, Result};

/// A network that can be fetched.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Published {
    /// Name by which encoders are chosen.
    pub name: &'static str,
    /// Repository on the hub.
    pub repository: &'static str,
    /// File in the repository.
    pub file: &'static str,
    /// Millions of parameters.
    pub parameters: u32,
    /// Licence of the weights.
    pub licence: &'static str,
}

/// DINOv2 with registers (Darcet et al. 2023, arXiv 2309.16588), patches of 14 pixels, 4 registers; two families that
/// were trained to classify and see different things, for pairs: a small ViT (Steiner et al. 2021, arXiv 2106.10270) and
/// EfficientNet-Lite as TensorFlow trained it; and the ResNet (He et al. 2015, arXiv 1512.03385) whose features MambaAD
/// reconstructs.
pub const PUBLISHED: [Published; 10] = [
    published("dinov2-reg-small", "facebook/dinov2-with-registers-small", 22),
    published("dinov2-reg-base", "facebook/dinov2-with-registers-base", 87),
    published("dinov2-reg-large", "facebook/dinov2-with-registers-large", 304),
    published("vit-tiny", "timm/vit_tiny_patch16_224.augreg_in21k_ft_in1k", 6),
    published("efficientnet-lite0", "timm/tf_efficientnet_lite0.in1k", 5),
    published("efficientnet-lite1", "timm/tf_efficientnet_lite1.in1k", 5),
    published("efficientnet-lite2", "timm/tf_efficientnet_lite2.in1k", 6),
    published("efficientnet-lite3", "timm/tf_efficientnet_lite3.in1k", 8),
    published("efficientnet-lite4", "timm/tf_efficientnet_lite4.in1k", 13),
    published("resnet34", "timm/resnet34.bt_in1k", 22),
];

const fn published(name: &'static str, repository: &'static str, parameters: u32) -> Published {
    Published { name, repository, file: "model.safetensors", parameters, licence: "Apache-2.0" }
}

impl Published {
    /// The network of that name.
    pub fn named(name: &str) -> Option<Self> {
        PUBLISHED.into_iter().find(|network| network.name == name)
    }

    /// Where the file lies in a cache folder.
    pub fn path_in(self, cache: &Path) -> PathBuf {
        cache.join("encoders").join(self.name).join(self.file)
    }

    /// The file in the user's cache.
    ///
    /// # Errors
    /// [`Error::NotFetched`] when it is not there; when the user has no cache folder.
    pub fn fetched(self) -> Result<PathBuf> {
        let path = self.path_in(&cache_folder()?);
        if path.is_file() { Ok(path) } else { Err(Error::NotFetched { name: self.name, path }) }
    }
}

static CACHE: RwLock<Option<PathBuf>> = RwLock::new(None);

/// Sets the folder for files that can be fetched again.
pub(crate) fn set_cache_folder(folder: Option<PathBuf>) {
    *CACHE.write().unwrap_or_else(PoisonError::into_inner) = folder;
}

/// The folder for files that can be fetched again, as [`crate::environment`] told: `$XDG_CACHE_HOME/snarm`, or
/// `~/.cache/snarm`.
///
/// # Errors
/// When neither XDG_CACHE_HOME nor HOME is an absolute path.
pub fn cache_folder() -> Result<PathBuf> {
    let folder = CACHE.read().unwrap_or_else(PoisonError::into_inner).clone();
    folder.ok_or_else(|| Error::Setting {
        name: "cache folder",
        expected: "an absolute path in XDG_CACHE_HOME or HOME".to_owned(),
        found: "neither".to_owned(),
    })
}

/// The folder by the values of XDG_CACHE_HOME and HOME. Relative paths are ignored, as the XDG specification asks.
pub(crate) fn cache_of(cache: Option<OsString>, home: Option<OsString>) -> Option<PathBuf> {
    let absolute = |path: OsString| Some(PathBuf::from(path)).filter(|path| path.is_absolute());
    let folder = cache.and_then(absolute).or_else(|| Some(home.and_then(absolute)?.join(".cache")));
    folder.map(|folder| folder.join("snarm"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cache_is_where_the_xdg_specification_puts_it() {
        let of = |cache: Option<&str>, home: Option<&str>| {
            cache_of(cache.map(OsString::from), home.map(OsString::from))
        };
        assert_eq!(of(Some("/c"), Some("/h")), Some(PathBuf::from("/c/snarm")));
        for cache in [None, Some(""), Some("relative")] {
            assert_eq!(of(cache, Some("/h")), Some(PathBuf::from("/h/.cache/snarm")));
        }
        assert_eq!(of(None, None), None);
    }

    #[test]
    fn names_are_unique_and_found() {
        for network in PUBLISHED {
            assert_eq!(Published::named(network.name), Some(network));
            assert!(network.path_in(Path::new("/c")).starts_with(format!("/c/encoders/{}", network.name)));
        }
        assert_eq!(Published::named("dinov2"), None);
    }
}
