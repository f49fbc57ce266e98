//! The ops against candle's own, whose gradients are known, where it has them, and on a device that the kernels do not
//! know against the kernels.

use std::sync::Arc;

use candle_core::{DType, Tensor, Var};
use snarm_kernels::focal::{Focal, Of, Sides};
use snarm_kernels::gather::KEEP;

use super::*;
use crate::encoder::seeded::values;
use crate::training::testing::{kernels, on_every_device};

on_every_device!(
    a_linear_layer_is_a_product_and_a_sum,
    a_linear_layer_keeps_the_dimensions_before_the_last,
    activations_are_candles_own,
    norms_are_their_formulas,
    a_convolution_is_candles_own,
    a_depthwise_convolution_is_candles_own_in_as_many_groups_as_channels,
    groups_of_maps_have_weights_of_their_own,
    a_causal_convolution_is_a_sum_of_shifted_rows,
    rows_are_taken_and_replaced_as_by_selection,
    shapes_that_do_not_fit_are_named,
    what_is_dropped_hands_nothing_back,
    a_dilated_branch_ends_in_batch_norm_relu_and_projection,
    the_focal_loss_hands_back_its_gradient,
    the_scan_is_that_of_the_kernels,
    the_losses_are_those_of_the_kernels,
    convolutions_are_those_of_the_kernels,
    probabilities_beyond_doubt_have_a_finite_slope,
);

fn var(device: &Device, name: &str, shape: &[usize]) -> Var {
    Var::from_vec(values(name, shape.iter().product(), 0.0, 1.0), shape, device).unwrap()
}

/// Compares two results, and the gradients of all variables of a weighted sum of each.
#[track_caller]
fn same(variables: &[&Var], ours: &Tensor, theirs: &Tensor) {
    let flat = |t: &Tensor| t.flatten_all().unwrap().to_vec1::<f32>().unwrap();
    let close = |what: &str, a: &Tensor, b: &Tensor| {
        assert_eq!(a.elem_count(), b.elem_count(), "{what}");
        for (a, b) in flat(a).into_iter().zip(flat(b)) {
            assert!((a - b).abs() <= 2e-5 * (1.0 + b.abs()), "{what}: {a} and {b}");
        }
    };
    close("result", ours, theirs);
    let weights =
        Tensor::from_vec(values("dy", ours.elem_count(), 0.0, 1.0), ours.shape(), ours.device()).unwrap();
    let grads = |y: &Tensor| {
        let y = y.reshape(ours.shape()).unwrap();
        (y * &weights).unwrap().sum_all().unwrap().backward().unwrap()
    };
    let (ours, theirs) = (grads(ours), grads(theirs));
    for (i, var) in variables.iter().enumerate() {
        let of = |grads: &candle_core::backprop::GradStore| grads.get(var.as_tensor()).unwrap().clone();
        close(&format!("gradient {i}"), &of(&ours), &of(&theirs));
    }
}

fn a_linear_layer_is_a_product_and_a_sum(device: &Device) {
    let (x, w, b) = (var(device, "x", &[300, 7]), var(device, "w", &[5, 7, 1, 1]), var(device, "b", &[5]));
    let product = x.matmul(&w.reshape((5, 7)).unwrap().t().unwrap()).unwrap();
    same(&[&x, &w], &linear(&x, &w, None).unwrap(), &product);
    same(&[&x, &w, &b], &linear(&x, &w, Some(&b)).unwrap(), &product.broadcast_add(&b).unwrap());
    assert!(linear(&x, &var(device, "w", &[5, 6]), None).is_err());
}

fn a_linear_layer_keeps_the_dimensions_before_the_last(device: &Device) {
    let (x, w, b) = (var(device, "x", &[2, 6, 12]), var(device, "w", &[5, 3, 2, 2]), var(device, "b", &[5]));
    let product = x.reshape((12, 12)).unwrap().matmul(&w.reshape((5, 12)).unwrap().t().unwrap()).unwrap();
    let ours = linear(&x, &w, Some(&b)).unwrap();
    assert_eq!(ours.dims(), [2, 6, 5]);
    same(&[&x, &w, &b], &ours, &product.broadcast_add(&b).unwrap());
}

