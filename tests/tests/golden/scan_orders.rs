use snarm_core::Grid;
use snarm_core::models::scan_order::{Curve, scan_order, snarm_orders};

use crate::file::Golden;

#[test]
fn all_curves_in_all_directions() {
    let golden = Golden::open("scan_orders");
    let curves = [
        ("sweep", Curve::Sweep),
        ("scan", Curve::Boustrophedon),
        ("zorder", Curve::ZOrder),
        ("zigzag", Curve::Zigzag),
        ("hilbert", Curve::Hilbert),
    ];
    for (name, curve) in curves {
        for n in [8, 16, 32] {
            let found: Vec<u32> = (0..8).flat_map(|direction| scan_order(curve, n, direction)).collect();
            assert_eq!(found, golden.u32s(&format!("{name}.{n}")), "{name} {n}");
        }
    }
}

#[test]
fn the_four_orders_of_snarm() {
    let found: Vec<u32> = snarm_orders(Grid::square(49)).into_iter().flatten().collect();
    assert_eq!(found, Golden::open("scan_orders").u32s("snarm.49"));
}
