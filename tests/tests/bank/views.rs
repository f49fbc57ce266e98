//! Views of the frames that are learned: of one frame alone, of few, and those that frames ask for.

use std::sync::Arc;

use snarm_core::bank::{Bank, BankBuilder, BankSettings, Placing, Reduction};
use snarm_core::dataset::Picture;
use snarm_core::frame::Frame;
use snarm_core::synthetic::augmentation::{Augmentation, Views};

use crate::calibration::{alarms, part};
use crate::common::{HEIGHT, TOKENS, WIDTH, encoder, settings};

fn builder(views: Views, capacity: usize, reduction: Reduction) -> BankBuilder {
    BankBuilder::new(encoder(), BankSettings { views, ..settings(capacity, reduction) }).unwrap()
}

fn add(builder: &mut BankBuilder, parts: std::ops::Range<u64>) {
    for i in parts {
        builder.add(&Frame::rgb(&part(i, false), WIDTH, HEIGHT).unwrap()).unwrap();
    }
}

fn build(builder: &mut BankBuilder) -> Arc<Bank> {
    Arc::new(builder.build(&mut |_, _, _| {}).unwrap())
}

#[test]
fn one_frame_and_its_views_make_a_bank_that_is_said_to_be_a_guess() {
    for (asked, learned, views) in
        [(Views::None, "all", 16), (Views::All, "all", 16), (Views::Light, "light", 8)]
    {
        let settings = settings(4000, Reduction::Greedy);
        let settings = BankSettings { views: asked, placing: Placing::Auto, ..settings };
        let mut builder = BankBuilder::new(encoder(), settings).unwrap();
        add(&mut builder, 0..1);
        let bank = build(&mut builder);
        assert_eq!((bank.frames(), builder.frames(), bank.views_text()), (1, 1, learned.to_owned()));
        assert_eq!((bank.header().views, bank.header().copies), (asked, 0));
        assert!(bank.calibration().frames > 1, "its views are scored");
        assert!(bank.odd_frames().is_empty() && bank.place_radius().is_none(), "views are no frames");
        let doubt = bank.doubt(bank.calibration()).unwrap();
        assert!(doubt.contains(&format!("found 1, learned in {views} views each; learn more")), "{doubt}");
        let chosen = bank.chosen_views().map(|chosen| chosen.to_string());
        assert_eq!(chosen.is_some(), asked == Views::None, "{chosen:?}");
        assert!(chosen.is_none_or(|chosen| chosen.ends_with("expected 4, found 1")));
        if learned == "all" {
            let good = alarms(&bank, (100..110).map(|i| part(i, false)));
            let found = alarms(&bank, (200..210).map(|i| part(i, true)));
            assert!(
                good <= 3 && found >= 5,
                "{good} of 10 good parts are anomalous, {found} of 10 scratched"
            );
        }
    }
}

/// What a bank of one frame takes for frames is gone when more of them follow.
#[test]
fn a_bank_of_one_frame_leaves_no_trace_in_that_of_more() {
    let mut once = builder(Views::None, 300, Reduction::Greedy);
    add(&mut once, 0..1);
    let alone = build(&mut once);
    assert_eq!(build(&mut once).digest(), alone.digest(), "made twice");
    add(&mut once, 1..4);
    let mut plain = builder(Views::None, 300, Reduction::Greedy);
    add(&mut plain, 0..4);
    let bank = build(&mut once);
    assert_eq!((bank.digest(), bank.views_text()), (build(&mut plain).digest(), "none".to_owned()));
    // Back to one frame.
    assert_eq!(once.discard_last(3), 3);
    assert_eq!(build(&mut once).digest(), alone.digest());
}

