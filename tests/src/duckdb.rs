//! DuckDB, which reads the archive as an analyst would.

use serde_json::Value;
use std::path::Path;
use std::process::Command;

/// The rows that answer `query`, with numbers of 64 bits and decimals as text.
pub fn query(query: &str) -> Vec<Value> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("duckdb");
    assert!(
        directory.join("node_modules").is_dir(),
        "run the tests by `cargo xtask test`, which installs tests/duckdb"
    );
    let output = Command::new("node")
        .args(["query.js", query])
        .current_dir(directory)
        .output()
        .expect("node: install it with `apt-get install nodejs npm`");
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout)
        .expect("text")
        .lines()
        .map(|line| serde_json::from_str(line).expect("JSON"))
        .collect()
}
