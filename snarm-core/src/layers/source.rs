//! Tensors by name and shape, wherever they lie: the one way in which networks take their weights.

use std::cell::RefCell;
use std::fmt::Display;
use std::path::Path;

use snarm_kernels::Precision;

use crate::error::{Error, Result};
use crate::files::{Tensor, Weights};

/// What holds or makes tensors.
pub(crate) trait Tensors {
    /// The tensor of that name; `None` where there is none. What holds tensors gives it with the shape it has, what makes
    /// them makes it of `shape`.
    fn tensor(&self, name: &str, shape: &[usize]) -> Result<Option<Tensor>>;

    /// The file they lie in, for messages.
    fn path(&self) -> Option<&Path> {
        None
    }
}

impl Tensors for Weights {
    fn tensor(&self, name: &str, _: &[usize]) -> Result<Option<Tensor>> {
        self.get(name)
    }

    fn path(&self) -> Option<&Path> {
        Some(Weights::path(self))
    }
}

/// A function that makes a tensor of that name and shape.
type Make<'a> = dyn Fn(&str, &[usize]) -> Result<Vec<f32>> + 'a;

/// Tensors that a function makes or has at hand.
pub(crate) struct Made<'a>(pub(crate) &'a Make<'a>);

impl Tensors for Made<'_> {
    fn tensor(&self, name: &str, shape: &[usize]) -> Result<Option<Tensor>> {
        Ok(Some(Tensor { shape: shape.to_vec(), data: (self.0)(name, shape)? }))
    }
}

/// Names and shapes of all tensors that `read` takes, in that order; their values are 1.
pub(crate) fn recorded<T>(read: impl FnOnce(&dyn Tensors) -> Result<T>) -> Result<Vec<(String, Vec<usize>)>> {
    let all = RefCell::new(Vec::new());
    let record = |name: &str, shape: &[usize]| {
        all.borrow_mut().push((name.to_owned(), shape.to_vec()));
        Ok(vec![1.0; shape.iter().product()])
    };
    read(&Made(&record))?;
    Ok(all.into_inner())
}

/// Tensors whose names begin alike: those of a network or of a part of it.
#[derive(Clone)]
pub(crate) struct Source<'a> {
    what: &'static str,
    tensors: &'a dyn Tensors,
    prefix: String,
    precision: Precision,
}

impl<'a> Source<'a> {
    /// All of `tensors`, to be packed in f32. Messages call the network `what`.
    pub(crate) fn new(what: &'static str, tensors: &'a dyn Tensors) -> Self {
        Self { what, tensors, prefix: String::new(), precision: Precision::F32 }
    }

    /// The same, to be packed for products in that precision.
    pub(crate) fn in_precision(self, precision: Precision) -> Self {
        Self { precision, ..self }
    }

    /// What elements of matrix products are rounded to.
    pub(crate) fn precision(&self) -> Precision {
        self.precision
    }

    /// Those whose names go on with `part` and a dot.
    pub(crate) fn at(&self, part: impl Display) -> Self {
        Self { prefix: format!("{}{part}.", self.prefix), ..*self }
    }

    /// The elements of a tensor that the network may lack.
    ///
    /// # Errors
    /// When it has another shape or cannot be read.
    pub(crate) fn find(&self, name: &str, shape: &[usize]) -> Result<Option<Vec<f32>>> {
        let name = format!("{}{name}", self.prefix);
        match self.tensors.tensor(&name, shape)? {
            None => Ok(None),
            Some(tensor) if tensor.shape == shape && tensor.data.len() == shape.iter().product::<usize>() => {
                Ok(Some(tensor.data))
            }
            Some(tensor) => {
                let found = if tensor.shape == shape {
                    format!("{} elements", tensor.data.len())
                } else {
                    format!("{:?}", tensor.shape)
                };
                Err(self.wrong(format!("{name} of shape {shape:?}"), found))
            }
        }
    }

    /// The elements of a tensor that the network needs.
    ///
    /// # Errors
    /// When there is none of that name, it has another shape, or it cannot be read.
    pub(crate) fn get(&self, name: &str, shape: &[usize]) -> Result<Vec<f32>> {
        let missing =
            || self.wrong(format!("a tensor {}{name}", self.prefix), "none of that name".to_owned());
        self.find(name, shape)?.ok_or_else(missing)
    }

    /// The one element of a tensor of shape \[1\].
    ///
    /// # Errors
    /// As [`Self::get`].
    pub(crate) fn single(&self, name: &str) -> Result<f32> {
        Ok(self.get(name, &[1])?.first().copied().unwrap_or_default())
    }

    fn wrong(&self, expected: String, found: String) -> Error {
        match self.tensors.path() {
            Some(path) => Error::wrong_file(self.what, path, expected, found),
            None => Error::Sizes { what: self.what, expected, found },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One tensor, `net.0.weight` (2, 3).
    struct One;

    impl Tensors for One {
        fn tensor(&self, name: &str, _: &[usize]) -> Result<Option<Tensor>> {
            let data = vec![1.0; 6];
            Ok((name == "net.0.weight").then_some(Tensor { shape: vec![2, 3], data }))
        }

        fn path(&self) -> Option<&Path> {
            Some(Path::new("/models/one"))
        }
    }

    #[test]
    fn names_are_put_together_and_shapes_are_checked() {
        let layer = Source::new("encoder", &One).at("net").at(0);
        assert_eq!(layer.get("weight", &[2, 3]).unwrap(), [1.0; 6]);
        assert!(layer.find("bias", &[2]).unwrap().is_none());
        let message = |result: Result<Vec<f32>>| result.unwrap_err().to_string();
        assert_eq!(
            message(layer.get("weight", &[3, 2])),
            "encoder: expected net.0.weight of shape [3, 2], found [2, 3]: /models/one"
        );
        assert_eq!(
            message(layer.get("bias", &[2])),
            "encoder: expected a tensor net.0.bias, found none of that name: /models/one"
        );
    }

    #[test]
    fn a_function_that_gives_too_few_elements_is_refused() {
        let source = |name: &str, _: &[usize]| Ok(vec![0.0; name.len()]);
        let made = Made(&source);
        let error = Source::new("decoder", &made).get("abc", &[4]).unwrap_err();
        assert_eq!(error.to_string(), "decoder: expected abc of shape [4], found 3 elements");
    }
}
