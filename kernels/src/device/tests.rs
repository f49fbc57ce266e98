//! Operations that run on the host alone say so of each operand that lives elsewhere. `tests/tests/tidy/operands.rs` sees
//! that none of them is missing here.

use std::slice::IterMut;

use super::{Buffer, BufferView, Element, Place};
use crate::error::{Error, Result};
use crate::frame::{Frame, FrameMut};
use crate::grid::Grid;
use crate::resize::Size;
use crate::testing::device;
use crate::*;

/// Empty operands, of which number `there` lives on a device.
struct Operands<'a> {
    place: &'a Place,
    there: usize,
    asked: usize,
    floats: IterMut<'a, Buffer>,
    words: IterMut<'a, Buffer<u32>>,
    bytes: IterMut<'a, Buffer<u8>>,
}

impl<'a> Operands<'a> {
    fn next<T: Element>(&mut self, of: impl FnOnce(&mut Self) -> &'a mut Buffer<T>) -> &'a mut Buffer<T> {
        let buffer = of(self);
        if self.asked == self.there {
            *buffer = Buffer::new(self.place, 1).unwrap();
        }
        self.asked += 1;
        buffer
    }

    /// Floats to be written.
    fn y(&mut self) -> &'a mut Buffer {
        self.next(|all| all.floats.next().unwrap())
    }

    /// Floats to be read.
    fn x(&mut self) -> &'a Buffer {
        self.y()
    }

    fn words(&mut self) -> &'a mut Buffer<u32> {
        self.next(|all| all.words.next().unwrap())
    }

    fn bytes(&mut self) -> &'a mut Buffer<u8> {
        self.next(|all| all.bytes.next().unwrap())
    }

    fn norm(&mut self) -> add_norm::Norm<&'a Buffer> {
        add_norm::Norm::Layer { weight: self.x(), bias: self.x() }
    }

    fn affine(&mut self) -> batch_norm::Affine<&'a Buffer> {
        batch_norm::Affine { weight: self.x(), bias: self.x() }
    }

    fn tokens(&mut self) -> selective_scan::Tokens<&'a Buffer> {
        selective_scan::Tokens { u: self.x(), delta: self.x(), bc: self.x(), z: Some(self.x()) }
    }

    fn parameters(&mut self) -> selective_scan::Parameters<&'a Buffer> {
        selective_scan::Parameters { a: self.x(), skip: self.x(), bias: self.x() }
    }

    fn filter(&mut self) -> nearest::Filter<BufferView<'a, u32>> {
        nearest::Labels { queries: self.words().view(), rows: self.words().view() }.into()
    }
}

