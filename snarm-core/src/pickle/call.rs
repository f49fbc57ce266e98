//! What the known names do, re-enacted on data.

use super::container;
use super::machine::Machine;
use super::names::Known;
use super::{Array, Kind, Node, Read, Tensor, refuse};

/// The most sizes that a tensor may have: as in PyTorch and numpy.
const MOST_SIZES: usize = 64;

/// The most values that a message describes.
const DESCRIBED: usize = 6;

impl Machine<'_> {
    /// The result of calling a name with a tuple of arguments, or of making an instance of it.
    pub(super) fn call(&mut self, callable: usize, arguments: usize, instance: bool) -> Read<usize> {
        let nodes = &self.values.nodes;
        let (Node::Name(name), Node::Tuple(arguments)) = (&nodes[callable], &nodes[arguments]) else {
            return refuse("a name to call with a tuple", self.values.describe(callable));
        };
        let (name, ids) = (*name, arguments.clone());
        self.values.budget.work(ids.len())?;
        let nodes = &self.values.nodes;
        let arguments: Vec<&Node> = ids.iter().map(|id| &nodes[*id]).collect();
        let node = match (name, &arguments[..]) {
            (Known::Pca, []) if instance => Node::Object,
            _ if instance => {
                return refuse("an instance of a class of tensor files", format!("one of {name}"));
            }
            (Known::OrderedDict, []) => Node::Dict(Vec::new()),
            (Known::Bytes, []) => Node::Bytes(Vec::new()),
            (Known::Encode, [Node::Text(text), Node::Text(code)])
                if matches!(code.as_str(), "latin1" | "latin-1") =>
            {
                let byte = |c: char| u8::try_from(u32::from(c)).ok();
                match text.chars().map(byte).collect() {
                    Some(bytes) => Node::Bytes(bytes),
                    None => return refuse("bytes in Latin-1", "other characters"),
                }
            }
            (
                Known::RebuildTensor,
                [
                    Node::Storage(storage),
                    Node::Int(offset),
                    Node::Tuple(shape),
                    Node::Tuple(strides),
                    rest @ ..,
                ],
            ) => {
                // Behind whether it has a gradient and its hooks: whether its elements stand for others.
                if let Some(Node::Dict(marks)) = rest.get(2)
                    && let Some((mark, _)) = marks.first()
                {
                    let found = format!("one marked with {}", self.values.describe(*mark));
                    return refuse("a tensor whose elements are stored as they are", found);
                }
                let (shape, strides) = (self.sizes(shape)?, self.sizes(strides)?);
                let offset = usize::try_from(*offset).or_else(|_| refuse("an offset", offset.to_string()))?;
                Node::Tensor(Box::new(Tensor { storage: *storage, offset, shape, strides }))
            }
            (Known::RebuildParameter, [Node::Tensor(_), ..]) => return Ok(ids[0]),
            (Known::LoadFromBytes, [Node::Bytes(_)]) => return self.load(ids[0]),
            // Its state follows.
            (Known::Reconstruct, [Node::Name(Known::NdArray), Node::Tuple(_), Node::Bytes(_)]) => {
                Node::array(Array { kind: Kind::U8, shape: vec![0], data: Vec::new() })
            }
            (Known::Scalar, [Node::Type(kind), Node::Bytes(bytes)]) => {
                Node::array(Array::from_rows(*kind, bytes.clone(), Vec::new())?)
            }
            (
                Known::FromBuffer,
                [Node::Bytes(bytes), Node::Type(kind), Node::Tuple(shape), Node::Text(order)],
            ) => {
                let shape = self.sizes(shape)?;
                Node::array(array(*kind, bytes, shape, order == "F")?)
            }
            (Known::DType, [Node::Text(code), ..]) => Node::Type(kind_of(code)?),
            _ => {
                let described = ids.iter().take(DESCRIBED).map(|id| self.values.describe(*id));
                let mut found: Vec<String> = described.collect();
                if ids.len() > DESCRIBED {
                    found.push(format!("{} more", ids.len() - DESCRIBED));
                }
                return refuse(format!("the arguments of {name}"), format!("({})", found.join(", ")));
            }
        };
        self.values.push(node)
    }

    /// Gives a value its state.
    pub(super) fn set_state(&mut self, target: usize, state: usize) -> Read<()> {
        if let Node::Tuple(parts) = &self.values.nodes[state] {
            let count = parts.len();
            self.values.budget.work(count)?;
        }
        let nodes = &self.values.nodes;
        let parts: Vec<&Node> = match &nodes[state] {
            Node::Tuple(parts) => parts.iter().map(|part| &nodes[*part]).collect(),
            _ => Vec::new(),
        };
        match (&nodes[target], &parts[..]) {
            (
                Node::Array(_),
                [Node::Int(_), Node::Tuple(shape), Node::Type(kind), Node::Bool(columns), Node::Bytes(data)],
            ) => {
                let array = Node::array(array(*kind, data, self.sizes(shape)?, *columns)?);
                self.values.budget.keep(array.heap())?;
                self.values.nodes[target] = array;
            }
            (Node::Type(_), [Node::Int(_), Node::Text(order), ..]) => {
                if !matches!(order.as_str(), "<" | "|" | "=") {
                    return refuse("numbers with the lowest byte first", format!("byte order '{order}'"));
                }
            }
            // Attributes of a state dictionary, such as the versions of modules, and those of an object: not needed.
            (Node::Dict(_) | Node::Object, _) if matches!(nodes[state], Node::Dict(_)) => {}
            _ => {
                let (target, state) = (self.values.describe(target), self.values.describe(state));
                return refuse(format!("the state of {target}"), state);
            }
        }
        Ok(())
    }

    fn sizes(&self, ids: &[usize]) -> Read<Vec<usize>> {
        if ids.len() > MOST_SIZES {
            return refuse(format!("at most {MOST_SIZES} sizes"), ids.len().to_string());
        }
        ids.iter()
            .map(|id| match &self.values.nodes[*id] {
                Node::Int(size) => usize::try_from(*size).or_else(|_| refuse("a size", size.to_string())),
                _ => refuse("a size", self.values.describe(*id)),
            })
            .collect()
    }

    /// The storage in a file within the file.
    fn load(&mut self, id: usize) -> Read<usize> {
        if self.inner {
            return refuse("a storage in its bytes", "another file in these");
        }
        let Node::Bytes(bytes) = std::mem::replace(&mut self.values.nodes[id], Node::Bytes(Vec::new()))
        else {
            return refuse("the bytes of a storage", self.values.describe(id));
        };
        let root = container::read_inner(&bytes, self.values)?;
        match self.values.nodes[root] {
            Node::Storage(_) => Ok(root),
            _ => refuse("a storage", self.values.describe(root)),
        }
    }
}

fn array(kind: Kind, data: &[u8], shape: Vec<usize>, columns: bool) -> Read<Array> {
    let whole = Array::from_rows(kind, data.to_vec(), shape)?;
    if columns { Array::from_columns(kind, data, &whole.shape) } else { Ok(whole) }
}

/// The type of a numpy code such as `f4` or `<i8`.
fn kind_of(code: &str) -> Read<Kind> {
    Ok(match code.trim_start_matches(['<', '|', '=']) {
        "f2" => Kind::F16,
        "f4" => Kind::F32,
        "f8" => Kind::F64,
        "u1" => Kind::U8,
        "i4" => Kind::I32,
        "i8" => Kind::I64,
        "b1" => Kind::Bool,
        _ => return refuse("numbers of numpy (f2, f4, f8, u1, i4, i8, b1)", format!("type '{code}'")),
    })
}
