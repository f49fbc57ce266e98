//! The stack machine of a pickle, without the power to call anything.

use std::collections::HashMap;

use super::names::{Known, look_up, printable};
use super::{Node, Read, Storage, Values, refuse};

/// The first byte of a pickle of protocol 2 and later.
pub(super) const PROTO: u8 = 0x80;

/// The newest protocol.
const NEWEST: u8 = 5;

/// Whether bytes begin as a pickle does and not as safetensors, whose length of the header may look the same: eight bytes,
/// the upper ones zero, and a brace.
pub(super) fn begins(bytes: &[u8]) -> bool {
    let safetensors = bytes.get(4..8) == Some(&[0; 4]) && bytes.get(8) == Some(&b'{');
    matches!(bytes, [PROTO, 2..=NEWEST, ..]) && !safetensors
}

/// One run through one program.
pub(super) struct Machine<'a> {
    pub(super) values: &'a mut Values,
    bytes: &'a [u8],
    /// Place of the next byte.
    at: usize,
    stack: Vec<usize>,
    marks: Vec<usize>,
    memo: HashMap<usize, usize>,
    /// Storages by the key under which their data follows the program.
    pub(super) keys: HashMap<String, usize>,
    /// Whether this program lies inside another.
    pub(super) inner: bool,
}

impl<'a> Machine<'a> {
    pub(super) fn new(bytes: &'a [u8], at: usize, values: &'a mut Values) -> Self {
        Self {
            values,
            bytes,
            at,
            stack: Vec::new(),
            marks: Vec::new(),
            memo: HashMap::new(),
            keys: HashMap::new(),
            inner: false,
        }
    }

    /// Runs to the end of the program and returns its value and the place behind it.
    pub(super) fn run(&mut self) -> Read<(usize, usize)> {
        let [PROTO, protocol @ 2..=NEWEST] = self.take(2)?[..] else {
            return refuse("a pickle of protocol 2 to 5", "another beginning");
        };
        tracing::trace!(protocol, "pickle");
        loop {
            let [op] = self.take(1)?[..] else { return refuse("an opcode", "none") };
            self.values.budget.work(1)?;
            if op == b'.' {
                let root = self.pop()?;
                return Ok((root, self.at));
            }
            self.step(op)?;
        }
    }