type Call = fn(&mut Operands<'_>) -> Result<()>;

const GRID: Grid = Grid { rows: 1, columns: 1 };
const SIZE: Size = Size { width: 1, height: 1 };
const STEP: adamw::Step =
    adamw::Step { rate: 0.1, decay: 0.1, betas: (0.9, 0.99), eps: 1e-8, number: 1, scale: 1.0 };
const FOCAL: focal::Focal = focal::Focal { alpha: 0.25, gamma: 2.0 };
const SIDES: focal::Sides = focal::Sides { from: 1, to: 1 };
const RECT: preprocess::PixelRect = preprocess::PixelRect { x: 0, y: 0, width: 0, height: 0 };

/// An input of a network of one pixel.
fn picture() -> preprocess::PreprocessSpec {
    preprocess::PreprocessSpec::imagenet(GRID, preprocess::Fit::Full)
}

/// Statistics of no channels.
fn statistics() -> batch_norm::Statistics {
    batch_norm::Statistics { mean: Vec::new(), var: Vec::new() }
}

/// A convolution of no channels.
fn taps() -> conv3x3::Kernel {
    conv3x3::Kernel::new(&[], Vec::new()).unwrap()
}

/// Folder and function of each operation that has a body for the host alone, and a call of it.
const CALLS: &[(&str, Call)] = &[
    ("adamw::adamw", |o| adamw::adamw(o.y(), o.x(), o.y(), o.y(), &STEP)),
    ("add_norm::norm", |o| add_norm::norm(o.x(), o.norm(), 0.1, o.y())),
    ("add_norm::add_norm", |o| add_norm::add_norm(Some(o.x().view()), o.y(), o.norm(), 0.1, o.y())),
    ("add_norm::norm_backward", |o| {
        add_norm::backward::norm_backward(o.x(), o.norm(), 0.1, o.x(), o.y(), o.y(), o.y())
    }),
    ("batch_norm::of", |o| batch_norm::Statistics::of(o.x(), 1).map(drop)),
    ("batch_norm::batch_norm_relu", |o| {
        batch_norm::batch_norm_relu(o.x(), &statistics(), o.affine(), 0.1, o.y())
    }),
    ("batch_norm::batch_norm_relu_backward", |o| {
        let (x, affine, stats) = (o.x(), o.affine(), statistics());
        batch_norm::batch_norm_relu_backward(x, &stats, affine, 0.1, o.x(), o.y(), o.y(), o.y())
    }),
    ("blend::blend", |o| {
        let mut frame = [0; 3];
        blend::blend(&mut FrameMut::rgb(&mut frame, 1, 1)?, blend::Tile::packed(&*o.bytes(), 0, 0, 0, 0))
    }),
    ("causal_conv::causal_conv", |o| causal_conv::causal_conv(o.x(), 1, o.x(), o.x(), o.y())),
    ("causal_conv::causal_conv_backward", |o| {
        let (x, w, bias, dy) = (o.x(), o.x(), o.x(), o.x());
        let gradients = causal_conv::backward::Gradients { x: o.y(), w: o.y(), bias: o.y() };
        causal_conv::backward::causal_conv_backward(x, 1, w, bias, dy, gradients)
    }),
    ("components::run", |o| components::Components::default().run(o.x(), 1, 0.5).map(drop)),
    ("components::measure", |o| components::Components::default().measure(o.x(), 1, 0.5).map(drop)),
    ("conv3x3::conv3x3", |o| {
        let (then, mut workspace) = (conv3x3::Then::Store, conv3x3::Workspace::default());
        conv3x3::conv3x3(o.x(), GRID, &taps(), 1, then, &mut workspace, o.y())
    }),
    ("conv3x3::input_gradient", |o| {
        let mut workspace = conv3x3::Workspace::default();
        conv3x3::backward::input_gradient(o.x(), GRID, &taps(), 1, &mut workspace, o.y())
    }),
    ("conv3x3::weight_gradient", |o| conv3x3::backward::weight_gradient(o.x(), o.x(), GRID, 1, o.y(), o.y())),
    ("coreset::greedy", |o| coreset::greedy(o.x(), 1, &[0], 1, &mut |_| true).map(drop)),
    ("depthwise::depthwise_weight_gradient", |o| {
        let mut workspace = depthwise::Workspace::default();
        depthwise::depthwise_weight_gradient(o.x(), o.x(), 1, 1, 1, 3, &mut workspace).map(drop)
    }),
    ("dropout::dropout", |o| dropout::dropout(o.y(), 0.5, 1)),
    ("focal::focal", |o| focal::focal(o.x(), focal::Of::Logits, SIDES, &*o.bytes(), FOCAL, o.y()).map(drop)),
    ("gelu::gelu", |o| gelu::gelu(o.x(), o.y())),
    ("gelu::gelu_gradient", |o| gelu::gelu_gradient(o.x(), o.x(), o.y())),
    ("hide::hide", |o| hide::hide(o.y(), &[])),
    ("linear::input_gradient", |o| linear::input_gradient(o.x(), o.x(), 1, 1, o.y())),
    ("linear::bias_gradient", |o| linear::bias_gradient(o.x(), o.y())),
    ("nearest::nearest", |o| {
        let (queries, rows, filter) = (o.x(), nearest::Rows { data: o.x(), norms: o.x() }, o.filter());
        let mut workspace = nearest::Workspace::default();
        nearest::nearest(queries, 1, rows, filter, 1, &mut workspace, o.words(), o.y())
    }),
    ("nearest::nearest_by_codes", |o| {
        let codes = nearest::Codes::of(&[], 1)?;
        let (queries, rows, filter) = (o.x(), nearest::Rows { data: o.x(), norms: o.x() }, o.filter());
        let mut workspace = nearest::Workspace::default();
        nearest::nearest_by_codes(queries, &codes, rows, filter, 1, &mut workspace, o.words(), o.y())
    }),
    ("nearest::set", |o| nearest::Codes::of(&[], 1)?.set(o.x())),
    ("nearest::squared_norms", |o| nearest::squared_norms(o.x(), 1, o.y())),
    ("outer::outer", |o| outer::outer(o.x(), 1, o.x(), 1, o.y())),
    ("pooled_max::pooled_max", |o| pooled_max::pooled_max(o.x(), 1, 1, 1, &mut Vec::new()).map(drop)),
    ("pooled_max::peak", |o| pooled_max::peak(o.x()).map(drop)),
    ("preprocess::run", |o| {
        let spec = picture();
        preprocess::Preprocessor::new(spec)?.run(&Frame::rgb(&[0; 3], 1, 1)?, o.y())
    }),
    ("rate::rate", |o| rate::rate(o.x(), 1.0, o.y())),
    ("relative_change::relative_change", |o| {
        relative_change::relative_change(o.x(), o.x(), 1, &[]).map(drop)
    }),
    ("resize::opencv_linear", |o| resize::opencv_linear(&*o.bytes(), SIZE, SIZE, 1).map(drop)),
    ("resize::pil_bilinear", |o| resize::pil_bilinear(&*o.bytes(), SIZE, SIZE, 1).map(drop)),
    ("resize::run", |o| resize::OpencvLinear::new(SIZE, SIZE, 1)?.run(&*o.bytes(), o.bytes())),
    ("resize::run", |o| resize::PilBilinear::new(SIZE, SIZE, 1)?.run(&*o.bytes(), o.bytes())),
    ("scale_columns::scale_columns", |o| scale_columns::scale_columns(o.y(), o.x())),
    ("scatter::scatter", |o| scatter::scatter(o.x(), &*o.words(), 0, 1, o.y())),
    ("selective_scan::selective_scan", |o| {
        let (tokens, parameters) = (o.tokens(), o.parameters());
        let mut workspace = selective_scan::Workspace::default();
        selective_scan::selective_scan(tokens, parameters, 1, &mut workspace, o.y(), o.y())
    }),
    ("selective_scan::selective_scan_backward", |o| {
        let (tokens, parameters, dy) = (o.tokens(), o.parameters(), o.x());
        let (u, delta, bc, z, a, skip, bias) = (o.y(), o.y(), o.y(), o.y(), o.y(), o.y(), o.y());
        let gradients = selective_scan::backward::Gradients { u, delta, bc, z, a, skip, bias };
        selective_scan::backward::selective_scan_backward(tokens, parameters, 1, dy, gradients)
    }),
    ("sigmoid::sigmoid", |o| sigmoid::sigmoid(o.y())),
    ("softmax::softmax", |o| softmax::softmax(o.x(), 1, o.y())),
    ("softmax::softmax_gradient", |o| softmax::softmax_gradient(o.x(), o.x(), 1, o.y())),
    ("split::run", |o| split::Split::default().run(o.x(), &[], 0.5)),
    ("stitch::stitch", |o| {
        let (tile, rows, columns) = (o.x(), o.x(), o.x());
        stitch::stitch(tile, 1, stitch::Piece { window: RECT, at: (0, 0), rows, columns }, o.y(), 1)
    }),
    ("window::extend", |o| window::extend(o.y(), 1, RECT)),
    ("window::clear", |o| window::clear(o.y(), 1, RECT)),
];

/// Calls with operand number `there` on a device; returns the number of operands, too.
fn run(call: Call, place: &Place, there: usize) -> (usize, Result<()>) {
    let mut floats = std::array::from_fn::<_, 16, _>(|_| Buffer::default());
    let mut words = std::array::from_fn::<_, 4, _>(|_| Buffer::default());
    let mut bytes = std::array::from_fn::<_, 4, _>(|_| Buffer::default());
    let (floats, words, bytes) = (floats.iter_mut(), words.iter_mut(), bytes.iter_mut());
    let mut operands = Operands { place, there, asked: 0, floats, words, bytes };
    let result = call(&mut operands);
    (operands.asked, result)
}

#[test]
fn cuda_operands_of_the_hosts_operations_are_refused_by_name() {
    let Some(place) = device() else { return };
    let Place::Cuda(queue) = &place else { return };
    let found = format!("{} (device {})", queue.device().name, queue.device().ordinal);
    for (name, call) in CALLS {
        let (folder, function) = name.split_once("::").unwrap();
        let (operands, _) = run(*call, &place, usize::MAX);
        assert!(operands > 0, "{name} takes no operand");
        for there in 0..operands {
            match run(*call, &place, there).1 {
                Err(Error::HostOnly { op, device }) => {
                    let known = op == folder || op == function || folder == "resize";
                    assert!(known && device == found, "{name}, operand {there}: {op}, {device}");
                }
                other => panic!("{name}, operand {there}: {other:?}"),
            }
        }
    }
}

#[test]
fn cuda_refusals_say_what_is_expected_where() {
    let Some(place) = device() else { return };
    let x = Buffer::<f32>::new(&place, 4).unwrap();
    let refused = rate::rate(&x, 1.0, &mut [0.0; 4]).unwrap_err().to_string();
    let expected =
        "rate: expected operands in the host's memory, where alone it runs, found some in that of ";
    assert!(refused.starts_with(expected), "{refused}");
    let refused = row_mean::row_mean(&x, 1, &mut [0.0; 4]).unwrap_err();
    assert_eq!(refused, Error::Apart { op: "row_mean" });
}
