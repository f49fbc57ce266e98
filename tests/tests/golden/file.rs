//! Reading golden files, and comparing with a tolerance.

use std::path::Path;

use safetensors::SafeTensors;

/// A golden file in memory.
pub(crate) struct Golden {
    bytes: Vec<u8>,
}

impl Golden {
    pub(crate) fn open(name: &str) -> Self {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("golden").join(format!("{name}.safetensors"));
        let bytes = std::fs::read(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
        Self { bytes }
    }

    fn bytes(&self, name: &str) -> Vec<u8> {
        let file = SafeTensors::deserialize(&self.bytes).unwrap();
        file.tensor(name).unwrap_or_else(|e| panic!("{name}: {e}")).data().to_vec()
    }

    pub(crate) fn u8s(&self, name: &str) -> Vec<u8> {
        self.bytes(name)
    }

    pub(crate) fn f32s(&self, name: &str) -> Vec<f32> {
        self.bytes(name).as_chunks().0.iter().map(|b| f32::from_le_bytes(*b)).collect()
    }

    pub(crate) fn f64s(&self, name: &str) -> Vec<f64> {
        self.bytes(name).as_chunks().0.iter().map(|b| f64::from_le_bytes(*b)).collect()
    }

    pub(crate) fn u32s(&self, name: &str) -> Vec<u32> {
        self.bytes(name).as_chunks().0.iter().map(|b| u32::from_le_bytes(*b)).collect()
    }

    /// An entry of the header.
    pub(crate) fn entry(&self, name: &str) -> String {
        let (_, metadata) = SafeTensors::read_metadata(&self.bytes).unwrap();
        metadata.metadata().as_ref().unwrap()[name].clone()
    }

    /// The names that the values of a case have in the header.
    pub(crate) fn value_names(&self, case: &str) -> Vec<String> {
        let (_, metadata) = SafeTensors::read_metadata(&self.bytes).unwrap();
        let names = metadata.metadata().as_ref().unwrap()[&format!("{case}.names")].clone();
        names
            .split(|c: char| !c.is_alphanumeric() && !"_.".contains(c))
            .filter(|n| !n.is_empty())
            .map(str::to_owned)
            .collect()
    }
}

/// Rows of `width` of a matrix.
pub(crate) fn rows(data: &[f32], width: usize, which: &[u32]) -> Vec<f32> {
    which.iter().flat_map(|row| &data[*row as usize * width..][..width]).copied().collect()
}

#[track_caller]
pub(crate) fn assert_close(what: &str, expected: &[f32], found: &[f32], tolerance: f32) {
    assert_eq!(expected.len(), found.len(), "{what}");
    let worst = expected.iter().zip(found).map(|(e, f)| (e - f).abs()).fold(0.0, f32::max);
    assert!(worst <= tolerance, "{what}: largest difference {worst:e}, tolerance {tolerance:e}");
    assert!(found.iter().all(|v| v.is_finite()), "{what}");
}
