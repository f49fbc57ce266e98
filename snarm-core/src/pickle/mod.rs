//! Tensors in Python's pickles, read without running anything: what `torch.save` and `pickle.dump` write of dictionaries
//! of tensors and arrays.
//!
//! A pickle is a program for a small stack machine (`machine`) that may name any function of the reader's Python. Here a
//! name is looked up in a list of those that tensor files need (`names`), each of which is re-enacted on data (`call`); any
//! other is refused by name. Values lie in one flat list and refer to each other by number, so that no nesting of a hostile
//! file becomes a recursion, and what a memo repeats is not copied.
//!
//! (candle's reader of state dictionaries knows neither bytes nor arrays, neither older files nor the memo of newer
//! protocols, and passes over what it does not know.)

mod array;
mod budget;
mod call;
mod container;
mod machine;
mod names;
mod refusal;
mod write;

use std::collections::{HashMap, HashSet};
use std::path::Path;

pub use self::array::{Array, Kind};
use self::budget::Budget;
use self::names::Known;
use self::refusal::{Read, Refusal, refuse};
pub use self::write::{Dump, state_dict};
use crate::error::{Error, Result};
use crate::files;

const WHAT: &str = "pickle";

/// A value, its parts by number.
#[derive(Debug)]
enum Node {
    None,
    Bool(bool),
    Int(i128),
    Float,
    Text(String),
    Bytes(Vec<u8>),
    Tuple(Vec<usize>),
    List(Vec<usize>),
    Dict(Vec<(usize, usize)>),
    Name(Known),
    Storage(usize),
    Tensor(Box<Tensor>),
    Type(Kind),
    Array(Box<Array>),
    /// An instance of a class that is known and not needed.
    Object,
}

impl Node {
    fn array(array: Array) -> Self {
        Self::Array(Box::new(array))
    }

    /// Bytes of memory that it holds beside itself.
    fn heap(&self) -> usize {
        let sizes = |shape: &[usize]| size_of_val(shape);
        match self {
            Self::Text(text) => text.len(),
            Self::Bytes(bytes) => bytes.len(),
            Self::Tuple(items) | Self::List(items) => size_of_val(&items[..]),
            Self::Dict(pairs) => size_of_val(&pairs[..]),
            Self::Tensor(tensor) => size_of::<Tensor>() + sizes(&tensor.shape) + sizes(&tensor.strides),
            Self::Array(array) => size_of::<Array>() + sizes(&array.shape) + array.data.len(),
            Self::None | Self::Bool(_) | Self::Int(_) | Self::Float => 0,
            Self::Name(_) | Self::Storage(_) | Self::Type(_) | Self::Object => 0,
        }
    }
}

/// A view of a storage, in elements.
#[derive(Debug)]
struct Tensor {
    storage: usize,
    offset: usize,
    shape: Vec<usize>,
    strides: Vec<usize>,
}

/// Memory that tensors share. In zip archives and older files it comes after the program.
#[derive(Debug)]
struct Storage {
    kind: Kind,
    len: usize,
    data: Option<Vec<u8>>,
}

/// All values of one file.
#[derive(Debug)]
struct Values {
    nodes: Vec<Node>,
    storages: Vec<Storage>,
    budget: Budget,
}

/// A pickled dictionary whose keys are strings.
#[derive(Debug)]
pub struct Pickle {
    path: std::path::PathBuf,
    values: Values,
    entries: Entries,
}

/// Names and values of a dictionary, in its order, and the place of each name.
#[derive(Debug, Default)]
struct Entries {
    all: Vec<(String, usize)>,
    places: HashMap<String, usize>,
}

impl Pickle {
    /// Reads what `torch.save` (of any version) or `pickle.dump` (protocol 2 and later) wrote of a dictionary.
    ///
    /// # Errors
    /// When the file is missing, damaged, no dictionary, or names anything that a file of tensors does not need.
    pub fn open(path: &Path) -> Result<Self> {
        Self::of_bytes(path, &files::read(WHAT, path)?)
    }

    /// As [`Self::open`], of a file whose bytes are at hand.
    ///
    /// # Errors
    /// As [`Self::open`].
    pub(crate) fn of_bytes(path: &Path, bytes: &[u8]) -> Result<Self> {
        Self::read(bytes)
            .map(|(values, entries)| Self { path: path.to_owned(), values, entries })
            .map_err(|Refusal { expected, found }| Error::wrong_file(WHAT, path, expected, found))
    }

    /// Whether bytes begin as the files do that [`Self::open`] reads.
    pub fn recognise(bytes: &[u8]) -> bool {
        container::is_zip(bytes) || machine::begins(bytes)
    }