#[test]
fn what_is_not_trained_gets_no_gradient() {
    let device = &Device::Cpu;
    let (x, maps) = (var(device, "x", &[6, 4]).detach(), var(device, "x", &[1, 2, 3, 4]).detach());
    let (w, taps, b) = (var(device, "w", &[4, 4]), var(device, "w", &[4, 3, 3]), var(device, "b", &[4]));
    for (x, w, y) in
        [(&x, &w, linear(&x, &w, Some(&b)).unwrap()), (&maps, &taps, depthwise(&maps, &taps, &b).unwrap())]
    {
        let grads = y.sum_all().unwrap().backward().unwrap();
        assert!(grads.get(x).is_none() && grads.get(w).is_some());
    }
}

fn activations_are_candles_own(device: &Device) {
    let x = var(device, "x", &[3, 4, 25]);
    same(&[&x], &gelu(&x).unwrap(), &x.gelu_erf().unwrap());
    let power = (x.as_tensor() * 3.0).unwrap().exp().unwrap();
    let softmaxed = softmax(&(x.as_tensor() * 3.0).unwrap()).unwrap();
    same(&[&x], &softmaxed, &power.broadcast_div(&power.sum_keepdim(2).unwrap()).unwrap());
}

fn norms_are_their_formulas(device: &Device) {
    let (x, w, b) = (var(device, "x", &[40, 12]), var(device, "w", &[12]), var(device, "b", &[12]));
    let eps = 1e-5;
    let rms = |x: &Tensor| {
        let square = (x.sqr().unwrap().mean_keepdim(1).unwrap() + eps).unwrap();
        x.broadcast_div(&square.sqrt().unwrap()).unwrap().broadcast_mul(&w).unwrap()
    };
    same(&[&x, &w], &rms_norm(&x, &w, eps as f32).unwrap(), &rms(&x));
    let centred = x.broadcast_sub(&x.mean_keepdim(1).unwrap()).unwrap();
    let layer = rms(&centred).broadcast_add(&b).unwrap();
    same(&[&x, &w, &b], &layer_norm(&x, &w, &b, eps as f32).unwrap(), &layer);
}

fn a_convolution_is_candles_own(device: &Device) {
    let (maps, side, c_in, c_out) = (3, 6, 4, 5);
    let (x, w, b) = (
        var(device, "x", &[maps * side * side, c_in]),
        var(device, "w", &[c_out, c_in, 3, 3]),
        var(device, "b", &[c_out]),
    );
    for dilation in [1, 2] {
        let ours = conv3x3(&x, &w, Some(&b), Maps { side, dilation, groups: 1 }).unwrap();
        let planes = x.reshape((maps, side, side, c_in)).unwrap().permute((0, 3, 1, 2)).unwrap();
        let theirs = planes.contiguous().unwrap().conv2d(&w, dilation, 1, dilation, 1).unwrap();
        let theirs = theirs.permute((0, 2, 3, 1)).unwrap().contiguous().unwrap();
        let theirs = theirs.reshape((maps * side * side, c_out)).unwrap().broadcast_add(&b).unwrap();
        same(&[&x, &w, &b], &ours, &theirs);
    }
}

