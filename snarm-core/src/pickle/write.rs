//! Writing what PyTorch reads: state dictionaries as `torch.save` writes them, and dictionaries of tensors and arrays as
//! `pickle.dump` does.

use std::io::{Cursor, Write};

use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

use super::{Array, Kind};

/// Protocol of a state dictionary, as `torch.save` has it.
const STATE_PROTOCOL: u8 = 2;

/// Protocol of a dictionary: the first whose bytes may be longer than 4 GiB.
const DUMP_PROTOCOL: u8 = 4;

/// Boundary of the data of storages in an archive, as `torch.save` has it.
const ALIGNMENT: u16 = 64;

/// A state dictionary in the zip archive that `torch.load` reads.
///
/// # Errors
/// When the archive would be too large for the format.
pub fn state_dict(tensors: &[(String, Array)]) -> std::io::Result<Vec<u8>> {
    let mut program = Program::new(STATE_PROTOCOL);
    program.ordered_dict();
    program.op(b'(');
    for (key, (name, array)) in tensors.iter().enumerate() {
        program.text(name);
        program.tensor(array, |program| program.persistent(array, &key.to_string(), b""));
    }
    program.op(b'u');

    let mut archive = ZipWriter::new(Cursor::new(Vec::new()));
    let options =
        SimpleFileOptions::default().compression_method(CompressionMethod::Stored).with_alignment(ALIGNMENT);
    let mut member = |name: &str, data: &[u8]| {
        archive.start_file(format!("archive/{name}"), options)?;
        archive.write_all(data)
    };
    member("data.pkl", &program.finish())?;
    member("byteorder", b"little")?;
    for (key, (_, array)) in tensors.iter().enumerate() {
        member(&format!("data/{key}"), &array.data)?;
    }
    member("version", b"3\n")?;
    Ok(archive.finish()?.into_inner())
}

/// A dictionary in the making, as `pickle.dump` writes it.
pub struct Dump {
    program: Program,
}

impl Default for Dump {
    fn default() -> Self {
        Self::new()
    }
}

impl Dump {
    /// An empty dictionary.
    pub fn new() -> Self {
        let mut program = Program::new(DUMP_PROTOCOL);
        program.op(b'}');
        program.op(b'(');
        Self { program }
    }

    /// Adds a tensor of PyTorch.
    pub fn tensor(&mut self, name: &str, array: &Array) {
        self.program.text(name);
        let storage = storage_file(array);
        self.program.tensor(array, |program| {
            program.name("torch.storage", "_load_from_bytes");
            program.bytes(&storage);
            program.ops(&[0x85, b'R']);
        });
    }

    /// Adds an array of numpy.
    pub fn array(&mut self, name: &str, array: &Array) {
        let program = &mut self.program;
        program.text(name);
        program.name("numpy.core.multiarray", "_reconstruct");
        program.name("numpy", "ndarray");
        program.sizes(&[0]);
        program.bytes(b"b");
        program.ops(&[0x87, b'R', b'(']);
        program.int(1);
        program.sizes(&array.shape);
        program.dtype(array.kind);
        program.op(0x89);
        program.bytes(&array.data);
        program.ops(b"tb");
    }

    /// Adds an instance of a class with one attribute.
    pub fn instance(&mut self, name: &str, class: (&str, &str), attribute: &str, value: i64) {
        let program = &mut self.program;
        program.text(name);
        program.name(class.0, class.1);
        program.ops(&[b')', 0x81, b'}']);
        program.text(attribute);
        program.int(value);
        program.ops(b"sb");
    }

    /// The whole pickle.
    pub fn finish(mut self) -> Vec<u8> {
        self.program.op(b'u');
        self.program.finish()
    }
}

/// A storage as `torch.save` wrote it before its archives: this is how a tensor is pickled by others than PyTorch.
fn storage_file(array: &Array) -> Vec<u8> {
    let mut file = Vec::with_capacity(array.data.len() + 512);
    let mut part = |fill: &dyn Fn(&mut Program)| {
        let mut program = Program::new(STATE_PROTOCOL);
        fill(&mut program);
        file.extend(program.finish());
    };
    part(&|program| {
        // The magic number, 10 bytes long.
        program.ops(&[0x8a, 10, 0x6c, 0xfc, 0x9c, 0x46, 0xf9, 0x20, 0x6a, 0xa8, 0x50, 0x19]);
    });
    part(&|program| program.int(1001));
    part(&|program| {
        program.ops(b"}(");
        program.text("protocol_version");
        program.int(1001);
        program.text("little_endian");
        program.op(0x88);
        program.text("type_sizes");
        program.ops(b"}(");
        for (name, size) in [("short", 2), ("int", 4), ("long", 4)] {
            program.text(name);
            program.int(size);
        }
        program.ops(b"uu");
    });
    // Older files say of a storage that it is no view of another.
    part(&|program| program.persistent(array, "0", b"N"));
    part(&|program| {
        program.op(b']');
        program.text("0");
        program.op(b'a');
    });
    file.extend((array.len() as u64).to_le_bytes());
    file.extend(&array.data);
    file
}

