//! Names, sizes and tables of published checkpoints: the network whose features are reconstructed (`net_t.`), the fusion
//! (`mff_oce.`) and the decoder (`net_s.layers_up.`), under whatever prefix a checkpoint puts before them.
//!
//! One of the published programs calls the layers around the 7 x 7 convolution as if its taps were 3 x 3, and keeps a 3 x 3
//! convolution that nothing reads; such files are read, too. The orders of the scans lie beside the weights as tables: they
//! say along which curve a decoder scans, and are checked.

use std::path::Path;

use super::file::Entry;
use super::shape::{Kind, STAGES, Shape, WHAT};
use crate::error::{Error, Result};
use crate::files::{Tensor, Weights};
use crate::layers::Tensors;
use crate::models::scan_order::{Curve, scan_order};

/// Beginning of the names of the fusion.
pub(super) const FUSION: &str = "mff_oce";

/// Beginning of the names of the decoder.
pub(super) const DECODER: &str = "net_s.layers_up";

/// A tensor that all have.
const FIRST: &str = "mff_oce.conv1.weight";

/// What the tensors of the network begin with whose features are reconstructed, and which of them all have.
const ENCODER: (&str, &str) = ("net_t.", "net_t.conv1.weight");

/// The ending of counters that batch norms keep and nothing reads.
const COUNTER: &str = ".num_batches_tracked";

/// Layers by their name here and by the other published one.
const SPELLINGS: [(&str, &str); 2] = [("conv1b7.", "conv1b3."), ("conv1a7.", "conv1a3.")];

/// Side of the coarsest map of the published decoders.
const COARSEST: usize = 8;

/// The most modules of a stage and blocks of a module.
const MOST: usize = 64;

/// Whether a file holds such a decoder.
pub(crate) fn is_in(file: &Weights) -> bool {
    file.names().iter().any(|name| name == FIRST || name.ends_with(&format!(".{FIRST}")))
}

/// Whether the scans of the decoder in a file go through quarters as well, as its tables say.
pub(crate) fn has_quarters(file: &Weights) -> bool {
    file.names().iter().any(|name| name.ends_with(".scans.index_flat1"))
}

/// Tensors by their published names.
pub(crate) struct Named<'a> {
    file: &'a Weights,
    names: Vec<String>,
    prefix: String,
    is_respelled: bool,
}

impl<'a> Named<'a> {
    /// The tensors of a file.
    pub(crate) fn find(file: &'a Weights) -> Result<Self> {
        let names = file.names();
        let prefix = names.iter().find_map(|name| {
            name.strip_suffix(FIRST).filter(|prefix| prefix.is_empty() || prefix.ends_with('.'))
        });
        let Some(prefix) = prefix.map(str::to_owned) else {
            return Err(Error::wrong_file(
                WHAT,
                file.path(),
                format!("a tensor {FIRST}"),
                "none of that name",
            ));
        };
        let is_respelled = !names.iter().any(|name| name.contains(SPELLINGS[0].0));
        Ok(Self { file, names, prefix, is_respelled })
    }

    /// Whether the network lies in the file whose features are reconstructed.
    pub(super) fn holds_encoder(&self) -> bool {
        self.has(ENCODER.1)
    }

    /// A tensor by its name here, whatever the file calls it.
    pub(crate) fn tensor(&self, name: &str) -> Result<Option<Tensor>> {
        self.file.get(&self.spelled(name))
    }

    /// The tensors of the network whose features are reconstructed, without a checkpoint's prefix.
    pub(crate) fn encoder(&self) -> Result<Vec<Entry>> {
        let own = format!("{}{}", self.prefix, ENCODER.0);
        let names = self.names.iter().filter(|name| name.starts_with(&own) && !name.ends_with(COUNTER));
        let mut all = Vec::new();
        for name in names {
            if let Some(Tensor { shape, data }) = self.file.get(name)? {
                all.push((name[self.prefix.len()..].to_owned(), shape, data));
            }
        }
        Ok(all)
    }

