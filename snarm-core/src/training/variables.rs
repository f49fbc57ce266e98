//! Named variables in a fixed order, on one device. Values are given and taken as slices of the host's memory.

use std::collections::BTreeMap;

use candle_core::{Device, Tensor, Var};

use crate::error::{Error, Result};

/// Variables by name. The order of the names is the order of everything that is done with all of them, so that sums
/// are the same in every run.
#[derive(Debug, Clone)]
pub struct Variables {
    all: BTreeMap<String, Var>,
    device: Device,
}

impl Default for Variables {
    fn default() -> Self {
        Self { all: BTreeMap::new(), device: Device::Cpu }
    }
}

impl Variables {
    /// The same values on a device, as variables of their own.
    ///
    /// # Errors
    /// When they do not fit into its memory.
    pub fn to_device(&self, device: &Device) -> Result<Self> {
        let mut moved = Self { all: BTreeMap::new(), device: device.clone() };
        for (name, var) in self.iter() {
            moved.insert(name, self.values(name)?, var.dims())?;
        }
        Ok(moved)
    }

    /// Where new variables come to lie.
    pub fn device(&self) -> &Device {
        &self.device
    }

    /// Adds a variable of that name, or replaces it.
    ///
    /// # Errors
    /// When the values do not fill the shape.
    pub fn insert(&mut self, name: &str, values: Vec<f32>, shape: &[usize]) -> Result<()> {
        self.all.insert(name.to_owned(), Var::from_vec(values, shape, &self.device)?);
        Ok(())
    }

    /// The variable of that name, as a tensor that gradients reach.
    ///
    /// # Errors
    /// When there is none.
    pub fn get(&self, name: &str) -> Result<&Tensor> {
        Ok(self.var(name)?.as_tensor())
    }

    /// The values of that name.
    ///
    /// # Errors
    /// When there are none.
    pub fn values(&self, name: &str) -> Result<Vec<f32>> {
        Ok(self.get(name)?.flatten_all()?.to_vec1()?)
    }

    /// Gives a variable other values.
    ///
    /// # Errors
    /// When there is none of that name, or it has another number of elements.
    pub fn set(&self, name: &str, values: &[f32]) -> Result<()> {
        let var = self.var(name)?;
        Ok(var.set(&Tensor::from_slice(values, var.shape(), var.device())?)?)
    }

    /// Takes in the variables of another set. They stay the same ones: what is set in one set is set in the other.
    pub fn extend(&mut self, others: &Self) {
        self.all.extend(others.all.iter().map(|(name, var)| (name.clone(), var.clone())));
    }

    /// Names and variables, in the order of the names.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Var)> {
        self.all.iter().map(|(name, var)| (name.as_str(), var))
    }

    /// Number of variables.
    pub fn len(&self) -> usize {
        self.all.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    fn var(&self, name: &str) -> Result<&Var> {
        self.all.get(name).ok_or_else(|| Error::Values {
            what: "variables",
            expected: format!("one named {name}"),
            found: format!("{} of other names", self.all.len()),
        })
    }
}
