//! The schedule: which piece comes when, how it lies, and what is wrong with it.

use rand::seq::SliceRandom;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::defects::{Defect, DefectKind, Defects};
use super::geometry::v2;
use super::parts::{PartKind, Piece};
use super::scene::{Placed, Shot};

/// A run of the line. Everything follows from the seed.
pub(crate) struct Line {
    pub(crate) width: usize,
    pub(crate) height: usize,
    pub(crate) part: PartKind,
    pub(crate) seed: u64,
    /// Frames from one piece to the next.
    pub(crate) frames_per_piece: usize,
    /// What is wrong with defective pieces.
    pub(crate) defects: Defects,
}

/// A stretch of pieces with its own numbering, so that no piece of one run returns in another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Run {
    /// Good pieces to learn from.
    Learn,
    /// Good pieces to test with.
    Good,
    /// Pieces of which some are defective.
    Inspect,
}

impl Line {
    /// Distance from piece to piece, in pixels.
    fn pitch(&self) -> f32 {
        // A piece that lies wrong has room beside it.
        let radii = if self.defects == Defects::Logical { 3.4 } else { 2.55 };
        radii * self.part.radius(self.height)
    }

    /// Frame `i` of a run that the camera films while the belt moves.
    pub(crate) fn film(&self, run: Run, i: usize) -> Shot {
        let travel = i as f32 * self.pitch() / self.frames_per_piece as f32;
        // Piece 0 enters on the left as the film begins; later ones follow.
        let reach = 1.6 * self.part.radius(self.height);
        let first = ((travel - self.width as f32 - reach) / self.pitch()).ceil().max(0.0) as usize;
        let last = ((travel + reach) / self.pitch()).floor().max(0.0) as usize;
        let placed = (first..=last).map(|k| {
            let kind = if run == Run::Inspect { self.planned(k) } else { None };
            self.place(run, k, kind, travel - k as f32 * self.pitch())
        });
        Shot { seed: self.shot_seed(run, i), travel: -travel, placed: placed.collect() }
    }

    /// A photograph of piece `k`, triggered when it lies in the middle; its neighbours are good.
    pub(crate) fn photograph(&self, run: Run, k: usize, kind: Option<DefectKind>) -> Shot {
        let middle = self.width as f32 / 2.0;
        let placed = [-1.0, 0.0, 1.0].into_iter().enumerate().map(|(i, step)| {
            let kind = if step == 0.0 { kind } else { None };
            self.place(run, 3 * k + i, kind, middle + step * self.pitch())
        });
        let travel = self.rng(run, k, 3).random_range(0.0f32..4096.0);
        Shot { seed: self.shot_seed(run, k), travel, placed: placed.collect() }
    }

    /// What is wrong with piece `k` of an inspected run: every kind once before the first comes again, with one to
    /// three good pieces in between.
    fn planned(&self, k: usize) -> Option<DefectKind> {
        let mut rng = ChaCha8Rng::seed_from_u64(self.seed ^ 0x5EED);
        let mut kinds = self.defects.kinds().to_vec();
        let mut at = 1;
        while at <= k {
            kinds.shuffle(&mut rng);
            for &kind in &kinds {
                if at == k {
                    return Some(kind);
                }
                at += 2 + rng.random_range(0..3usize);
            }
        }
        None
    }

    fn place(&self, run: Run, k: usize, kind: Option<DefectKind>, x: f32) -> Placed {
        let mut rng = self.rng(run, k, 1);
        let mut jitter = || rng.random_range(-1.0f32..1.0);
        let play = 0.035 * self.height as f32;
        let mut centre = v2(x + play * jitter(), 0.5 * self.height as f32 + play * jitter());
        let mut angle = self.part.most_turn() * jitter();
        let mut piece = Piece { seed: (jitter() * 32768.0) as i32 as u32, ..Piece::default() };
        let defects: Vec<_> = kind.map(|kind| Defect::draw(kind, self.part, &mut rng)).into_iter().collect();
        for defect in &defects {
            defect.mark(&mut piece);
            let (shift, turn) = defect.displacement();
            centre = centre + shift * self.part.radius(self.height);
            angle += turn;
        }
        Placed { piece, defects, centre, angle }
    }

    fn rng(&self, run: Run, k: usize, purpose: u64) -> ChaCha8Rng {
        let mut rng = ChaCha8Rng::seed_from_u64(self.seed);
        rng.set_stream((purpose << 48) | ((run as u64) << 40) | k as u64);
        rng
    }

    fn shot_seed(&self, run: Run, i: usize) -> u64 {
        self.rng(run, i, 2).random()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line() -> Line {
        Line {
            width: 320,
            height: 240,
            part: PartKind::Flange,
            seed: 5,
            frames_per_piece: 20,
            defects: Defects::Structural,
        }
    }

    #[test]
    fn seven_defective_pieces_show_every_kind_and_never_follow_each_other() {
        let line = line();
        let planned: Vec<_> = (0..200).map(|k| line.planned(k)).collect();
        let mut kinds: Vec<_> = planned.iter().flatten().take(7).copied().collect();
        kinds.sort_unstable();
        let mut all = Defects::Structural.kinds().to_vec();
        all.sort_unstable();
        assert_eq!(kinds, all);
        assert!(planned.windows(2).all(|pair| pair[0].is_none() || pair[1].is_none()));
        assert!((0..200).all(|k| line.planned(k) == planned[k]));
    }

    #[test]
    fn pieces_enter_on_the_left_and_leave_on_the_right() {
        let line = line();
        let at = |i: usize| line.film(Run::Learn, i).placed.iter().map(|p| p.centre.x).collect::<Vec<_>>();
        assert!(at(0).iter().all(|&x| x < 60.0));
        let later = at(200);
        assert!(later.iter().any(|&x| (0.0..320.0).contains(&x)) && later.len() >= 2, "{later:?}");
    }

    #[test]
    fn learning_runs_show_no_defects() {
        let line = line();
        assert!((0..400).all(|i| line.film(Run::Learn, i).placed.iter().all(|p| p.defects.is_empty())));
    }

    #[test]
    fn pieces_that_lie_wrong_lie_far_from_where_good_ones_do_and_inside_the_frame() {
        let part = PartKind::Plate;
        let line = Line { part, defects: Defects::Logical, width: 640, height: 480, ..line() };
        let middle = |k, kind| line.photograph(Run::Inspect, k, kind).placed.remove(1);
        for k in 0..40 {
            let good = middle(k, None);
            assert!((good.centre.x - 320.0).abs() < 20.0 && good.angle.abs() <= part.most_turn());
            let displaced = middle(k, Some(DefectKind::Displaced));
            assert!((displaced.centre.x - 320.0).abs() > 64.0, "{displaced:?}");
            let sides = [displaced.centre.x, 640.0 - displaced.centre.x];
            assert!(sides.iter().all(|side| *side > 0.75 * part.radius(480)), "{displaced:?}");
            assert!((displaced.centre.y - 240.0).abs() < 0.1 * 480.0, "{displaced:?}");
            assert!(middle(k, Some(DefectKind::Turned)).angle.abs() > 0.25);
            assert!(middle(k, Some(DefectKind::Absent)).piece.absent);
        }
    }
}