fn a_depthwise_convolution_is_candles_own_in_as_many_groups_as_channels(device: &Device) {
    let (maps, side, c) = (2, 7, 20);
    let (x, w, b) =
        (var(device, "x", &[maps, side, side, c]), var(device, "w", &[c, 5, 5]), var(device, "b", &[c]));
    let planes = x.permute((0, 3, 1, 2)).unwrap().contiguous().unwrap();
    let theirs = planes.conv2d(&w.unsqueeze(1).unwrap(), 2, 1, 1, c).unwrap();
    let theirs = theirs.permute((0, 2, 3, 1)).unwrap().contiguous().unwrap().broadcast_add(&b).unwrap();
    same(&[&x, &w, &b], &depthwise(&x, &w, &b).unwrap(), &theirs);
    assert!(depthwise(&x, &var(device, "w", &[c, 4, 4]), &b).is_err(), "an even side");
}

fn groups_of_maps_have_weights_of_their_own(device: &Device) {
    let (side, c) = (4, 3);
    let (x, w) = (var(device, "x", &[4 * side * side, c]), var(device, "w", &[2 * c, c, 3, 3]));
    let ours = conv3x3(&x, &w, None, Maps { side, dilation: 1, groups: 2 }).unwrap();
    let half = |i: usize| {
        let x = x.narrow(0, i * 2 * side * side, 2 * side * side).unwrap();
        conv3x3(&x, &w.narrow(0, i * c, c).unwrap(), None, Maps { side, dilation: 1, groups: 1 }).unwrap()
    };
    same(&[&x, &w], &ours, &Tensor::cat(&[half(0), half(1)], 0).unwrap());
}

fn a_causal_convolution_is_a_sum_of_shifted_rows(device: &Device) {
    let (len, d) = (6, 3);
    let (x, w, b) = (var(device, "x", &[2 * len, d]), var(device, "w", &[4, d]), var(device, "b", &[d]));
    let ours = causal_conv(&x, &w, &b, len).unwrap();
    let sequences = x.reshape((2, len, d)).unwrap();
    let mut sum = Tensor::zeros((2, len, d), DType::F32, device).unwrap().broadcast_add(&b).unwrap();
    for back in 0..4 {
        let shifted = sequences.pad_with_zeros(1, back, 0).unwrap().narrow(1, 0, len).unwrap();
        sum = (sum + shifted.broadcast_mul(&w.get(3 - back).unwrap()).unwrap()).unwrap();
    }
    let silu = (&sum / (sum.neg().unwrap().exp().unwrap() + 1.0).unwrap()).unwrap();
    same(&[&x, &w, &b], &ours, &silu.reshape((2 * len, d)).unwrap());
}

fn rows_are_taken_and_replaced_as_by_selection(device: &Device) {
    let (x, by) = (var(device, "x", &[5, 3]), var(device, "by", &[2, 3]));
    let places: Vec<u32> = vec![4, 0, 0, 2, 4, 1];
    let theirs = x.index_select(&Tensor::new(places.clone(), device).unwrap(), 0).unwrap();
    same(&[&x], &take(&x, Arc::new(places)).unwrap(), &theirs);
    assert!(take(&x, Arc::new(vec![0, 5])).is_err() && take(&x, Arc::new(vec![KEEP])).is_err());

    let replaced = replace(&x, &by, Arc::new(vec![KEEP, 1, KEEP, KEEP, 0])).unwrap();
    let row = |t: &Var, i: usize| t.narrow(0, i, 1).unwrap();
    let theirs = Tensor::cat(&[row(&x, 0), row(&by, 1), row(&x, 2), row(&x, 3), row(&by, 0)], 0).unwrap();
    same(&[&x, &by], &replaced, &theirs);

    let twice = replace(&x, &by, Arc::new(vec![1, KEEP, 1, KEEP, 0])).unwrap();
    let theirs = Tensor::cat(&[row(&by, 1), row(&x, 1), row(&by, 1), row(&x, 3), row(&by, 0)], 0).unwrap();
    same(&[&x, &by], &twice, &theirs);
}

