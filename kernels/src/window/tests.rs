use proptest::prelude::*;

use super::*;
use crate::testing::noise;

proptest! {
    #[test]
    fn agree_with_the_references(
        (left, width, right) in (0_usize..9, 1_usize..9, 0_usize..9),
        (above, height, below) in (0_usize..9, 1_usize..9, 0_usize..9),
    ) {
        let (w, h) = (left + width + right, above + height + below);
        let window = PixelRect { x: left, y: above, width, height };
        for (reference, kernel) in [
            (reference::extend as fn(&mut [f32], usize, PixelRect), (|x, w, window| extend(x, w, window)) as fn(&mut [f32], usize, PixelRect) -> Result<()>),
            (reference::clear, |x, w, window| clear(x, w, window)),
        ] {
            let (mut expected, mut found) = (noise(w * h, 1), noise(w * h, 1));
            reference(&mut expected, w, window);
            kernel(&mut found, w, window).unwrap();
            assert_eq!(expected, found);
        }
    }
}

#[test]
fn an_empty_rectangle_shows_nothing_and_one_outside_is_refused() {
    let nothing = PixelRect { x: 1, y: 1, width: 0, height: 0 };
    let mut x = [1.0; 4];
    extend(&mut x, 2, nothing).unwrap();
    assert_eq!(x, [1.0; 4]);
    clear(&mut x, 2, nothing).unwrap();
    assert_eq!(x, [0.0; 4]);
    let outside = PixelRect { x: 1, y: 0, width: 2, height: 1 };
    assert!(extend(&mut x, 2, outside).is_err() && clear(&mut x, 2, outside).is_err());
    assert!(clear(&mut [0.0; 5], 2, nothing).is_err());
}
