//! docs/threat-model.md says which test performs each attack: they must be where it says that they are.

use std::{
    collections::{BTreeMap, BTreeSet},
    env, fs,
    path::{Path, PathBuf},
};

fn root() -> PathBuf {
    Path::new(&env::var("CARGO_MANIFEST_DIR").unwrap()).join("..")
}

/// The Rust files below a directory; none where there is no such directory.
fn files(dir: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(dir) else {
        return Vec::new();
    };
    let paths = entries.map(|entry| entry.unwrap().path());
    paths
        .flat_map(|path| match path.is_dir() {
            true => files(&path),
            false => vec![path],
        })
        .filter(|path| path.extension().is_some_and(|extension| extension == "rs"))
        .collect()
}

/// The tests of a file: its path below `dir`, modules and name, with colons before, between and behind them. Where a module
/// ends is told by the indentation, as the formatter has made it.
fn tests(file: &Path, dir: &Path) -> Vec<String> {
    let place = file.strip_prefix(dir).unwrap().with_extension("");
    let place: Vec<&str> = place.iter().map(|part| part.to_str().unwrap()).collect();
    let text = fs::read_to_string(file).unwrap();
    let mut modules: Vec<(usize, &str)> = Vec::new();
    let mut is_test = false;
    let mut tests = Vec::new();
    for line in text.lines() {
        let code = line.trim_start();
        let indent = line.len() - code.len();
        let module = code
            .strip_prefix("mod ")
            .and_then(|code| code.strip_suffix(" {"));
        if let Some(module) = module {
            modules.push((indent, module));
        } else if code == "}" && modules.last().is_some_and(|(outer, _)| *outer == indent) {
            modules.pop();
        } else if code.starts_with("#[test]") {
            is_test = true;
        } else if let Some(rest) = code.strip_prefix("fn ") {
            let name = rest.split('(').next().unwrap();
            if is_test {
                let modules = modules.iter().map(|(_, module)| *module);
                let path: Vec<&str> = place.iter().copied().chain(modules).collect();
                tests.push(format!("::{}::{name}::", path.join("::")));
            }
            is_test = false;
        }
    }
    tests
}

/// All tests of what the document calls by this name: a target of package `tests`, or else a package.
fn tests_of(name: &str) -> Vec<String> {
    let dirs = match name {
        "suite" => vec!["tests/tests/suite".to_owned()],
        "economics" => vec!["tests/src/bin/economics".to_owned()],
        package => ["crates", "programs", "app"]
            .iter()
            .flat_map(|group| ["src", "tests"].map(|part| format!("{group}/{package}/{part}")))
            .collect(),
    };
    dirs.iter()
        .map(|dir| root().join(dir))
        .flat_map(|dir| {
            let files = files(&dir).into_iter();
            files.flat_map(move |file| tests(&file, &dir))
        })
        .collect()
}

#[test]
fn tests_that_the_threat_model_names_are_where_it_says() {
    let text = fs::read_to_string(root().join("docs/threat-model.md")).unwrap();
    // What is between backticks; with colons at its end it is what names begin with.
    let names: BTreeSet<&str> = text
        .split('`')
        .skip(1)
        .step_by(2)
        .filter(|name| name.contains("::") && !name.ends_with("::"))
        .collect();
    assert!(!names.is_empty());
    let mut known: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    let missing: Vec<&str> = names
        .into_iter()
        .filter(|name| {
            let (first, rest) = name.split_once("::").unwrap();
            let tests = known.entry(first).or_insert_with(|| tests_of(first));
            // Or a module's, of which several tests count.
            let path = match rest.strip_suffix('*') {
                Some(beginning) => format!("::{beginning}"),
                None => format!("::{rest}::"),
            };
            !tests.iter().any(|test| test.contains(&path))
        })
        .collect();
    assert!(
        missing.is_empty(),
        "docs/threat-model.md names tests that are in no such package and module: {missing:#?}"
    );
}
