//! `snarm convert` against the real PyTorch, where there is one: `tests/clients/torch_files.py` writes and reads the files.

use std::path::Path;
use std::process::Command;

use snarm_tests::skip::skip;

use crate::run::{snarm, stderr, stdout};

/// How the client ends where PyTorch or numpy is missing.
const MISSING: i32 = 77;

#[test]
fn files_are_exchanged_with_pytorch_to_the_bit() {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR"));
    let python = std::env::var_os("SNARM_PYTHON").unwrap_or_else(|| "python3".into());
    let dir = tempfile::tempdir().expect("a folder");
    let mut client = Command::new(&python);
    client.arg(tests.join("clients/torch_files.py")).arg(snarm().get_program());
    client.arg(tests.join("../snarm-core/assets/snarm-tiny-decoder.safetensors")).current_dir(dir.path());
    let output = match client.output() {
        Ok(output) if output.status.code() == Some(MISSING) => {
            return skip("pytorch", stderr(&output));
        }
        Ok(output) => output,
        Err(e) => {
            return skip("pytorch", format!("{} does not start: {e}", python.display()));
        }
    };
    assert!(output.status.success(), "{}{}", stdout(&output), stderr(&output));
    let said = stdout(&output);
    for done in ["loaded by PyTorch: ", "read from PyTorch: ", "refused: ", "bank to ours and back: "] {
        assert!(said.contains(done), "expected {done:?} in\n{said}");
    }
    println!("{said}");
}
