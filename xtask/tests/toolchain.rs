//! What tools/sbpf compiles does what the host does, and what can't run on chain does not compile.
#![cfg(all(target_os = "linux", target_arch = "x86_64"))]

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::{Command, Output},
};

use litesvm::{
    types::{FailedTransactionMetadata, TransactionMetadata},
    LiteSVM,
};
use rand::{rngs::StdRng, seq::SliceRandom, Rng, SeedableRng};
use solana_instruction::Instruction;
use solana_keypair::Keypair;
use solana_message::Message;
use solana_pubkey::Pubkey;
use solana_signer::Signer;
use solana_transaction::Transaction;

#[path = "../../tools/sbpf/check/src/ops.rs"]
mod ops;

/// Compiles the check program with tools/sbpf, into a directory of the caller's.
fn build(features: &str, out: &Path) -> Output {
    let tools = Path::new(&env::var("CARGO_MANIFEST_DIR").unwrap()).join("../tools/sbpf");
    // Beside the project's programs, which have the same std
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().unwrap();
    Command::new(tools.join("cargo-build-sbf"))
        .arg("--manifest-path")
        .arg(tools.join("check/Cargo.toml"))
        .args(["--features", features, "--sbf-out-dir"])
        .arg(out)
        .env("CARGO_TARGET_DIR", target)
        .output()
        .unwrap()
}

/// A program with the fault of `feature` must not compile, for a reason with these words in one
/// line.
fn assert_refused(feature: &str, words: [&str; 2]) {
    let out = tempfile::tempdir().unwrap();
    let output = build(feature, out.path());
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success(), "{feature} compiles");
    assert!(
        errors
            .lines()
            .any(|line| words.iter().all(|word| line.contains(word))),
        "{feature} fails without saying {words:?}:\n{errors}"
    );
    assert_eq!(
        fs::read_dir(out.path()).unwrap().count(),
        0,
        "{feature} leaves a binary"
    );
}

#[test]
fn toolchain_names_a_large_frame() {
    assert_refused("large-frame", ["large frame: ", "11large_frame"]);
}

#[test]
fn toolchain_names_an_undefined_symbol() {
    assert_refused("undefined-symbol", ["undefined symbol: ", "not_a_syscall"]);
}

#[test]
fn toolchain_names_a_writable_static() {
    assert_refused(
        "writable-static",
        ["writable static: ", "15writable_static5CALLS"],
    );
}

/// The check program, deployed.
struct Check {
    svm: LiteSVM,
    program: Pubkey,
    payer: Keypair,
}

impl Check {
    fn deploy() -> Self {
        let out = tempfile::tempdir().unwrap();
        let output = build("", out.path());
        assert!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
        let binary: PathBuf = out.path().join("sbpf_check.so");
        let mut svm = LiteSVM::new().with_mainnet_features().with_sigverify(false);
        let program = Pubkey::new_unique();
        svm.add_program(program, &fs::read(binary).unwrap())
            .unwrap();
        let payer = Keypair::new();
        svm.airdrop(&payer.pubkey(), 1_000_000_000).unwrap();
        Self {
            svm,
            program,
            payer,
        }
    }

    fn call(&mut self, data: &[u8]) -> Result<TransactionMetadata, Box<FailedTransactionMetadata>> {
        let instruction = Instruction::new_with_bytes(self.program, data, vec![]);
        let message = Message::new(&[instruction], Some(&self.payer.pubkey()));
        let transaction = Transaction::new(&[&self.payer], message, self.svm.latest_blockhash());
        self.svm.send_transaction(transaction).map_err(Box::new)
    }

    /// What the program returns.
    fn returned(&mut self, data: &[u8]) -> Vec<u8> {
        self.call(data)
            .unwrap_or_else(|failed| panic!("{failed:?}"))
            .return_data
            .data
    }
}

/// Random operands and those at which operations turn.
fn operand(random: &mut StdRng) -> u128 {
    let special = [
        0,
        1,
        2,
        u128::MAX,
        1 << 127,
        u64::MAX.into(),
        1 << 63,
        1 << 31,
        f64::NAN.to_bits().into(),
        f64::INFINITY.to_bits().into(),
        f64::NEG_INFINITY.to_bits().into(),
        f64::MAX.to_bits().into(),
        f64::MIN_POSITIVE.to_bits().into(),
        (-0.5f64).to_bits().into(),
        (u64::MAX as f64).to_bits().into(),
        (i64::MIN as f64).to_bits().into(),
        f32::NAN.to_bits().into(),
        f32::INFINITY.to_bits().into(),
        f32::MIN_POSITIVE.to_bits().into(),
        (-1.5f32).to_bits().into(),
        (u32::MAX as f32).to_bits().into(),
    ];
    match random.gen_range(0..4) {
        0 => *special.choose(random).unwrap(),
        1 => random.gen::<f32>().to_bits().into(),
        2 => (random.gen::<i32>() as f64 / 7.0).to_bits().into(),
        // Of any length
        _ => random.gen::<u128>() >> random.gen_range(0..128),
    }
}

#[test]
fn toolchain_computes_as_the_host_does() {
    const ARITHMETIC: u8 = 0;
    const MEMORY: u8 = 1;
    const SEED: u64 = 2026;
    let mut check = Check::deploy();
    let mut random = StdRng::seed_from_u64(SEED);

    for (index, (name, op)) in ops::OPS.iter().enumerate() {
        for _ in 0..4 {
            let pairs: [(u128, u128); 30] =
                std::array::from_fn(|_| (operand(&mut random), operand(&mut random)));
            let mut data = vec![ARITHMETIC, index as u8];
            for (a, b) in pairs {
                data.extend(a.to_le_bytes().into_iter().chain(b.to_le_bytes()));
            }
            let results = check.returned(&data);
            assert_eq!(results.len(), 16 * pairs.len(), "{name}");
            for ((a, b), result) in pairs.into_iter().zip(results.chunks_exact(16)) {
                let result = u128::from_le_bytes(result.try_into().unwrap());
                let expected = op(a, b);
                assert_eq!(result, expected, "{name} of {a:#x} and {b:#x}");
            }
        }
    }

    for case in 0..800 {
        let args = [
            case as u8 % 4,
            random.gen(),
            random.gen_range(0..=127),
            random.gen_range(0..=127),
            random.gen_range(0..=127),
        ];
        let result = check.returned(&[&[MEMORY], &args[..]].concat());
        assert!(
            result == ops::memory(&args),
            "memory function with {args:?}"
        );
    }
}

#[test]
fn toolchain_logs_a_panic_with_its_place() {
    const PANIC: u8 = 2;
    let failed = Check::deploy().call(&[PANIC]).unwrap_err();
    let logs = failed.meta.logs.join("\n");
    assert!(logs.contains("a message of the program's own"), "{logs}");
    assert!(logs.contains("src/lib.rs"), "{logs}");
}
