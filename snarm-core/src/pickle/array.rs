//! Tensors as plain memory.

use super::refusal::{Read, refuse};

/// Type of an element.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// 16-bit floating point.
    F16,
    /// The upper half of a 32-bit floating point number.
    BF16,
    /// 32-bit floating point.
    F32,
    /// 64-bit floating point.
    F64,
    /// 8 bits without sign.
    U8,
    /// 32 bits with sign.
    I32,
    /// 64 bits with sign.
    I64,
    /// A byte that is 0 or 1.
    Bool,
}

impl Kind {
    /// Bytes of an element.
    pub fn size(self) -> usize {
        match self {
            Self::U8 | Self::Bool => 1,
            Self::F16 | Self::BF16 => 2,
            Self::F32 | Self::I32 => 4,
            Self::F64 | Self::I64 => 8,
        }
    }
}

/// A tensor or an array, row-major and little-endian.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Array {
    /// Type of its elements.
    pub kind: Kind,
    /// Sizes, outermost first.
    pub shape: Vec<usize>,
    /// Its elements.
    pub data: Vec<u8>,
}

impl Array {
    /// Of 32-bit floating point numbers.
    pub fn of_f32(shape: &[usize], values: &[f32]) -> Self {
        Self { kind: Kind::F32, shape: shape.to_vec(), data: bytemuck::cast_slice(values).to_vec() }
    }

    /// Of 64-bit whole numbers.
    pub fn of_i64(shape: &[usize], values: &[i64]) -> Self {
        Self { kind: Kind::I64, shape: shape.to_vec(), data: bytemuck::cast_slice(values).to_vec() }
    }

    /// Number of elements.
    pub fn len(&self) -> usize {
        self.shape.iter().product()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Its elements as 32-bit floating point numbers, where nothing is lost by that.
    pub fn f32s(&self) -> Option<Vec<f32>> {
        Some(match self.kind {
            Kind::F32 => self.data.as_chunks().0.iter().map(|b| f32::from_le_bytes(*b)).collect(),
            Kind::F16 => {
                self.data.as_chunks().0.iter().map(|b| half::f16::from_le_bytes(*b).to_f32()).collect()
            }
            Kind::BF16 => {
                self.data.as_chunks().0.iter().map(|b| half::bf16::from_le_bytes(*b).to_f32()).collect()
            }
            _ => return None,
        })
    }

    /// Its elements as whole numbers, where they are.
    pub fn i64s(&self) -> Option<Vec<i64>> {
        match self.kind {
            Kind::I64 => Some(self.data.as_chunks().0.iter().map(|b| i64::from_le_bytes(*b)).collect()),
            Kind::I32 => {
                Some(self.data.as_chunks().0.iter().map(|b| i64::from(i32::from_le_bytes(*b))).collect())
            }
            Kind::F32 | Kind::F16 | Kind::BF16 => {
                let whole = |v: f32| (v.fract() == 0.0 && v.abs() <= 16_777_216.0).then_some(v as i64);
                self.f32s()?.into_iter().map(whole).collect()
            }
            _ => None,
        }
    }

    /// Gathers a view of `data`; offset and strides count elements.
    pub(super) fn strided(
        kind: Kind,
        data: &[u8],
        offset: usize,
        shape: &[usize],
        strides: &[usize],
    ) -> Read<Self> {
        let size = kind.size();
        let beyond = || {
            refuse(
                format!("a view within {} elements", data.len() / size),
                format!("{shape:?} from {offset}"),
            )
        };
        if shape.len() != strides.len() {
            return refuse("a stride for each size", format!("{} for {}", strides.len(), shape.len()));
        }
        let Some(count) = shape.iter().try_fold(1_usize, |n, side| n.checked_mul(*side)) else {
            return beyond();
        };
        let mut gathered = Vec::new();
        if count > 0 {
            let reach = shape
                .iter()
                .zip(strides)
                .try_fold(offset, |last, (side, stride)| last.checked_add((side - 1).checked_mul(*stride)?));
            // A view that repeats elements may be as large as it likes: it is refused, too.
            if reach.is_none_or(|last| last >= data.len() / size) || count > data.len() / size {
                return beyond();
            }
            gathered.reserve_exact(count * size);
            let mut place = vec![0; shape.len()];
            let row = match (shape.last(), strides.last()) {
                (Some(side), Some(1)) => *side,
                _ => 1,
            };
            let outer = if row > 1 { shape.len() - 1 } else { shape.len() };
            for _ in 0..count / row {
                let start = offset + place.iter().zip(strides).map(|(i, stride)| i * stride).sum::<usize>();
                gathered.extend_from_slice(&data[start * size..(start + row) * size]);
                for axis in (0..outer).rev() {
                    place[axis] += 1;
                    if place[axis] < shape[axis] {
                        break;
                    }
                    place[axis] = 0;
                }
            }
        }
        Ok(Self { kind, shape: shape.to_vec(), data: gathered })
    }

    /// Brings elements that lie column by column to rows.
    pub(super) fn from_columns(kind: Kind, data: &[u8], shape: &[usize]) -> Read<Self> {
        let mut stride = 1_usize;
        let strides: Vec<usize> = shape
            .iter()
            .map(|side| {
                let this = stride;
                stride = stride.saturating_mul(*side);
                this
            })
            .collect();
        Self::strided(kind, data, 0, shape, &strides)
    }

    /// Elements that lie row by row already, and all of them.
    pub(super) fn from_rows(kind: Kind, data: Vec<u8>, shape: Vec<usize>) -> Read<Self> {
        let count = shape.iter().try_fold(kind.size(), |n, side| n.checked_mul(*side));
        if count != Some(data.len()) {
            return refuse(
                format!("the bytes of {shape:?} elements of {}", kind.size()),
                format!("{} bytes", data.len()),
            );
        }
        Ok(Self { kind, shape, data })
    }
}
