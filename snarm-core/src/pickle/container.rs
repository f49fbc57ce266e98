//! Where programs and the data of storages lie: in a zip archive, one behind the other, or all in one program.

use std::io::{Cursor, Read as _};

use zip::{CompressionMethod, ZipArchive};

use super::budget::Budget;
use super::machine::Machine;
use super::names::printable;
use super::{Node, Read, Refusal, Values, refuse};

/// The number that older files of `torch.save` begin with.
const MAGIC: i128 = 0x1950_a86a_20f9_469c_fc6c;

/// Their protocol.
const PROTOCOL: i128 = 1001;

pub(super) fn is_zip(bytes: &[u8]) -> bool {
    bytes.starts_with(b"PK\x03\x04")
}

/// Reads a whole file and returns its value.
pub(super) fn read(bytes: &[u8], values: &mut Values) -> Read<usize> {
    if is_zip(bytes) {
        return read_zip(bytes, values);
    }
    let (root, end) = Machine::new(bytes, 0, values).run()?;
    if matches!(values.nodes[root], Node::Int(MAGIC)) {
        return read_parts(bytes, end, values, false);
    }
    if end < bytes.len() {
        return refuse("nothing behind the pickle", format!("{} bytes", bytes.len() - end));
    }
    Ok(root)
}

/// Reads the file that a storage is pickled as.
pub(super) fn read_inner(bytes: &[u8], values: &mut Values) -> Read<usize> {
    let (root, end) = Machine::new(bytes, 0, values).run()?;
    if !matches!(values.nodes[root], Node::Int(MAGIC)) {
        return refuse("what torch.save writes of a storage", values.describe(root));
    }
    read_parts(bytes, end, values, true)
}

/// The older files of `torch.save`, behind their magic number: protocol, system, value, keys, and the data of each key.
fn read_parts(bytes: &[u8], at: usize, values: &mut Values, inner: bool) -> Read<usize> {
    let (protocol, at) = Machine::new(bytes, at, values).run()?;
    if !matches!(values.nodes[protocol], Node::Int(PROTOCOL)) {
        return refuse(format!("protocol {PROTOCOL} of torch.save"), values.describe(protocol));
    }
    let (system, at) = Machine::new(bytes, at, values).run()?;
    if !is_little_endian(values, system) {
        return refuse("numbers with the lowest byte first", "a file of another system");
    }
    let mut machine = Machine::new(bytes, at, values);
    machine.inner = inner;
    let (root, at) = machine.run()?;
    let known = std::mem::take(&mut machine.keys);
    let (keys, mut at) = Machine::new(bytes, at, values).run()?;
    let Node::List(keys) = &values.nodes[keys] else {
        return refuse("a list of keys", values.describe(keys));
    };
    for id in keys.clone() {
        let Node::Text(key) = &values.nodes[id] else {
            return refuse("a key", values.describe(id));
        };
        let (storage, length, key) = (known.get(key).copied(), key.len(), printable(key));
        values.budget.work(length)?;
        let Some(storage) = storage else {
            return refuse("keys of storages that are used", format!("'{key}'"));
        };
        let len = values.storages[storage].len;
        let size = values.storages[storage].kind.size();
        let counted = bytes.get(at..at + 8).and_then(|b| b.try_into().ok()).map(u64::from_le_bytes);
        if counted != Some(len as u64) {
            return refuse(format!("{len} elements of storage {key}"), format!("{counted:?}"));
        }
        let end = len.checked_mul(size).and_then(|bytes| bytes.checked_add(at + 8));
        let Some(data) = end.and_then(|end| bytes.get(at + 8..end)) else {
            return refuse(format!("{len} elements of storage {key}"), "the end of the file");
        };
        values.budget.keep(data.len())?;
        values.storages[storage].data = Some(data.to_vec());
        at += 8 + data.len();
    }
    Ok(root)
}

fn is_little_endian(values: &Values, system: usize) -> bool {
    let Node::Dict(pairs) = &values.nodes[system] else { return false };
    let is = |id: usize| matches!(&values.nodes[id], Node::Text(text) if text == "little_endian");
    pairs.iter().any(|(key, value)| is(*key) && matches!(values.nodes[*value], Node::Bool(true)))
}

/// The newer files of `torch.save`: the program in `data.pkl`, the data of each storage beside it in `data/`.
fn read_zip(bytes: &[u8], values: &mut Values) -> Read<usize> {
    let failed = |e: zip::result::ZipError| Refusal {
        expected: "a whole zip archive of torch.save".to_owned(),
        found: e.to_string(),
    };
    let mut archive = ZipArchive::new(Cursor::new(bytes)).map_err(failed)?;
    let names = archive.file_names().map(|name| name.map(|name| name.into_owned()));
    let names = names.collect::<std::result::Result<Vec<String>, _>>().map_err(failed)?;
    let program = names.iter().find_map(|name| name.strip_suffix("/data.pkl"));
    let Some(folder) = program.filter(|folder| !folder.contains('/')) else {
        return refuse("an archive with a data.pkl", format!("{} files without one", names.len()));
    };
    let mut member = |name: &str, most: usize, budget: &mut Budget| -> Read<Vec<u8>> {
        let name = format!("{folder}/{name}");
        let file = archive.by_name(&name).map_err(failed)?;
        // Told to leave checksums out (`set_crc32_options`), `torch.save` writes zeros in their place.
        let unchecked = file.crc32() == 0 && file.compression() == CompressionMethod::Stored;
        drop(file);
        let file = match archive.index_for_name(&name) {
            Some(index) if unchecked => archive.by_index_raw(index),
            _ => archive.by_name(&name),
        };
        let file = file.map_err(failed)?;
        // Archives are not compressed: nothing in them is larger than they are, nor all of it together much larger.
        let most = most.min(bytes.len()).min(budget.bytes());
        let mut data = Vec::new();
        match file.take(most as u64 + 1).read_to_end(&mut data) {
            Ok(_) if data.len() <= most => budget.keep(data.len()).map(|()| data),
            Ok(_) => refuse(format!("at most {most} bytes of {}", printable(&name)), "more"),
            Err(e) => refuse(format!("{} of the archive", printable(&name)), e.to_string()),
        }
    };
    if names.iter().any(|name| *name == format!("{folder}/byteorder")) {
        let order = member("byteorder", 16, &mut values.budget)?;
        if order != b"little" {
            return refuse("numbers with the lowest byte first", String::from_utf8_lossy(&order));
        }
    }
    let program = member("data.pkl", bytes.len(), &mut values.budget)?;
    let mut machine = Machine::new(&program, 0, values);
    let (root, end) = machine.run()?;
    let known = std::mem::take(&mut machine.keys);
    if end < program.len() {
        return refuse("nothing behind the pickle", format!("{} bytes", program.len() - end));
    }
    for (key, storage) in known {
        let (len, size) = (values.storages[storage].len, values.storages[storage].kind.size());
        let Some(expected) = len.checked_mul(size) else {
            return refuse("a storage that fits the machine", format!("{len} elements"));
        };
        let data = member(&format!("data/{key}"), expected, &mut values.budget)?;
        if data.len() != expected {
            return refuse(
                format!("{expected} bytes of storage {}", printable(&key)),
                data.len().to_string(),
            );
        }
        values.storages[storage].data = Some(data);
    }
    Ok(root)
}
