//! Weights from a formula: the same on every machine, made of the tensor's name and the element's place.
//!
//! They serve tests and timings of networks whose trained weights are not at hand, and are what training begins with.

/// A seed from a name: FNV-1a, 64 bits.
fn seed(name: &str) -> u64 {
    name.bytes().fold(0xcbf2_9ce4_8422_2325, |h, b| (h ^ u64::from(b)).wrapping_mul(0x0000_0100_0000_01b3))
}

/// 64 random bits for element `i` of a tensor: SplitMix64.
fn bits(seed: u64, i: u64) -> u64 {
    let mut x = seed.wrapping_add(i.wrapping_mul(0x9E37_79B9_7F4A_7C15));
    x = (x ^ (x >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    x ^ (x >> 31)
}

/// `len` values, evenly spread over offset - scale .. offset + scale.
pub fn values(name: &str, len: usize, offset: f32, scale: f32) -> Vec<f32> {
    let seed = seed(name);
    let value = |i| {
        let unit = (bits(seed, i) >> 40) as f32 / (1 << 24) as f32;
        offset + scale * (2.0 * unit - 1.0)
    };
    (0..len as u64).map(value).collect()
}

/// The tensor of a vision transformer of that torch-hub name and shape.
pub fn vit_tensor(name: &str, shape: &[usize]) -> Vec<f32> {
    let (offset, scale) = if name.ends_with("gamma") {
        (0.5, 0.3)
    } else if matches!(name, "cls_token" | "register_tokens" | "pos_embed" | "mask_token") {
        (0.0, 0.5)
    } else {
        common_rule(name, shape)
    };
    values(name, shape.iter().product(), offset, scale)
}

/// The tensor of an EfficientNet-Lite of that timm name and shape. Its norms are large enough that some activations reach
/// the upper end of a ReLU6.
pub fn efficientnet_tensor(name: &str, shape: &[usize]) -> Vec<f32> {
    let (offset, scale) = if name.ends_with("running_var") {
        (1.0, 0.3)
    } else if name.ends_with("weight") && shape.len() == 1 {
        (1.6, 0.4)
    } else {
        common_rule(name, shape)
    };
    values(name, shape.iter().product(), offset, scale)
}

/// Middle and half width of the values of a tensor that is nothing special: a matrix keeps the size of what it
/// multiplies, a norm is near 1, a bias near 0.
pub(crate) fn common_rule(name: &str, shape: &[usize]) -> (f32, f32) {
    if name.ends_with("weight") && shape.len() > 1 {
        let fan_in: usize = shape[1..].iter().product();
        (0.0, (3.0 / fan_in as f64).sqrt() as f32)
    } else if name.ends_with("weight") {
        (1.0, 0.1)
    } else {
        (0.0, 0.05)
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// FNV-1a over little-endian bytes.
    pub(crate) fn checksum(values: &[f32]) -> u64 {
        values
            .iter()
            .flat_map(|v| v.to_le_bytes())
            .fold(0xcbf2_9ce4_8422_2325, |h, b| (h ^ u64::from(b)).wrapping_mul(0x0000_0100_0000_01b3))
    }

    #[test]
    fn tensors_are_the_ones_of_the_golden_numbers() {
        assert_eq!(vit_tensor("cls_token", &[1, 1, 768])[0].to_bits(), 0xbe84_1d60);
        for (name, shape, expected) in [
            ("register_tokens", vec![1, 4, 768], 0x43cf_152a_ba4f_028f),
            ("blocks.8.ls2.gamma", vec![768], 0xf9ed_6a7c_a58b_6c57),
            ("blocks.3.norm1.weight", vec![384], 0xc5f7_604d_9ea3_e503),
        ] {
            assert_eq!(checksum(&vit_tensor(name, &shape)), expected, "{name}");
        }
    }
}