fn shapes_that_do_not_fit_are_named(device: &Device) {
    let refused = |result: Result<Tensor>, expected: &str| {
        let found = result.err().map(|e| e.to_string()).unwrap_or_default();
        assert!(found.contains(expected), "{expected}: {found}");
    };
    let (x, w) = (var(device, "x", &[32, 4]), var(device, "w", &[6, 4]));
    refused(linear(&x, &w, Some(&var(device, "b", &[5]))), "expected a bias of 6, found [5]");
    refused(linear(&var(device, "x", &[3, 0]), &w, None), "expected a weight of rows of 0");
    let (maps, taps) = (Maps { side: 4, dilation: 1, groups: 2 }, var(device, "w", &[6, 4, 3, 3]));
    refused(conv3x3(&x, &taps, Some(&var(device, "b", &[3])), maps), "expected a bias of 6, found [3]");
    refused(conv3x3(&x, &taps, None, Maps { groups: 0, ..maps }), "expected 0 weights of 4 channels");
    refused(conv3x3(&x, &taps, None, Maps { side: 3, ..maps }), "whole maps of 3 x 3 cells");
    let [weight, short, bias] = [&[2, 4][..], &[2, 3], &[2]].map(|shape| var(device, "p", shape));
    let read = Projection { norm_weight: &weight, norm_bias: &short, weight: &weight, bias: &bias };
    refused(projected_logits(&x, read, 1e-5).map(|(y, _)| y), "2 views of 4 channels, found [2, 3]");
    let target = Target { masks: Arc::new(vec![0; 18]), sides: Sides { from: 2, to: 3 } };
    let constants = Focal { alpha: 0.25, gamma: 4.0 };
    let whole = "a whole number of maps for each mask, found 3 maps and 2 masks";
    refused(focal(&var(device, "m", &[3, 4]), Of::Logits, &target, constants), whole);
    let (a, one) = (var(device, "a", &[2, 4]), var(device, "d", &[4]));
    let read = Scanned { u: &x, delta: &x, z: Some(&w), bc: &x, a: &a, skip: &one, bias: &one };
    refused(selective_scan(read, 8), "of one shape, found [[32, 4], [32, 4], [6, 4]]");
}

fn what_is_dropped_hands_nothing_back(device: &Device) {
    let x = var(device, "x", &[50, 20]);
    let dropped = dropout(&x, 0.4, 3).unwrap();
    let mask = (&dropped / x.as_tensor()).unwrap().detach();
    same(&[&x], &dropped, &(x.as_tensor() * mask).unwrap());
    let kept = dropped.flatten_all().unwrap().to_vec1::<f32>().unwrap().iter().filter(|v| **v != 0.0).count();
    assert!((500..700).contains(&kept), "{kept}");
}

fn a_dilated_branch_ends_in_batch_norm_relu_and_projection(device: &Device) {
    let (views, rows, c) = (2, 30, 4);
    let x = var(device, "x", &[views * rows, c]);
    let [norm_weight, norm_bias, weight] = ["a", "b", "c"].map(|name| var(device, name, &[views, c]));
    let bias = var(device, "d", &[views]);
    let read = Projection { norm_weight: &norm_weight, norm_bias: &norm_bias, weight: &weight, bias: &bias };
    let (ours, statistics) = projected_logits(&x, read, 1e-5).unwrap();
    let theirs: Vec<Tensor> = (0..views)
        .map(|v| {
            let x = x.narrow(0, v * rows, rows).unwrap();
            let mean = x.mean_keepdim(0).unwrap();
            let centred = x.broadcast_sub(&mean).unwrap();
            let var = centred.sqr().unwrap().mean_keepdim(0).unwrap();
            assert!(
                (var.get(0).unwrap().get(1).unwrap().to_scalar::<f32>().unwrap() - statistics[v].var[1])
                    .abs()
                    < 1e-6
            );
            let normed = centred.broadcast_div(&(var + 1e-5).unwrap().sqrt().unwrap()).unwrap();
            let row = |t: &Var| t.narrow(0, v, 1).unwrap();
            let scaled =
                normed.broadcast_mul(&row(&norm_weight)).unwrap().broadcast_add(&row(&norm_bias)).unwrap();
            let projected = scaled.relu().unwrap().broadcast_mul(&row(&weight)).unwrap().sum(1).unwrap();
            projected.broadcast_add(&row(&bias)).unwrap()
        })
        .collect();
    same(&[&x, &norm_weight, &norm_bias, &weight, &bias], &ours, &Tensor::cat(&theirs, 0).unwrap());
}

