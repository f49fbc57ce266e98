//! Views of a good image, by which a bank knows what its product may look like in another light or pose.

use serde::{Deserialize, Serialize};

use super::ops;
use super::sampling::{Affine, Border, transform};
use crate::dataset::Picture;

/// Number of views of one image.
pub const FEW_SHOT: usize = 22;

/// Translations as parts of the image's sides.
const SHIFTS: [[f32; 2]; 8] =
    [[0.2, 0.2], [-0.2, 0.2], [-0.2, -0.2], [0.2, -0.2], [0.1, 0.1], [-0.1, 0.1], [-0.1, -0.1], [0.1, -0.1]];

/// One way to look at an image.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Augmentation {
    /// As it is.
    Identity,
    /// Turned counter-clockwise by degrees, the corners mirrored.
    Turn(f32),
    /// Moved by parts of its sides, the edges mirrored.
    Shift([f32; 2]),
    /// Left and right exchanged.
    Flip,
    /// Grey.
    Grey,
    /// Turned counter-clockwise by this many quarters, sides exchanged where they differ.
    Quarter(usize),
    /// Each colour multiplied.
    Gain([f32; 3]),
    /// Colours from 0 to 1 to the power of this.
    Gamma(f32),
    /// Brighter towards the right and the lower edge by these parts, darker towards the others.
    Gradient([f32; 2]),
}

/// Which views of each good image are learned beside the image itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Views {
    /// The image alone.
    #[default]
    None,
    /// Those that the learned images ask for, found when the bank is made.
    Auto,
    /// In other light: brightness, gamma, white balance, gradients (8).
    Light,
    /// A little moved and turned: by 4 % of each side, 3 and 6 degrees (8).
    Pose,
    /// Turned by each 15 degrees (23).
    Turns,
    /// In other light, and a little moved and turned (16).
    All,
    /// Those of few-shot learning (21).
    FewShot,
}

impl Views {
    /// Lower-case name, as files and properties give it.
    pub fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Auto => "auto",
            Self::Light => "light",
            Self::Pose => "pose",
            Self::Turns => "turns",
            Self::All => "all",
            Self::FewShot => "few-shot",
        }
    }

    /// Whether there are none.
    pub(crate) fn is_none(&self) -> bool {
        *self == Self::None
    }

    /// The views, without the image itself; of [`Self::Auto`] none, as they are not known yet.
    pub fn list(self) -> Vec<Augmentation> {
        let light = || {
            let gains = [[0.8; 3], [1.2; 3], [1.08, 1.0, 0.92], [0.92, 1.0, 1.08]].map(Augmentation::Gain);
            let gradients = [[0.2, 0.0], [0.0, 0.2]].map(Augmentation::Gradient);
            gains.into_iter().chain([0.8, 1.25].map(Augmentation::Gamma)).chain(gradients)
        };
        let pose = || {
            let shifts = [[0.04, 0.0], [-0.04, 0.0], [0.0, 0.04], [0.0, -0.04]].map(Augmentation::Shift);
            shifts.into_iter().chain([-6.0, -3.0, 3.0, 6.0].map(Augmentation::Turn))
        };
        match self {
            Self::None | Self::Auto => Vec::new(),
            Self::Light => light().collect(),
            Self::Pose => pose().collect(),
            Self::Turns => (1..24).map(|i| Augmentation::Turn(15.0 * i as f32)).collect(),
            Self::All => light().chain(pose()).collect(),
            Self::FewShot => few_shot().into_iter().skip(1).collect(),
        }
    }
}

/// The 22 views: the image itself; turns by 1, 2, 3 and 4 times 11.25 degrees either way; 8 translations by 10 % and
/// 20 %; mirrored; grey; turned by 90, 180 and 270 degrees.
pub fn few_shot() -> [Augmentation; FEW_SHOT] {
    let turns = [1, -1, 2, -2, 3, -3, 4, -4].map(|i| Augmentation::Turn(180.0 / 16.0 * i as f32));
    let shifts = SHIFTS.map(Augmentation::Shift);
    let mut views = [Augmentation::Identity; FEW_SHOT];
    let others = turns.into_iter().chain(shifts).chain([Augmentation::Flip, Augmentation::Grey]);
    let others = others.chain((1..4).map(Augmentation::Quarter));
    views.iter_mut().skip(1).zip(others).for_each(|(view, other)| *view = other);
    views
}

impl Augmentation {
    /// The image seen so.
    pub fn of(self, picture: &Picture) -> Picture {
        let (width, height) = (picture.width as f32, picture.height as f32);
        match self {
            Self::Identity => picture.clone(),
            Self::Turn(degrees) => transform(picture, Affine::turn(degrees), Border::Reflect),
            Self::Shift([x, y]) => transform(picture, Affine::shift(x * width, y * height), Border::Reflect),
            Self::Flip => {
                rearranged(picture, picture.width, picture.height, |x, y| (picture.width - 1 - x, y))
            }
            Self::Grey => {
                let mut grey = picture.clone();
                for pixel in grey.data.chunks_exact_mut(3) {
                    let [r, g, b] = [pixel[0], pixel[1], pixel[2]].map(f32::from);
                    pixel.fill(ops::to_level(0.299 * r + 0.587 * g + 0.114 * b));
                }
                grey
            }
            Self::Gain(gains) => lit(picture, |_, _| gains),
            Self::Gradient([right, down]) => lit(picture, |x, y| {
                let of = |at: usize, side: f32| (2.0 * at as f32 + 1.0) / side - 1.0;
                [1.0 + right * of(x, width) + down * of(y, height); 3]
            }),
            Self::Gamma(exponent) => {
                let mut other = picture.clone();
                ops::gamma_contrast(&mut other, [exponent; 3]);
                other
            }
            Self::Quarter(quarters) => (0..quarters % 4).fold(picture.clone(), |picture, _| {
                let last = picture.width - 1;
                rearranged(&picture, picture.height, picture.width, |x, y| (last - y, x))
            }),
        }
    }
}

