//! Weights from a formula, for tests and timings: small enough that no stage drowns another, and with steps of the scan
//! larger than a trained network's, so that its state is heard.

use crate::encoder::seeded::{common_rule, values};

/// The tensor of a decoder of that name and shape.
pub fn tensor(name: &str, shape: &[usize]) -> Vec<f32> {
    let len = shape.iter().product();
    if name.ends_with("A_log") {
        // Each state has its own time constant: ln(1 + column), slightly disturbed.
        let mut tensor = values(name, len, 0.0, 0.05);
        for row in tensor.chunks_exact_mut(shape[1]) {
            row.iter_mut().enumerate().for_each(|(column, v)| *v += (1.0 + column as f64).ln() as f32);
        }
        return tensor;
    }
    let (offset, scale) = rule(name, shape);
    values(name, len, offset, scale)
}

/// Middle and half width of the values of a tensor.
fn rule(name: &str, shape: &[usize]) -> (f32, f32) {
    let ends = |ending: &str| name.ends_with(ending);
    if ends("simple_predictor.weight") {
        (0.0, 0.5)
    } else if name.starts_with("head_list.") && ends(".1.weight") {
        (0.0, 0.3)
    } else if ends("running_mean") {
        (0.0, 0.1)
    } else if ends("running_var") {
        (1.0, 0.2)
    } else if ends(".D") {
        (1.0, 0.1)
    } else if ends("dt_proj.bias") {
        (-3.0, 2.0)
    } else {
        common_rule(name, shape)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::encoder::seeded::tests::checksum;

    #[test]
    fn tensors_are_the_ones_of_the_golden_numbers() {
        for (name, shape, expected) in [
            ("mamba_list.2.1.mixer.x_proj.weight", vec![16, 256], 0xc54a_fd54_0929_7774),
            ("mamba_list.1.0.mixer.A_log", vec![256, 4], 0x8559_24b8_7f97_6272),
            ("mamba_list.1.0.mixer.conv1d.weight", vec![256, 1, 4], 0x4938_c61e_4256_eae1),
            ("mamba_list.1.0.mixer.dt_proj.weight", vec![256, 8], 0xb894_9a21_4770_5c51),
            ("head_list.5.1.weight", vec![1, 128, 1, 1], 0xb74d_4489_f665_1560),
            ("simple_predictor.weight", vec![1, 512, 1, 1], 0xc405_25b3_0ee3_c4f5),
        ] {
            assert_eq!(checksum(&tensor(name, &shape)), expected, "{name}");
        }
        assert_eq!(tensor("mamba_list.0.0.mixer.dt_proj.bias", &[256])[255].to_bits(), 0xc03c_8423);
        assert_eq!(tensor("head_list.7.0.norm.running_var", &[128])[100].to_bits(), 0x3f76_c42a);
    }
}