fn the_focal_loss_hands_back_its_gradient(device: &Device) {
    let maps = var(device, "maps", &[2, 9]);
    let target = Target { masks: Arc::new(vec![0, 1, 1, 0, 0, 0, 1, 0, 1]), sides: Sides { from: 3, to: 3 } };
    let ours = focal(&maps, Of::Logits, &target, Focal { alpha: 0.25, gamma: 2.0 }).unwrap();
    let y = Tensor::new(vec![0.0_f32, 1.0, 1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 1.0], device).unwrap();
    let p = (maps.neg().unwrap().exp().unwrap() + 1.0).unwrap().recip().unwrap();
    let q = (1.0 - &p).unwrap();
    let bad = (q.sqr().unwrap() * p.log().unwrap()).unwrap().broadcast_mul(&y).unwrap();
    let good = (p.sqr().unwrap() * q.log().unwrap()).unwrap().broadcast_mul(&(1.0 - &y).unwrap()).unwrap();
    let theirs = ((bad * -0.25).unwrap() - (good * 0.75).unwrap()).unwrap().mean_all().unwrap();
    same(&[&maps], &ours, &theirs);
}

/// Compares what an op makes of variables of these shapes on a device with what the kernels make of them on the CPU: the
/// result, and the gradients of a weighted sum of it, as parts of the largest element of each.
#[track_caller]
fn same_as_kernels(device: &Device, shapes: &[&[usize]], op: impl Fn(&[Var]) -> Tensor) {
    let run = |device: &Device| -> Vec<Vec<f32>> {
        let variables: Vec<Var> =
            shapes.iter().enumerate().map(|(i, shape)| var(device, &format!("v{i}"), shape)).collect();
        let y = op(&variables);
        let weights = var(device, "dy", y.dims()).detach();
        let grads = (&y * weights).unwrap().sum_all().unwrap().backward().unwrap();
        // A sequence of one token asks for no decay, and candle then leaves out its gradient.
        let zeros: Vec<Tensor> = variables.iter().map(|var| var.zeros_like().unwrap()).collect();
        let gradients =
            variables.iter().zip(&zeros).map(|(var, none)| grads.get(var.as_tensor()).unwrap_or(none));
        std::iter::once(&y).chain(gradients).map(|t| t.flatten_all().unwrap().to_vec1().unwrap()).collect()
    };
    let (found, expected) = (run(device), kernels(|| run(&Device::Cpu)));
    for (i, (found, expected)) in found.iter().zip(&expected).enumerate() {
        assert_eq!(found.len(), expected.len(), "part {i}");
        let largest = expected.iter().fold(0.0_f32, |largest, v| largest.max(v.abs()));
        for (f, e) in found.iter().zip(expected) {
            assert!(
                (f - e).abs() <= 1e-5 * largest,
                "part {i} (0: result): expected {e} of {largest}, found {f}"
            );
        }
    }
}

