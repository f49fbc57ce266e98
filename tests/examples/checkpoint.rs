//! Writes a checkpoint of published sizes with weights from a formula, for timings of families whose trained weights are not
//! at hand: `cargo run -p snarm-tests --example checkpoint mambaad FILE`.

use std::path::Path;

use anyhow::{Result, bail};
use snarm_core::models::reconstruction::Shape;
use snarm_core::models::scan_order::Curve;
use snarm_core::models::{mambaad, pyramid_mamba};
use snarm_tests::checkpoint;

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [family, file] = &arguments[..] else { bail!("expected a family and a file, found {arguments:?}") };
    let (kind, shape) = match family.as_str() {
        name if name == mambaad::KIND.family => (&mambaad::KIND, Shape::published(8, Curve::Hilbert)),
        name if name == pyramid_mamba::KIND.family => {
            (&pyramid_mamba::KIND, Shape::published(4, Curve::Sweep))
        }
        other => bail!("expected {} or {}, found {other}", mambaad::KIND.family, pyramid_mamba::KIND.family),
    };
    checkpoint::write(Path::new(file), kind, &shape, [3, 4, 6]);
    Ok(())
}