    fn step(&mut self, op: u8) -> Read<()> {
        match op {
            0x95 => {
                // A frame is a hint for reading ahead.
                self.number(8)?;
            }
            b'(' => {
                self.values.budget.keep_all::<usize>(1)?;
                self.marks.push(self.stack.len());
            }
            b'0' => drop(self.pop()?),
            b'1' => drop(self.since_mark()?),
            b'N' => self.push(Node::None)?,
            0x88 => self.push(Node::Bool(true))?,
            0x89 => self.push(Node::Bool(false))?,
            b'K' => self.int(1)?,
            b'M' => self.int(2)?,
            b'J' => {
                let value = self.number(4)? as u32 as i32;
                self.push(Node::Int(value.into()))?;
            }
            0x8a => self.long()?,
            b'G' => {
                self.take(8)?;
                self.push(Node::Float)?;
            }
            b'X' => self.text(4)?,
            0x8c => self.text(1)?,
            0x8d => self.text(8)?,
            b'B' => self.data(4)?,
            b'C' => self.data(1)?,
            0x8e | 0x96 => self.data(8)?,
            b')' => self.push(Node::Tuple(Vec::new()))?,
            b't' => {
                let items = self.since_mark()?;
                self.push(Node::Tuple(items))?;
            }
            0x85..=0x87 => self.tuple(usize::from(op) - 0x84)?,
            b']' => self.push(Node::List(Vec::new()))?,
            b'a' => {
                let item = self.pop()?;
                self.append(vec![item])?;
            }
            b'e' => {
                let items = self.since_mark()?;
                self.append(items)?;
            }
            b'}' => self.push(Node::Dict(Vec::new()))?,
            b's' => {
                let (value, key) = (self.pop()?, self.pop()?);
                self.insert(&[key, value])?;
            }
            b'u' => {
                let items = self.since_mark()?;
                self.insert(&items)?;
            }
            b'q' | b'r' => {
                let (place, top) = (self.number(if op == b'q' { 1 } else { 4 })?, self.top()?);
                self.remember(place, top)?;
            }
            0x94 => {
                let (place, top) = (self.memo.len(), self.top()?);
                self.remember(place, top)?;
            }
            b'h' | b'j' => {
                let place = self.number(if op == b'h' { 1 } else { 4 })?;
                match self.memo.get(&place).copied() {
                    Some(id) => self.push_id(id)?,
                    None => return refuse("a value in the memo", format!("none at {place}")),
                }
            }
            b'c' => {
                let (module, name) = (self.line()?, self.line()?);
                self.push(Node::Name(look_up(&module, &name)?))?;
            }
            0x93 => {
                let (name, module) = (self.pop()?, self.pop()?);
                let (Node::Text(module), Node::Text(name)) =
                    (&self.values.nodes[module], &self.values.nodes[name])
                else {
                    return refuse("a module and a name", self.values.describe(name));
                };
                let known = look_up(module, name)?;
                self.push(Node::Name(known))?;
            }
            b'R' | 0x81 => {
                let (arguments, callable) = (self.pop()?, self.pop()?);
                let result = self.call(callable, arguments, op == 0x81)?;
                self.push_id(result)?;
            }
            b'b' => {
                let (state, target) = (self.pop()?, self.top()?);
                self.set_state(target, state)?;
            }
            b'Q' => {
                let id = self.pop()?;
                let storage = self.persistent(id)?;
                self.push(Node::Storage(storage))?;
            }
            other => {
                return refuse(
                    "the opcodes of tensor files",
                    format!("opcode {other:#04x} at {}", self.at - 1),
                );
            }
        }
        Ok(())
    }

    fn push(&mut self, node: Node) -> Read<()> {
        let id = self.values.push(node)?;
        self.push_id(id)
    }

    fn push_id(&mut self, id: usize) -> Read<()> {
        self.values.budget.keep_all::<usize>(1)?;
        self.stack.push(id);
        Ok(())
    }

    fn remember(&mut self, place: usize, id: usize) -> Read<()> {
        self.values.budget.keep_all::<(usize, usize)>(1)?;
        self.memo.insert(place, id);
        Ok(())
    }

    /// The topmost value, not below the last mark.
    fn top(&self) -> Read<usize> {
        match self.stack.last() {
            Some(id) if self.stack.len() > self.marks.last().copied().unwrap_or(0) => Ok(*id),
            _ => refuse("a value on the stack", "none"),
        }
    }

    fn pop(&mut self) -> Read<usize> {
        let id = self.top()?;
        self.stack.pop();
        Ok(id)
    }

    fn since_mark(&mut self) -> Read<Vec<usize>> {
        match self.marks.pop() {
            Some(mark) => Ok(self.stack.split_off(mark)),
            None => refuse("a mark on the stack", "none"),
        }
    }

    fn tuple(&mut self, len: usize) -> Read<()> {
        let mut items = (0..len).map(|_| self.pop()).collect::<Read<Vec<usize>>>()?;
        items.reverse();
        self.push(Node::Tuple(items))
    }

    fn append(&mut self, items: Vec<usize>) -> Read<()> {
        let top = self.top()?;
        self.values.budget.keep_all::<usize>(items.len())?;
        match &mut self.values.nodes[top] {
            Node::List(list) => list.extend(items),
            _ => return refuse("a list to append to", self.values.describe(top)),
        }
        Ok(())
    }

    fn insert(&mut self, items: &[usize]) -> Read<()> {
        let top = self.top()?;
        self.values.budget.keep_all::<usize>(items.len())?;
        let (pairs, rest) = items.as_chunks::<2>();
        match &mut self.values.nodes[top] {
            Node::Dict(dict) if rest.is_empty() => {
                dict.extend(pairs.iter().map(|[key, value]| (*key, *value)))
            }
            _ => return refuse("a dictionary and pairs for it", self.values.describe(top)),
        }
        Ok(())
    }

