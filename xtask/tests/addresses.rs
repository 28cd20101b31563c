//! A program's address stands in several places, which must agree: keys/, `declare_id!`, Anchor.toml, and where others know
//! it by its bytes alone.

use std::{collections::BTreeMap, env, fs, path::Path};

/// Where others know a program by its bytes alone: program, constant, file.
const KNOWN: [(&str, &str, &str); 3] = [
    (
        "data_commitment",
        "DATA_COMMITMENT",
        "programs/device-registry/src/state/stream.rs",
    ),
    (
        "reward_emission",
        "REWARD_EMISSION",
        "crates/credits/src/lib.rs",
    ),
    (
        "security_pool",
        "SECURITY_POOL",
        "crates/slashing/src/lib.rs",
    ),
];

fn root() -> std::path::PathBuf {
    Path::new(&env::var("CARGO_MANIFEST_DIR").unwrap()).join("..")
}

/// The base58 addresses of keys/*.json, by the program's name with underscores.
fn addresses() -> BTreeMap<String, String> {
    fs::read_dir(root().join("keys"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| {
            path.extension()
                .is_some_and(|extension| extension == "json")
        })
        .map(|path| {
            let keypair: Vec<u8> = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
            let name = path
                .file_stem()
                .unwrap()
                .to_str()
                .unwrap()
                .replace('-', "_");
            (name, bs58::encode(&keypair[32..64]).into_string())
        })
        .collect()
}

#[test]
fn anchor_toml_has_the_addresses_of_keys() {
    let text = fs::read_to_string(root().join("Anchor.toml")).unwrap();
    let config: toml::Table = text.parse().unwrap();
    let localnet = config["programs"]["localnet"].as_table().unwrap();
    let written: BTreeMap<String, String> = localnet
        .iter()
        .map(|(name, address)| (name.clone(), address.as_str().unwrap().into()))
        .collect();
    assert_eq!(written, addresses());
}

#[test]
fn programs_declare_the_addresses_of_keys() {
    let mut declared = BTreeMap::new();
    for entry in fs::read_dir(root().join("programs")).unwrap() {
        let dir = entry.unwrap().path();
        let name = dir.file_name().unwrap().to_str().unwrap().replace('-', "_");
        let source = fs::read_to_string(dir.join("src/lib.rs")).unwrap();
        let (_, rest) = source
            .split_once("declare_id!(\"")
            .unwrap_or_else(|| panic!("{name} declares no address"));
        declared.insert(name, rest.split('"').next().unwrap().to_owned());
    }
    assert_eq!(declared, addresses());
}

#[test]
fn others_know_programs_by_the_addresses_of_keys() {
    let addresses = addresses();
    for (program, constant, file) in KNOWN {
        let source = fs::read_to_string(root().join(file)).unwrap();
        let (_, rest) = source
            .split_once(&format!("pub const {constant}: Pubkey ="))
            .unwrap_or_else(|| panic!("{file} has no {constant}"));
        assert_eq!(rest.split('"').nth(1), Some(addresses[program].as_str()));
    }
}