/// A program of the stack machine.
struct Program {
    bytes: Vec<u8>,
}

impl Program {
    fn new(protocol: u8) -> Self {
        Self { bytes: vec![super::machine::PROTO, protocol] }
    }

    fn finish(mut self) -> Vec<u8> {
        self.op(b'.');
        self.bytes
    }

    fn op(&mut self, op: u8) {
        self.bytes.push(op);
    }

    fn ops(&mut self, ops: &[u8]) {
        self.bytes.extend_from_slice(ops);
    }

    fn name(&mut self, module: &str, name: &str) {
        self.bytes.extend(format!("c{module}\n{name}\n").into_bytes());
    }

    fn text(&mut self, text: &str) {
        self.op(b'X');
        self.bytes.extend((text.len() as u32).to_le_bytes());
        self.bytes.extend(text.as_bytes());
    }

    fn bytes(&mut self, bytes: &[u8]) {
        self.op(0x8e);
        self.bytes.extend((bytes.len() as u64).to_le_bytes());
        self.bytes.extend(bytes);
    }

    fn int(&mut self, value: i64) {
        match i32::try_from(value) {
            Ok(value) => {
                self.op(b'J');
                self.bytes.extend(value.to_le_bytes());
            }
            Err(_) => {
                self.ops(&[0x8a, 8]);
                self.bytes.extend(value.to_le_bytes());
            }
        }
    }

    fn sizes(&mut self, sizes: &[usize]) {
        self.op(b'(');
        sizes.iter().for_each(|size| self.int(*size as i64));
        self.op(b't');
    }

    fn ordered_dict(&mut self) {
        self.name("collections", "OrderedDict");
        self.ops(b")R");
    }

    /// A contiguous tensor over all of a storage.
    fn tensor(&mut self, array: &Array, storage: impl FnOnce(&mut Self)) {
        self.name("torch._utils", "_rebuild_tensor_v2");
        self.op(b'(');
        storage(self);
        self.int(0);
        self.sizes(&array.shape);
        let strides: Vec<usize> =
            (1..=array.shape.len()).map(|axis| array.shape[axis..].iter().product()).collect();
        self.sizes(&strides);
        self.op(0x89);
        self.ordered_dict();
        self.ops(b"tR");
    }

    /// A storage whose data follows the program.
    fn persistent(&mut self, array: &Array, key: &str, more: &[u8]) {
        self.op(b'(');
        self.text("storage");
        self.name("torch", storage_name(array.kind));
        self.text(key);
        self.text("cpu");
        self.int(array.len() as i64);
        self.ops(more);
        self.ops(b"tQ");
    }

    fn dtype(&mut self, kind: Kind) {
        self.name("numpy", "dtype");
        self.text(code(kind));
        self.ops(&[0x89, 0x88, 0x87, b'R', b'(']);
        self.int(3);
        self.text(if kind.size() == 1 { "|" } else { "<" });
        self.ops(b"NNN");
        self.int(-1);
        self.int(-1);
        self.int(0);
        self.ops(b"tb");
    }
}

fn storage_name(kind: Kind) -> &'static str {
    match kind {
        Kind::F16 => "HalfStorage",
        Kind::BF16 => "BFloat16Storage",
        Kind::F32 => "FloatStorage",
        Kind::F64 => "DoubleStorage",
        Kind::U8 => "ByteStorage",
        Kind::I32 => "IntStorage",
        Kind::I64 => "LongStorage",
        Kind::Bool => "BoolStorage",
    }
}

/// The code of numpy; the upper halves of numbers, which it does not know, go by their bits.
fn code(kind: Kind) -> &'static str {
    match kind {
        Kind::F16 => "f2",
        Kind::BF16 => "u2",
        Kind::F32 => "f4",
        Kind::F64 => "f8",
        Kind::U8 => "u1",
        Kind::I32 => "i4",
        Kind::I64 => "i8",
        Kind::Bool => "b1",
    }
}
