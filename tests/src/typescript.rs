//! The TypeScript reader of examples/typescript, tested by Node's own runner.

use std::path::Path;
use std::process::Command;

/// Generates the reader from ai-feed's interface, compiles it and runs its tests; what they print, if one fails.
pub fn test() -> Result<String, String> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/typescript");
    assert!(
        directory.join("node_modules").is_dir(),
        "run the tests by `cargo xtask test`, which installs examples/typescript"
    );
    let output = Command::new("npm")
        .args(["test", "--silent"])
        .current_dir(directory)
        .output()
        .expect("npm: install it with `apt-get install nodejs npm`");
    let printed = String::from_utf8_lossy(&output.stdout).into_owned()
        + &String::from_utf8_lossy(&output.stderr);
    match output.status.success() {
        true => Ok(printed),
        false => Err(printed),
    }
}