#[test]
fn views_belong_to_their_frame_and_those_of_few_frames_are_scored() {
    let mut builder = builder(Views::Light, 100_000, Reduction::None);
    add(&mut builder, 0..3);
    let bank = build(&mut builder);
    let rows = |image: u32| bank.images().iter().filter(|of| **of == image).count();
    assert_eq!([rows(0), rows(1), rows(2), rows(3)], [9 * TOKENS, 9 * TOKENS, 9 * TOKENS, 0]);
    assert_eq!((bank.frames(), bank.calibration().frames), (3, 3 * 9));
    assert!(bank.calibration().scores[0] > 0.0, "no view is compared with its own frame");
    assert!(bank.doubt(bank.calibration()).unwrap().contains("found 3, learned in 8 views each"));
    // From eight on frames speak for themselves.
    add(&mut builder, 3..8);
    let bank = build(&mut builder);
    assert_eq!((bank.frames(), bank.calibration().frames), (8, 8));
    assert!(bank.doubt(bank.calibration()).is_none());
}

#[test]
fn two_and_three_frames_in_their_views_find_defects() {
    for frames in [2, 3] {
        let mut builder = builder(Views::All, 4000, Reduction::Greedy);
        add(&mut builder, 0..frames);
        let bank = build(&mut builder);
        let good = alarms(&bank, (100..110).map(|i| part(i, false)));
        let found = alarms(&bank, (200..210).map(|i| part(i, true)));
        assert!(good <= 3 && found >= 5, "{frames} frames: {good} of 10 good parts, {found} of 10 scratched");
    }
}

/// A round part on an even ground, turned.
fn strewn(number: usize, degrees: f32) -> Picture {
    let level = |at: usize| {
        let (x, y) = ((at % WIDTH) as f32 - 31.5, (at / WIDTH) as f32 - 23.5);
        let surface = 45.0 * (0.5 * x + 0.01 * y * y).sin() + 45.0 * (0.4 * y + 0.02 * x * y).cos();
        let noise = ((at + 10_000 * number + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 60) as f32 / 8.0;
        (60.0 + (21.0 - x.hypot(y)).clamp(0.0, 1.0) * (60.0 + surface + noise)) as u8
    };
    let data = (0..WIDTH * HEIGHT).flat_map(|at| [level(at); 3]).collect();
    Augmentation::Turn(degrees).of(&Picture { data, width: WIDTH, height: HEIGHT })
}

#[test]
fn frames_decide_which_views_are_learned() {
    let learned = |turns: [f32; 4]| {
        let mut builder = builder(Views::Auto, 400, Reduction::Greedy);
        for (i, degrees) in turns.into_iter().enumerate() {
            builder.add(&strewn(i, degrees).frame().unwrap()).unwrap();
        }
        let before = builder.vectors();
        let bank = build(&mut builder);
        assert_eq!((builder.vectors(), bank.vectors(), bank.frames()), (before, 400, 4));
        let chosen = bank.chosen_views().unwrap().clone();
        assert_eq!((bank.header().views, &bank.header().views_found), (Views::Auto, &chosen.sets));
        (chosen, bank)
    };
    let (chosen, bank) = learned([0.0, 75.0, 135.0, 210.0]);
    assert_eq!(chosen.sets, [Views::Turns], "{chosen}");
    assert_eq!((bank.views_text(), bank.calibration().frames), ("turns".to_owned(), 4 * 24));
    // The file knows them.
    let file = tempfile::NamedTempFile::new().unwrap();
    bank.save(file.path()).unwrap();
    let read = Bank::open(file.path()).unwrap();
    assert_eq!((read.views(), read.digest(), read.chosen_views()), (vec![Views::Turns], bank.digest(), None));

    let (chosen, bank) = learned([0.0; 4]);
    assert!(chosen.sets.is_empty(), "{chosen}");
    assert_eq!(bank.views_text(), "none");
}

#[test]
fn too_few_frames_to_decide_are_learned_in_all_views() {
    let mut builder = builder(Views::Auto, 100_000, Reduction::None);
    add(&mut builder, 0..2);
    let bank = build(&mut builder);
    assert_eq!((bank.vectors(), bank.calibration().frames), (2 * 17 * TOKENS, 2 * 17));
    assert!(bank.chosen_views().unwrap().to_string().ends_with("expected 4, found 2"));
    assert_eq!(builder.vectors(), 2 * TOKENS, "what was learned for the bank alone is taken back");
}
