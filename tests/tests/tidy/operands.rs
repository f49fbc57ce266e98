//! Operations take operands that know where they live: views of buffers, into which slices turn by themselves. A slice in
//! a signature would let nobody know that an operation has no body for devices.

use crate::{NO_KERNELS, check, names, read};

/// Functions that take slices all the same: they make from the host's numbers what an operation runs with, wherever.
const FROM_THE_HOST: [(&str, &str); 8] = [
    // Weights are packed once.
    ("conv3x3/mod.rs", "new"),
    ("conv3x3/backward.rs", "transposed"),
    ("cross_scan/packed.rs", "new"),
    ("depthwise/mod.rs", "new"),
    ("depthwise/mod.rs", "of_input_gradient"),
    ("linear/mod.rs", "new"),
    // A bank is given codes once, and copied to a device once.
    ("nearest/codes.rs", "of"),
    ("nearest/cuda.rs", "of"),
];

/// A public function: its file below `kernels/src`, its name, what it takes, and its body.
struct Function {
    file: String,
    name: String,
    takes: String,
    body: String,
}

/// The public functions of a file, and the public fields of its data.
fn parse(file: &str, text: &str) -> (Vec<Function>, Vec<String>) {
    let (mut functions, mut fields) = (Vec::new(), Vec::new());
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        let code = line.trim_start();
        let indent = &line[..line.len() - code.len()];
        let Some(rest) = code.strip_prefix("pub fn ") else {
            if code.starts_with("pub ") && code.contains(": ") {
                fields.push(code.to_owned());
            }
            continue;
        };
        let name = rest.split(['(', '<']).next().unwrap_or_default().to_owned();
        let mut all = line.to_owned() + "\n";
        let end = format!("\n{indent}}}\n");
        let is_whole = |all: &str| match all.lines().count() {
            1 => all.ends_with("}\n"),
            _ => all.ends_with(&end),
        };
        while !is_whole(&all) {
            all += lines.next().unwrap_or_else(|| panic!("{file}: {name} has no end"));
            all.push('\n');
        }
        let (head, body) = all.split_once("{\n").unwrap_or((&all, ""));
        let takes = head.rsplit_once(" -> ").map_or(head, |(takes, _)| takes).to_owned();
        functions.push(Function { file: file.to_owned(), name, takes, body: body.to_owned() });
    }
    (functions, fields)
}

/// The functions and fields of all operations; references and tests do not count.
fn operations() -> (Vec<Function>, Vec<String>) {
    let (mut functions, mut fields) = (Vec::new(), Vec::new());
    for op in names("kernels/src") {
        if op.contains('.') || NO_KERNELS.contains(&op.as_str()) {
            continue;
        }
        for name in names(&format!("kernels/src/{op}")) {
            if !name.ends_with(".rs") || ["reference.rs", "tests.rs"].contains(&name.as_str()) {
                continue;
            }
            let file = format!("{op}/{name}");
            let (some, data) = parse(&file, &read(&format!("kernels/src/{file}")));
            functions.extend(some);
            fields.extend(data.into_iter().map(|field| format!("{file}: {field}")));
        }
    }
    (functions, fields)
}

/// Whether numbers that buffers hold are named as a slice.
fn is_slice(text: &str) -> bool {
    ["[f32]", "[u32]", "[u8]", "&Vec<", "mut Vec<f32>", "mut Vec<u32>", "mut Vec<u8>"]
        .iter()
        .any(|slice| text.contains(slice))
}

#[test]
fn operations_take_operands_that_know_where_they_live() {
    let (functions, fields) = operations();
    assert!(functions.len() > 100, "{} functions", functions.len());
    let (mut complaints, mut used) = (Vec::new(), Vec::new());
    for Function { file, name, .. } in functions.iter().filter(|function| is_slice(&function.takes)) {
        match FROM_THE_HOST.iter().find(|listed| **listed == (file.as_str(), name.as_str())) {
            Some(listed) => used.push(listed),
            None => {
                complaints.push(format!("kernels/src/{file}: {name} takes a slice, and no view of a buffer"))
            }
        }
    }
    let unused = FROM_THE_HOST.iter().filter(|listed| !used.contains(listed));
    complaints
        .extend(unused.map(|(file, name)| format!("kernels/src/{file}: {name} takes no slice any more")));
    complaints.extend(fields.into_iter().filter(|field| is_slice(field)));
    check("operands are views of buffers", complaints);
}

#[test]
fn operations_of_the_host_alone_are_seen_to_refuse_devices() {
    let calls = read("kernels/src/device/tests.rs");
    let called: Vec<&str> = calls.lines().filter_map(|line| line.trim().strip_prefix("(\"")).collect();
    let called: Vec<&str> = called.iter().filter_map(|line| line.split('"').next()).collect();
    let (functions, _) = operations();
    let alone: Vec<String> = functions
        .iter()
        .filter(|function| function.takes.contains("Into<BufferView"))
        .filter(|function| !["View::Cuda(", "ViewMut::Cuda("].iter().any(|arm| function.body.contains(arm)))
        .map(|function| format!("{}::{}", function.file.split('/').next().unwrap_or_default(), function.name))
        .collect();
    assert!(alone.len() > 40, "{alone:?}");
    let missing = alone.iter().filter(|name| !called.contains(&name.as_str()));
    let missing = missing.map(|name| format!("{name} is not called in kernels/src/device/tests.rs"));
    let idle = called.iter().filter(|name| !alone.iter().any(|known| known == *name));
    let idle = idle.map(|name| format!("{name} is called, and is no operation of the host alone"));
    check("operations without a body for devices refuse operands there", missing.chain(idle));
}

#[test]
fn slices_in_signatures_are_found() {
    let text = "pub struct Rows<'a> {\n    pub data: &'a [f32],\n}\n\npub fn run(\n    x: &[f32],\n) -> Result<()> {\n    \
                f(x)\n}\n\nimpl A {\n    pub fn labels(&self) -> &[u32] {\n        &self.0\n    }\n}\n";
    let (functions, fields) = parse("a/mod.rs", text);
    let found: Vec<(&str, bool)> = functions.iter().map(|f| (f.name.as_str(), is_slice(&f.takes))).collect();
    assert_eq!(found, [("run", true), ("labels", false)]);
    assert_eq!(fields, ["pub data: &'a [f32],"]);
    assert!(is_slice(&fields[0]) && functions[0].body.contains("f(x)"));
}