fn the_scan_is_that_of_the_kernels(device: &Device) {
    let (sequences, d, n) = (3, 5, 4);
    for len in [1, 2, 3, 8, 13, 37] {
        let rows = sequences * len;
        let shapes: [&[usize]; 7] =
            [&[rows, d], &[rows, d], &[rows, d], &[rows, 3 + 2 * n], &[n, d], &[d], &[d]];
        // Steps from 1e-11 to 26, and small ones alone, whose last digits count where nothing else is heard.
        for (spread, offset, heard) in [(1.0, 0.0, 1.0), (25.0, 0.0, 1.0), (1.0, -12.0, 0.0)] {
            same_as_kernels(device, &shapes, |v| {
                let delta = v[1].affine(spread, offset).unwrap();
                let (a, skip) = (v[4].exp().unwrap().neg().unwrap(), (v[5].as_tensor() * heard).unwrap());
                let read = Scanned {
                    u: &v[0],
                    delta: &delta,
                    z: Some(&v[2]),
                    bc: &v[3],
                    a: &a,
                    skip: &skip,
                    bias: &v[6],
                };
                selective_scan(read, len).unwrap()
            });
        }
    }
}

fn the_losses_are_those_of_the_kernels(device: &Device) {
    for (maps, images, from, to) in [(4, 2, 5, 16), (1, 1, 3, 3), (6, 3, 4, 9), (2, 2, 7, 5), (1, 1, 1, 4)] {
        let masks = values("masks", images * to * to, 0.0, 1.0).iter().map(|v| u8::from(*v > 0.2)).collect();
        let target = Target { masks: Arc::new(masks), sides: Sides { from, to } };
        for gamma in [2.0, 4.0] {
            let constants = Focal { alpha: 0.25, gamma };
            same_as_kernels(device, &[&[maps, from * from]], |v| {
                focal(&(v[0].as_tensor() * 8.0).unwrap(), Of::Logits, &target, constants).unwrap()
            });
            same_as_kernels(device, &[&[maps, from * from]], |v| {
                let p = (v[0].as_tensor() * 0.45).unwrap();
                focal(&(p + 0.5).unwrap(), Of::Probabilities, &target, constants).unwrap()
            });
        }
    }
}

fn convolutions_are_those_of_the_kernels(device: &Device) {
    let (maps, side, c_in, c_out, groups) = (8, 6, 5, 7, 4);
    for dilation in [1, 2, 4, 7] {
        let shapes: [&[usize]; 3] =
            [&[maps * side * side, c_in], &[groups * c_out, c_in, 3, 3], &[groups * c_out]];
        same_as_kernels(device, &shapes, |v| {
            conv3x3(&v[0], &v[1], Some(&v[2]), Maps { side, dilation, groups }).unwrap()
        });
    }
    // Maps that are not square, and one that is narrower than the taps.
    for (height, width, k) in [(6, 9, 7), (5, 3, 5), (1, 4, 3)] {
        let shapes: [&[usize]; 3] = [&[2, height, width, 6], &[6, k, k], &[6]];
        same_as_kernels(device, &shapes, |v| depthwise(&v[0], &v[1], &v[2]).unwrap());
    }
}

fn probabilities_beyond_doubt_have_a_finite_slope(device: &Device) {
    let sides = Sides { from: 2, to: 2 };
    let target = Target { masks: Arc::new(vec![0, 0, 1, 1]), sides };
    let slopes = |x: Vec<f32>, of: Of| {
        let x = Var::from_vec(x, (1, 4), device).unwrap();
        let loss = focal(&x, of, &target, Focal { alpha: 0.25, gamma: 4.0 }).unwrap();
        let grads = loss.backward().unwrap();
        let slopes = grads.get(x.as_tensor()).unwrap().flatten_all().unwrap().to_vec1::<f32>().unwrap();
        assert!(slopes.iter().all(|slope| slope.is_finite()), "{slopes:?}");
        (loss.to_scalar::<f32>().unwrap(), slopes)
    };
    let (loss, slopes_of_logits) = slopes(vec![200.0, -200.0, 200.0, -200.0], Of::Logits);
    assert!(
        (loss - 50.0).abs() < 1e-3 && slopes_of_logits[0] > 0.18 && slopes_of_logits[3] < -0.06,
        "{loss}"
    );
    assert!(slopes(vec![1.0, 0.0, 1.0, 0.0], Of::Probabilities).0.is_finite());
}