    /// Sizes of the decoder; `curve` is that of a file without tables.
    pub(super) fn shape(&self, kind: &Kind, curve: Option<Curve>) -> Result<Shape> {
        let size = |name: &str, axis: usize| -> Result<usize> {
            Ok(self.tensor(name)?.and_then(|tensor| tensor.shape.get(axis).copied()).unwrap_or(0))
        };
        let count = |name: &dyn Fn(usize) -> String| (0..MOST).take_while(|i| self.has(&name(*i))).count();
        let stages = std::array::from_fn(|s| {
            let blocks = |module: usize| count(&|block| block_name(s, module, block) + ".ln_1.weight");
            (0..MOST).map(blocks).take_while(|blocks| *blocks > 0).collect()
        });
        let scan = block_name(0, 0, 0) + ".self_attention.";
        let mut shape = Shape {
            levels: [size(FIRST, 1)?, size(FIRST, 0)?, size("mff_oce.conv2.weight", 0)?],
            fused: size("mff_oce.bn_layer.0.conv3.weight", 0)?,
            planes: size("mff_oce.bn_layer.0.conv1.weight", 0)?,
            bottlenecks: count(&|i| format!("mff_oce.bn_layer.{i}.conv1.weight")),
            stages,
            states: size(&format!("{scan}A_logs"), 1)?,
            directions: size(&format!("{scan}x_proj_weight"), 0)?,
            curve: curve.unwrap_or(Curve::Sweep),
        };
        if curve.is_none() {
            shape.curve = self.curve(&shape, kind)?;
        }
        shape.check(kind).map_err(|error| match error {
            Error::Sizes { expected, found, .. } => {
                Error::wrong_file(WHAT, self.file.path(), expected, found)
            }
            other => other,
        })?;
        Ok(shape)
    }

    /// The curve that all tables describe.
    fn curve(&self, shape: &Shape, kind: &Kind) -> Result<Curve> {
        let mut tables = Vec::new();
        for s in 0..STAGES {
            let blocks = shape.stages[s].iter().enumerate().flat_map(|(i, n)| (0..*n).map(move |b| (i, b)));
            for (module, block) in blocks {
                let name = block_name(s, module, block) + ".self_attention.scans.index_flat";
                let side = COARSEST << s;
                tables.push((side, name.clone(), format!("{name}_inv")));
                if kind.quarters {
                    let coarser = |i: usize| (side >> i, format!("{name}{i}"), format!("{name}_inv{i}"));
                    tables.extend([coarser(1), coarser(2)]);
                }
            }
        }
        let mut found = Vec::with_capacity(tables.len());
        for (side, name, inverse) in tables {
            let cells = side * side;
            let table = self.table(&name, cells)?;
            let undone = self.table(&inverse, cells)?;
            if table.iter().enumerate().any(|(place, cell)| undone[*cell as usize] as usize != place) {
                let expected = format!("{inverse} that undoes {name}");
                return Err(Error::wrong_file(WHAT, self.file.path(), expected, "another"));
            }
            found.push((side, name, table));
        }
        let wrong = |name: &str| {
            let expected = format!("{name} along one of the curves {:?}, as all tables", Curve::ALL);
            Error::wrong_file(WHAT, self.file.path(), expected, "another order")
        };
        let mut missed = "scans.index_flat";
        for curve in Curve::ALL {
            match found.iter().find(|(side, _, table)| scan_order(curve, *side, 0) != *table) {
                None => return Ok(curve),
                Some((_, name, _)) => missed = name,
            }
        }
        Err(wrong(missed))
    }

    /// A table of so many cells.
    fn table(&self, name: &str, cells: usize) -> Result<Vec<u32>> {
        let wrong = |found: String| {
            let expected = format!("{name} of {cells} places, for an input of 256 pixels");
            Error::wrong_file(WHAT, self.file.path(), expected, found)
        };
        let wholes = self.file.wholes(&format!("{}{name}", self.prefix))?;
        let wholes = wholes.ok_or_else(|| wrong("none of that name".to_owned()))?;
        if wholes.len() != cells {
            return Err(wrong(wholes.len().to_string()));
        }
        let place = |whole: &i64| u32::try_from(*whole).ok().filter(|place| (*place as usize) < cells);
        let outside = |whole: &i64| wrong(format!("place {whole}"));
        wholes.iter().map(|whole| place(whole).ok_or_else(|| outside(whole))).collect()
    }

    fn has(&self, name: &str) -> bool {
        self.names.binary_search(&self.spelled(name)).is_ok()
    }

    /// The name of a tensor in the file.
    fn spelled(&self, name: &str) -> String {
        let mut name = format!("{}{name}", self.prefix);
        if self.is_respelled {
            for (ours, theirs) in SPELLINGS {
                name = name.replace(ours, theirs);
            }
        }
        name
    }
}

/// The name of a block.
fn block_name(stage: usize, module: usize, block: usize) -> String {
    format!("{DECODER}.{stage}.blocks.{module}.smm_blocks.{block}")
}

impl Tensors for Named<'_> {
    fn tensor(&self, name: &str, _: &[usize]) -> Result<Option<Tensor>> {
        self.tensor(name)
    }

    fn path(&self) -> Option<&Path> {
        Some(self.file.path())
    }
}
