use super::*;
use crate::bank::{BankSettings, Reduction};
use crate::encoder::PositionInterpolation;
use crate::synthetic::product::Product;
use crate::synthetic::{Settings as Defects, Synthesizer};
use crate::training::decoder::Image;
use crate::view::View;

/// A class of four drawn pieces, and room for two samples.
fn samples(memory: usize) -> Samples {
    let encoder = Encoder::load("seeded:tiny@8", PositionInterpolation::Legacy).unwrap();
    let encoder = Arc::new(encoder);
    let product = Arc::new(Product::new(3));
    let images = (0..4).map(|i| Image::Drawn(Arc::clone(&product), i, 96)).collect();
    let categories = vec![Category::new("drawn".to_owned(), images)];
    let bank = BankSettings { reduction: Reduction::None, view: View::squeezed(), ..BankSettings::default() };
    let settings = Settings { bank, memory, ..Settings::default() };
    let banks = Banks::new(&categories, false, &encoder, &settings, &mut || {}).unwrap();
    let synthesizer = Synthesizer::new(Defects::general()).unwrap();
    Samples::new(categories, banks, encoder, synthesizer, &settings).unwrap()
}

fn id(image: usize, shows: Shows) -> Id {
    Id { category: 0, image, shows }
}

#[test]
fn memory_is_bounded_and_what_is_made_anew_is_the_same() {
    let mut samples = samples(usize::MAX);
    let first = samples.get(id(0, Shows::Synthetic(1))).unwrap();
    samples.kept.memory = 2 * first.bytes();
    for image in 1..4 {
        samples.get(id(image, Shows::Good)).unwrap();
        assert!(
            samples.kept.bytes <= samples.kept.memory
                && samples.kept.samples.len() == samples.kept.order.len()
        );
    }
    let kept: Vec<usize> = samples.kept.order.iter().map(|id| id.image).collect();
    assert_eq!(kept, [2, 3], "the ones used last are kept");
    let again = samples.get(id(0, Shows::Synthetic(1))).unwrap();
    assert!(!Arc::ptr_eq(&first, &again));
    assert_eq!(
        (&first.descriptors, &first.residuals, &first.mask),
        (&again.descriptors, &again.residuals, &again.mask)
    );
    assert!(first.mask.contains(&1) && first.mask.contains(&0));
}

#[test]
fn what_falls_out_of_memory_is_read_back() {
    let mut samples = samples(0);
    samples.keep_on(DiskCache::create(&std::env::temp_dir(), u64::MAX).unwrap());
    let all = [id(0, Shows::Synthetic(1)), id(1, Shows::Good), id(2, Shows::OtherLight)];
    let made = all.map(|id| samples.get(id).unwrap());
    for (id, made) in all.into_iter().zip(made) {
        let read = samples.get(id).unwrap();
        assert!(!Arc::ptr_eq(&made, &read));
        assert_eq!(
            (&made.descriptors, &made.residuals, &made.mask),
            (&read.descriptors, &read.residuals, &read.mask)
        );
        assert_eq!((made.visible, made.gain, made.level), (read.visible, read.gain, read.level));
        assert_eq!(made.distances, read.distances);
    }
    assert_eq!(samples.counts(), Counts { made: 3, from_memory: 0, from_disk: 3 });
}

#[test]
fn without_room_on_the_disk_samples_are_made_anew() {
    let full = DiskCache::on_a_full_disk().unwrap();
    let mut samples = samples(0);
    samples.keep_on(full);
    for (image, counted) in [(0, true), (1, false), (0, false), (1, false)] {
        samples.get(id(image, Shows::Good)).unwrap();
        assert_eq!(samples.kept.disk.is_some(), counted, "the first failure ends its use");
    }
    assert_eq!(samples.counts(), Counts { made: 4, from_memory: 0, from_disk: 0 });
}

#[test]
fn rows_of_the_same_piece_do_not_count() {
    let mut samples = samples(usize::MAX);
    let zeros = |sample: &Sample| {
        sample.residuals.chunks(512).filter(|row| row.iter().all(|v| v.to_f32().abs() < 1e-3)).count()
    };
    let own = samples.get(id(1, Shows::Good)).unwrap();
    assert_eq!(zeros(&own), 0, "a piece is compared with other pieces");
    // The nearest three rows hold the token itself, which is a third of the reference.
    let picture = samples.categories[0].good[1].open(&Default::default()).unwrap();
    let bank = Arc::clone(samples.bank_of(0, None).0);
    let with_itself =
        samples.sample_of(&bank, None, &picture, &Mask::empty(picture.width, picture.height)).unwrap();
    let size = |sample: &Sample| sample.residuals.iter().map(|v| v.to_f32().powi(2)).sum::<f32>();
    assert!(size(&with_itself) < 0.7 * size(&own), "{} of {}", size(&with_itself), size(&own));
}

#[test]
fn every_way_to_show_an_image_is_another_sample() {
    let mut samples = samples(usize::MAX);
    let all = [Shows::Good, Shows::OtherLight, Shows::Synthetic(0), Shows::Synthetic(1)];
    let made: Vec<_> = all.map(|shows| samples.get(id(1, shows)).unwrap()).to_vec();
    for (i, a) in made.iter().enumerate() {
        assert!(made[..i].iter().all(|b| a.descriptors != b.descriptors), "{:?}", all[i]);
        assert_eq!(a.mask.contains(&1), matches!(all[i], Shows::Synthetic(_)));
    }
}