/// A picture whose colours are multiplied at each place.
fn lit(picture: &Picture, gain: impl Fn(usize, usize) -> [f32; 3]) -> Picture {
    let mut other = picture.clone();
    for (at, pixel) in other.data.chunks_exact_mut(3).enumerate() {
        let gains = gain(at % picture.width, at / picture.width);
        pixel.iter_mut().zip(gains).for_each(|(v, gain)| *v = ops::to_level(f32::from(*v) * gain));
    }
    other
}

/// A picture of `width` x `height` whose pixel at (x, y) is the one at `from(x, y)`.
fn rearranged(
    picture: &Picture,
    width: usize,
    height: usize,
    from: impl Fn(usize, usize) -> (usize, usize),
) -> Picture {
    let mut data = Vec::with_capacity(picture.data.len());
    for (y, x) in (0..height).flat_map(|y| (0..width).map(move |x| (y, x))) {
        let (source_x, source_y) = from(x, y);
        let at = 3 * (source_y * picture.width + source_x);
        data.extend_from_slice(&picture.data[at..at + 3]);
    }
    Picture { data, width, height }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn numbered(width: usize, height: usize) -> Picture {
        let data = (0..width * height).flat_map(|i| [i as u8, 2 * i as u8, 3 * i as u8]).collect();
        Picture { data, width, height }
    }

    fn red(picture: &Picture) -> Vec<u8> {
        picture.data.chunks(3).map(|p| p[0]).collect()
    }

    #[test]
    fn there_are_22_views_and_no_two_are_the_same() {
        let views = few_shot();
        assert_eq!(views[0], Augmentation::Identity);
        let pictures: Vec<_> = views.iter().map(|view| view.of(&numbered(9, 9))).collect();
        for (i, a) in pictures.iter().enumerate() {
            assert!(pictures[..i].iter().all(|b| a != b), "view {i}");
            assert_eq!((a.width, a.height), (9, 9));
        }
        let largest =
            views.iter().filter_map(|v| if let Augmentation::Turn(d) = v { Some(d.abs()) } else { None });
        assert_eq!(largest.fold(0.0, f32::max), 45.0);
    }

    #[test]
    fn exact_views_move_pixels_to_their_places() {
        let picture = numbered(3, 2);
        assert_eq!(red(&Augmentation::Flip.of(&picture)), [2, 1, 0, 5, 4, 3]);
        let turned = Augmentation::Quarter(1).of(&picture);
        assert_eq!((turned.width, turned.height, red(&turned)), (2, 3, vec![2, 5, 1, 4, 0, 3]));
        assert_eq!(red(&Augmentation::Quarter(2).of(&picture)), [5, 4, 3, 2, 1, 0]);
        assert_eq!(red(&Augmentation::Quarter(3).of(&picture)), [3, 0, 4, 1, 5, 2]);
        // 0.299 * 1 + 0.587 * 2 + 0.114 * 3 = 1.815
        assert_eq!(Augmentation::Grey.of(&picture).data[3..6], [2, 2, 2]);
    }

    #[test]
    fn sets_of_views_are_named_and_no_two_views_are_the_same() {
        let picture = numbered(9, 9);
        for (views, count) in [
            (Views::None, 0),
            (Views::Auto, 0),
            (Views::Light, 8),
            (Views::Pose, 8),
            (Views::Turns, 23),
            (Views::All, 16),
            (Views::FewShot, 21),
        ] {
            assert_eq!(serde_json::to_value(views).unwrap(), views.name());
            let seen: Vec<Picture> = views.list().into_iter().map(|view| view.of(&picture)).collect();
            assert_eq!(seen.len(), count, "{views:?}");
            for (i, a) in seen.iter().enumerate() {
                assert!(*a != picture && seen[..i].iter().all(|b| a != b), "{views:?} {i}");
                assert_eq!((a.width, a.height), (9, 9));
            }
        }
    }

    #[test]
    fn light_changes_colours_alone() {
        let row = Picture { data: [[100; 3]; 4].concat(), width: 4, height: 1 };
        assert_eq!(red(&Augmentation::Gain([0.5, 1.0, 1.0]).of(&row)), [50; 4]);
        assert_eq!(red(&Augmentation::Gradient([0.2, 0.0]).of(&row)), [85, 95, 105, 115]);
        assert!(red(&Augmentation::Gamma(0.5).of(&row)).iter().all(|v| *v == 160));
        assert_eq!(red(&Augmentation::Gain([9.0; 3]).of(&row)), [255; 4]);
    }

    #[test]
    fn translations_mirror_what_they_uncover() {
        let row = Picture { data: (0..10u8).flat_map(|v| [v; 3]).collect(), width: 10, height: 1 };
        assert_eq!(red(&Augmentation::Shift([0.2, 0.0]).of(&row)), [2, 1, 0, 1, 2, 3, 4, 5, 6, 7]);
        assert_eq!(red(&Augmentation::Shift([-0.2, 0.0]).of(&row)), [2, 3, 4, 5, 6, 7, 8, 9, 8, 7]);
    }

    #[test]
    fn turns_leave_no_black_corners() {
        let even = Picture { data: vec![80; 3 * 15 * 11], width: 15, height: 11 };
        assert!(few_shot().iter().all(|view| view.of(&even).data.iter().all(|&v| v == 80)));
    }
}