    fn read(bytes: &[u8]) -> Read<(Values, Entries)> {
        let budget = Budget::of(bytes.len());
        let mut values = Values { nodes: Vec::new(), storages: Vec::new(), budget };
        let root = container::read(bytes, &mut values)?;
        match values.entries(root)? {
            Some(entries) => Ok((values, entries)),
            None => refuse("a dictionary of tensors", values.describe(root)),
        }
    }

    /// What the entry of that name holds, where it is a dictionary, in place of all entries: training programs keep their
    /// tensors there, beside what they go on from.
    ///
    /// # Errors
    /// When the dictionary has other keys than names.
    pub(crate) fn entered(mut self, name: &str) -> Result<Self> {
        let Some(id) = self.entries.places.get(name).copied() else { return Ok(self) };
        let entries = self.values.entries(id).map_err(|Refusal { expected, found }| {
            Error::wrong_file(WHAT, &self.path, format!("{name}: {expected}"), found)
        })?;
        Ok(Self { entries: entries.unwrap_or(self.entries), ..self })
    }

    /// Names of all entries, in their order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.entries.all.iter().map(|(name, _)| name.as_str())
    }

    /// The entry that is a dictionary with a name of that ending: what a training program wraps its tensors in.
    pub fn wrapper(&self, ending: &str) -> Option<&str> {
        let ends = |id: &usize| matches!(&self.values.nodes[*id], Node::Text(name) if name.ends_with(ending));
        // Many entries may be the same dictionary.
        let mut seen = HashSet::new();
        let mut holds = |id: usize| match &self.values.nodes[id] {
            Node::Dict(pairs) if seen.insert(id) => pairs.iter().any(|(key, _)| ends(key)),
            _ => false,
        };
        self.entries.all.iter().find(|(_, value)| holds(*value)).map(|(name, _)| name.as_str())
    }

    /// The tensor or array of that name; nothing where there is no entry of that name.
    ///
    /// # Errors
    /// When the entry is something else, or reaches beyond its storage.
    pub fn array(&self, name: &str) -> Result<Option<Array>> {
        let Some(id) = self.entries.places.get(name) else { return Ok(None) };
        self.values.array(*id).map(Some).map_err(|Refusal { expected, found }| {
            Error::wrong_file(WHAT, &self.path, format!("{name}: {expected}"), found)
        })
    }

    /// Where the file lies.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl Values {
    fn push(&mut self, node: Node) -> Read<usize> {
        self.budget.keep(size_of::<Node>() + node.heap())?;
        self.nodes.push(node);
        Ok(self.nodes.len() - 1)
    }

    /// Names and values of a dictionary; nothing of what is none.
    fn entries(&mut self, id: usize) -> Read<Option<Entries>> {
        let Self { nodes, budget, .. } = self;
        let Node::Dict(pairs) = &nodes[id] else { return Ok(None) };
        let mut entries = Entries::default();
        for &(key, value) in pairs {
            let Node::Text(name) = &nodes[key] else {
                return refuse("names as keys of the dictionary", self.describe(key));
            };
            // Two copies, in a list and a table.
            budget.keep(2 * (size_of::<(String, usize)>() + name.len()))?;
            // As in Python, the last of two equal keys holds.
            entries.places.insert(name.clone(), value);
            entries.all.push((name.clone(), value));
        }
        Ok(Some(entries))
    }

    fn array(&self, id: usize) -> Read<Array> {
        match &self.nodes[id] {
            Node::Array(array) => Ok(Array::clone(array)),
            Node::Tensor(tensor) => {
                let Tensor { storage, offset, shape, strides } = &**tensor;
                let Storage { kind, data, .. } = &self.storages[*storage];
                let Some(data) = data else { return refuse("a tensor with data", "none for its storage") };
                Array::strided(*kind, data, *offset, shape, strides)
            }
            _ => refuse("a tensor or an array", self.describe(id)),
        }
    }

    /// What a value is, in a word or two.
    fn describe(&self, id: usize) -> String {
        match &self.nodes[id] {
            Node::None => "None".to_owned(),
            Node::Bool(value) => format!("the truth value {value}"),
            Node::Int(value) => format!("the number {value}"),
            Node::Float => "a fraction".to_owned(),
            Node::Text(text) => format!("the text '{}'", names::printable(text)),
            Node::Bytes(bytes) => format!("{} bytes", bytes.len()),
            Node::Tuple(items) => format!("a tuple of {}", items.len()),
            Node::List(items) => format!("a list of {}", items.len()),
            Node::Dict(items) => format!("a dictionary of {}", items.len()),
            Node::Name(name) => format!("the name {name}"),
            Node::Storage(_) => "a storage".to_owned(),
            Node::Tensor(_) => "a tensor".to_owned(),
            Node::Type(kind) => format!("the type {kind:?}"),
            Node::Array(_) => "an array".to_owned(),
            Node::Object => "an object".to_owned(),
        }
    }
}

#[cfg(test)]
mod tests;
