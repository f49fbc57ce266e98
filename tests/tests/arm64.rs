//! The workspace builds for aarch64, and the kernels compute there what their references do.
//!
//! Set `SNARM_ARM64_ROOT` to a folder in which `tests/roots/make-root.sh trixie FOLDER arm64` made a Debian system, or may
//! make one (root rights, network, 3.2 GB); without it the test is skipped ([`snarm_tests::skip::ALLOWED`]).

use std::path::Path;
use std::process::Command;

use snarm_tests::skip::skip;

#[test]
fn the_workspace_builds_for_aarch64_and_its_unit_tests_pass_there() {
    let Some(root) = std::env::var_os("SNARM_ARM64_ROOT") else {
        skip("arm64", "SNARM_ARM64_ROOT names no Debian root for aarch64 (tests/roots/arm64.sh makes one)");
        return;
    };
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("roots/arm64.sh");
    let output = Command::new(script).arg(root).output().unwrap();
    let (text, errors) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    if output.status.code() == Some(77) {
        skip("arm64", errors);
        return;
    }
    assert!(output.status.success(), "{text}{errors}");
    print!("{text}");
    for built in ["libgstsnarm.so", "snarm", "snarm-player"] {
        let line = format!("built: {built} (AArch64)");
        assert!(text.lines().any(|found| found == line), "expected '{line}', found {text}");
    }
    let passed = |line: &&str| line.starts_with("test result: ok. ") && !line.contains(" 0 passed");
    assert_eq!(text.lines().filter(passed).count(), 2, "programs whose tests ran: {text}");
}
