//! Writes the golden vectors to vectors/. A test compares them with what this writes.

#[path = "../tests/suite/account.rs"]
mod account;
#[path = "../tests/suite/vectors.rs"]
mod vectors;

use std::{fs, io};

fn main() -> io::Result<()> {
    let directory = vectors::directory();
    fs::create_dir_all(directory)?;
    for (name, content) in vectors::files() {
        fs::write(directory.join(name), content)?;
    }
    Ok(())
}
