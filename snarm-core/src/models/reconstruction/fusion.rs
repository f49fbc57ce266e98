//! The half-FPN that fuses three levels of features to one map (MambaAD, section 3.2; multi-scale fusion of reverse
//! distillation):
//!
//! t1 = r(conv1(x0)), t2 = t1 + r(conv21(x1)), t3 = r(conv2(t2)) + r(conv31(x2)), then r(convf(t3)) and bottleneck blocks,
//! the first of which halves the map. r is batch norm and ReLU; conv1 and conv2 are 3 x 3 with steps of 2, the others 1 x 1.

use snarm_kernels::Grid;
use snarm_kernels::add_scaled::add_scaled;
use snarm_kernels::device::{Buffer, Place};
use snarm_kernels::relu::add_relu;
use snarm_kernels::windows::Window;

use super::levels::Levels;
use super::shape::{EPS, Shape};
use crate::error::Result;
use crate::layers::{After, Convolution, Source, Unrolled};

const POINT: Window = Window { side: 1, step: 1, border: 0 };
const HALVED_POINT: Window = Window { side: 1, step: 2, border: 0 };
const NEAR: Window = Window { side: 3, step: 1, border: 1 };
const HALVED: Window = Window { side: 3, step: 2, border: 1 };

/// Weights of the fusion.
pub(super) struct Fusion {
    /// conv1 and conv2.
    down: [Convolution; 2],
    /// conv21 and conv31.
    beside: [Convolution; 2],
    last: Convolution,
    bottlenecks: Vec<Bottleneck>,
}

/// x = relu(past(x) + conv3(r(conv2(r(conv1(x))))))
struct Bottleneck {
    layers: [Convolution; 3],
    past: Option<Convolution>,
}

/// Activations.
#[derive(Default)]
pub(super) struct Scratch {
    unrolled: Unrolled,
    sum: Buffer,
    part: Buffer,
    inner: Buffer,
}

impl Scratch {
    /// For a place.
    pub(super) fn at(place: &Place) -> Result<Self> {
        let floats = || Buffer::new(place, 0);
        Ok(Self { unrolled: Unrolled::at(place)?, sum: floats()?, part: floats()?, inner: floats()? })
    }
}

impl Fusion {
    pub(super) fn read(shape: &Shape, source: &Source<'_>) -> Result<Self> {
        let [c0, c1, c2] = shape.levels;
        let layer = |number: &str, sizes: [usize; 2], window: Window, has_bias: bool| {
            let (conv, norm) = (source.at(format!("conv{number}")), source.at(format!("bn{number}")));
            Convolution::read([&conv, &norm], sizes, window, has_bias, EPS)
        };
        let mut bottlenecks = Vec::new();
        let mut inputs = c2;
        for i in 0..shape.bottlenecks {
            bottlenecks.push(Bottleneck::read(&source.at("bn_layer").at(i), shape, inputs, i == 0)?);
            inputs = shape.fused;
        }
        Ok(Self {
            down: [layer("1", [c1, c0], HALVED, false)?, layer("2", [c2, c1], HALVED, false)?],
            beside: [layer("21", [c1, c1], POINT, true)?, layer("31", [c2, c2], POINT, true)?],
            last: layer("f", [c2, c2], POINT, true)?,
            bottlenecks,
        })
    }

    /// A copy at another place.
    pub(super) fn at(&self, place: &Place) -> Result<Self> {
        let Self { down: [d0, d1], beside: [b0, b1], last, bottlenecks } = self;
        Ok(Self {
            down: [d0.at(place)?, d1.at(place)?],
            beside: [b0.at(place)?, b1.at(place)?],
            last: last.at(place)?,
            bottlenecks: bottlenecks.iter().map(|one| one.at(place)).collect::<Result<_>>()?,
        })
    }

    /// Levels on `grids` to the fused map.
    pub(super) fn run(
        &self,
        levels: Levels<'_>,
        grids: [Grid; 3],
        s: &mut Scratch,
        map: &mut Buffer,
    ) -> Result<()> {
        let [x0, x1, x2] = levels;
        let mut grid = self.down[0].run(x0, grids[0], After::Relu, &mut s.unrolled, &mut s.sum)?;
        self.beside[0].run(x1, grids[1], After::Relu, &mut s.unrolled, &mut s.part)?;
        add_scaled(&s.part, 1.0, &mut s.sum)?;
        grid = self.down[1].run(&s.sum, grid, After::Relu, &mut s.unrolled, &mut s.inner)?;
        self.beside[1].run(x2, grids[2], After::Relu, &mut s.unrolled, &mut s.part)?;
        add_scaled(&s.part, 1.0, &mut s.inner)?;
        self.last.run(&s.inner, grid, After::Relu, &mut s.unrolled, map)?;
        for bottleneck in &self.bottlenecks {
            grid = bottleneck.run(grid, s, map)?;
        }
        Ok(())
    }
}

impl Bottleneck {
    fn read(source: &Source<'_>, shape: &Shape, inputs: usize, is_first: bool) -> Result<Self> {
        let (planes, outputs) = (shape.planes, shape.fused);
        let read = |conv: &Source<'_>, norm: &Source<'_>, sizes: [usize; 2], window: Window| {
            Convolution::read([conv, norm], sizes, window, false, EPS)
        };
        let layer = |number: usize, sizes: [usize; 2], window: Window| {
            read(&source.at(format!("conv{number}")), &source.at(format!("bn{number}")), sizes, window)
        };
        let beside = source.at("downsample");
        let past = || read(&beside.at(0), &beside.at(1), [outputs, inputs], HALVED_POINT);
        Ok(Self {
            layers: [
                layer(1, [planes, inputs], POINT)?,
                layer(2, [planes, planes], if is_first { HALVED } else { NEAR })?,
                layer(3, [outputs, planes], POINT)?,
            ],
            past: is_first.then(past).transpose()?,
        })
    }

    /// A copy at another place.
    fn at(&self, place: &Place) -> Result<Self> {
        let [first, second, third] = &self.layers;
        let past = self.past.as_ref().map(|past| past.at(place)).transpose()?;
        Ok(Self { layers: [first.at(place)?, second.at(place)?, third.at(place)?], past })
    }

    /// Takes a map of `grid` and leaves its own there, whose grid is returned.
    fn run(&self, grid: Grid, s: &mut Scratch, map: &mut Buffer) -> Result<Grid> {
        let [first, second, third] = &self.layers;
        first.run(&*map, grid, After::Relu, &mut s.unrolled, &mut s.sum)?;
        let after = second.run(&s.sum, grid, After::Relu, &mut s.unrolled, &mut s.inner)?;
        third.run(&s.inner, after, After::Store, &mut s.unrolled, &mut s.sum)?;
        if let Some(past) = &self.past {
            past.run(&*map, grid, After::Store, &mut s.unrolled, &mut s.part)?;
            std::mem::swap(map, &mut s.part);
        }
        add_relu(&s.sum, map)?;
        Ok(after)
    }
}