    fn take(&mut self, len: usize) -> Read<&'a [u8]> {
        let rest = &self.bytes[self.at..];
        match rest.get(..len) {
            Some(taken) => {
                self.at += len;
                Ok(taken)
            }
            None => refuse(format!("{len} bytes more"), format!("{} before the end", rest.len())),
        }
    }

    /// A number without sign of so many bytes.
    fn number(&mut self, bytes: usize) -> Read<usize> {
        let value = self.take(bytes)?.iter().rev().fold(0_u64, |value, byte| value << 8 | u64::from(*byte));
        usize::try_from(value).or_else(|_| refuse("a length that fits the machine", value.to_string()))
    }

    fn int(&mut self, bytes: usize) -> Read<()> {
        let value = self.number(bytes)?;
        self.push(Node::Int(value as i128))
    }

    /// A number of up to 16 bytes, two's complement.
    fn long(&mut self) -> Read<()> {
        let len = self.number(1)?;
        if len > 16 {
            return refuse("a whole number of up to 16 bytes", format!("{len} bytes"));
        }
        let bytes = self.take(len)?;
        let fill = if bytes.last().is_some_and(|byte| *byte >= 0x80) { 0xff } else { 0 };
        let mut whole = [fill; 16];
        whole[..len].copy_from_slice(bytes);
        self.push(Node::Int(i128::from_le_bytes(whole)))
    }

    fn text(&mut self, bytes: usize) -> Read<()> {
        let len = self.number(bytes)?;
        let text = match std::str::from_utf8(self.take(len)?) {
            Ok(text) => text.to_owned(),
            Err(e) => return refuse("text in UTF-8", e.to_string()),
        };
        self.push(Node::Text(text))
    }

    fn data(&mut self, bytes: usize) -> Read<()> {
        let len = self.number(bytes)?;
        let data = self.take(len)?.to_vec();
        self.push(Node::Bytes(data))
    }

    /// Text up to the end of the line.
    fn line(&mut self) -> Read<String> {
        let rest = &self.bytes[self.at..];
        let Some(end) = rest.iter().position(|byte| *byte == b'\n') else {
            return refuse("a name on a line", "no end of it");
        };
        let line = String::from_utf8_lossy(self.take(end + 1)?);
        Ok(line.trim_end_matches(['\r', '\n']).to_owned())
    }

    /// The storage that a persistent id ('storage', type, key, device, elements) speaks of.
    fn persistent(&mut self, id: usize) -> Read<usize> {
        let nodes = &self.values.nodes;
        let parts: Vec<&Node> = match &nodes[id] {
            // Five say all; an older file adds a sixth.
            Node::Tuple(parts) => parts.iter().take(7).map(|part| &nodes[*part]).collect(),
            _ => Vec::new(),
        };
        let [
            Node::Text(what),
            Node::Name(Known::Storage(kind)),
            Node::Text(key),
            Node::Text(_),
            Node::Int(len),
            rest @ ..,
        ] = &parts[..]
        else {
            return refuse("a storage of tensors", self.values.describe(id));
        };
        let (Ok(len), true) = (usize::try_from(*len), what == "storage" && matches!(rest, [] | [Node::None]))
        else {
            return refuse("a whole storage", format!("{} of {len} elements", printable(what)));
        };
        let (kind, key) = (*kind, key.clone());
        self.values.budget.work(key.len())?;
        if let Some(known) = self.keys.get(&key) {
            let Storage { kind: k, len: l, .. } = self.values.storages[*known];
            if (k, l) != (kind, len) {
                let key = printable(&key);
                return refuse(
                    format!("storage {key} as {l} elements of {k:?}"),
                    format!("{len} of {kind:?}"),
                );
            }
            return Ok(*known);
        }
        self.values.budget.keep(size_of::<Storage>() + key.len())?;
        self.values.storages.push(Storage { kind, len, data: None });
        let storage = self.values.storages.len() - 1;
        self.keys.insert(key, storage);
        Ok(storage)
    }
}
