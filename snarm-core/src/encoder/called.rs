//! What encoders are called: names of those that need no file, grids and levels at the end of names, and several names as one.

use std::fmt;

use super::published::Published;
use crate::paths;

/// Name of the network that ships with the crate as the default.
pub const TINY: &str = "snarm-tiny";

/// Name of the network that was the default before: half as fast again, for old banks and small machines.
pub const TINY_1: &str = "snarm-tiny-1";

/// Digest of the weights of [`TINY_1`]. Banks of its time call it [`TINY`].
pub(crate) const TINY_1_DIGEST: &str = "ae97b79e029d5f92dc8b92235e67ce8d4259e612f1ba419b53fca4974edf8bb6";

/// Name of the smallest transformer with weights from a formula, for tests.
pub const SEEDED_TINY: &str = "seeded:tiny";

/// Name of a narrow EfficientNet-Lite with weights from a formula, for tests.
pub const SEEDED_LITE: &str = "seeded:lite";

/// Names of all networks that need no file.
const BUILT_IN: [&str; 7] =
    [TINY, TINY_1, SEEDED_TINY, SEEDED_LITE, "seeded:small", "seeded:base", "seeded:large"];

/// What stands between the names of several encoders.
const AND: char = '+';

/// What the end of a name, behind `@`, asks a network for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Wanted {
    /// Descriptors on a grid of that side.
    Grid(usize),
    /// Its levels of features, each for itself, the finest on a grid of that side.
    Levels(usize),
}

/// Side of the grid of the finest level, where a name asks for levels alone: that of the published decoders.
const FINEST: usize = 64;

/// What asks for levels.
const LEVELS: &str = "levels";

impl fmt::Display for Wanted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Grid(side) => write!(f, "{side}"),
            Self::Levels(FINEST) => f.write_str(LEVELS),
            Self::Levels(side) => write!(f, "{LEVELS}{side}"),
        }
    }
}

/// A name without its end, and what that asks for.
pub(crate) fn split_wanted(name: &str) -> (&str, Option<Wanted>) {
    let Some((base, end)) = name.rsplit_once('@') else { return (name, None) };
    let wanted = match end.strip_prefix(LEVELS) {
        Some("") => Some(Wanted::Levels(FINEST)),
        Some(side) => side.parse().ok().map(Wanted::Levels),
        None => end.parse().ok().map(Wanted::Grid),
    };
    (if wanted.is_some() { base } else { name }, wanted)
}

/// What the network is called today that had this name and these weights when a bank was made.
pub(crate) fn name_today(name: &str, digest: &str) -> String {
    match split_wanted(name) {
        (TINY, None) if digest == TINY_1_DIGEST => TINY_1.to_owned(),
        (TINY, Some(wanted)) if digest == TINY_1_DIGEST => format!("{TINY_1}@{wanted}"),
        _ => name.to_owned(),
    }
}

/// Whether a name is that of a network, whatever it asks for at the end: a built-in or published one, or a file.
pub(crate) fn is_known(name: &str) -> bool {
    let name = split_wanted(name).0;
    BUILT_IN.contains(&name) || Published::named(name).is_some() || paths::named(name).is_file()
}

/// The names that a name joins by `+`, in order; the name itself where it joins none. Files may have a `+` in their path, so
/// the name is cut where every part is known, as far as that can be.
pub(crate) fn parts<'a>(name: &'a str, known: &dyn Fn(&str) -> bool) -> Vec<&'a str> {
    if !name.contains(AND) || known(name) {
        return vec![name];
    }
    if let Some(all) = all_known(name, known) {
        return all;
    }
    // What is left is not known: as much of it as there is goes into the message.
    let cuts = || name.match_indices(AND).map(|(at, _)| (&name[..at], &name[at + 1..]));
    let first = cuts().find(|(left, _)| known(left)).or_else(|| cuts().rfind(|(_, right)| known(right)));
    match first {
        Some((left, right)) => vec![left, right],
        None => name.split(AND).collect(),
    }
}

fn all_known<'a>(name: &'a str, known: &dyn Fn(&str) -> bool) -> Option<Vec<&'a str>> {
    if known(name) {
        return Some(vec![name]);
    }
    let cut = |(at, _): (usize, &str)| {
        let (left, right) = (&name[..at], &name[at + 1..]);
        let rest = known(left).then(|| all_known(right, known))??;
        Some([vec![left], rest].concat())
    };
    name.match_indices(AND).find_map(cut)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cut(name: &str) -> Vec<&str> {
        let files = ["a", "b", "/c++/a", "d+e", "x@9"];
        parts(name, &|name| files.contains(&split_wanted(name).0))
    }

    #[test]
    fn banks_of_the_earlier_default_find_it_under_its_name_of_today() {
        assert_eq!(name_today(TINY, TINY_1_DIGEST), TINY_1);
        assert_eq!(name_today("snarm-tiny@24", TINY_1_DIGEST), "snarm-tiny-1@24");
        for other in [TINY, "snarm-tiny@24", "vit.safetensors"] {
            assert_eq!(name_today(other, "0123"), other);
        }
        assert_eq!(name_today("seeded:tiny", TINY_1_DIGEST), "seeded:tiny");
    }

    #[test]
    fn ends_are_said_as_they_are_read() {
        for (end, wanted) in
            [("24", Wanted::Grid(24)), ("levels", Wanted::Levels(64)), ("levels32", Wanted::Levels(32))]
        {
            let name = format!("a@b@{end}");
            assert_eq!((split_wanted(&name), wanted.to_string()), (("a@b", Some(wanted)), end.to_owned()));
        }
        for name in ["a", "a@", "a@levelsb", "a@-1"] {
            assert_eq!(split_wanted(name), (name, None));
        }
    }

    #[test]
    fn a_name_is_cut_where_every_part_is_known() {
        assert_eq!(cut("a"), ["a"]);
        assert_eq!(cut("a+b"), ["a", "b"]);
        assert_eq!(cut("a+b+a"), ["a", "b", "a"]);
        assert_eq!(cut("d+e"), ["d+e"]);
        assert_eq!(cut("d+e+/c++/a"), ["d+e", "/c++/a"]);
        assert_eq!(cut("/c++/a@24"), ["/c++/a@24"]);
        // With a part that is not known the message names that part.
        assert_eq!(cut("/c++/a+no"), ["/c++/a", "no"]);
        assert_eq!(cut("n+o+b"), ["n+o", "b"]);
        assert_eq!(cut("no+none"), ["no", "none"]);
        assert_eq!(cut("a+"), ["a", ""]);
    }
}
