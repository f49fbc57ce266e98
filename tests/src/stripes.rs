//! Drawn parts that differ from each other as parts do, with and without a scratch.

/// RGB pixels of a good part: stripes that lie elsewhere, in another light and with other noise in every part; or the
/// same with a scratch.
pub fn part(width: usize, height: usize, number: u64, scratched: bool) -> Vec<u8> {
    let mut state = number.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ 0x5bd1;
    let mut random = move || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 40) as f32 / (1 << 24) as f32
    };
    let (light, shift) = (0.9 + 0.2 * random(), 6.0 * random());
    let mut pixels = Vec::with_capacity(width * height * 3);
    for at in 0..width * height {
        let (x, y) = ((at % width) as f32, (at / width) as f32);
        let stripe = if ((x + shift + 0.5 * y) / 6.0) as i32 % 2 == 0 { 150.0 } else { 70.0 };
        let on_scratch = scratched && (20..23).contains(&(at / width)) && (20..34).contains(&(at % width));
        for bright in [1.0, 0.8, 0.6] {
            let level = if on_scratch { 250.0 * (1.6 - bright) } else { stripe * bright * light };
            pixels.push((level + 10.0 * random()).clamp(0.0, 255.0) as u8);
        }
    }
    pixels
}
