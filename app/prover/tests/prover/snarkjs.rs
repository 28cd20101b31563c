//! snarkjs makes a key of our circuit and verifies our proofs, as a ceremony would have it.

use std::{
    fs::{self, File},
    path::Path,
    process::Command,
};

use ark_bn254::{Fq, Fq2, Fr, G1Affine, G1Projective, G2Affine, G2Projective};
use ark_ec::{scalar_mul::ScalarMul, AffineRepr, PrimeGroup};
use ark_ff::{BigInteger, FftField, Field, PrimeField, UniformRand, Zero};
use prover::{export_r1cs, Proof, Prover, ProvingKey};
use rand::SeedableRng;
use rand_chacha::ChaCha20Rng;
use serde_json::{json, Value};
use tempfile::tempdir;

use super::{prove, windows};

/// The one-window circuit has a domain of 2^13.
const POWER: u32 = 13;

#[test]
fn a_key_of_snarkjs_makes_proofs_that_snarkjs_verifies() {
    let dir = tempdir().unwrap();
    let path = |name: &str| dir.path().join(name);
    export_r1cs(1, File::create(path("circuit.r1cs")).unwrap()).unwrap();
    fs::write(path("tau.ptau"), powers_of_tau()).unwrap();
    snarkjs("setup", dir.path());

    let zkey = fs::read(path("circuit.zkey")).unwrap();
    let prover = Prover::new(ProvingKey::from_zkey(&zkey, 1).unwrap()).unwrap();
    let Proof {
        bytes,
        public_input,
        ..
    } = prove(&prover, &windows(1)).unwrap();
    let changed = |place: usize| {
        let mut wrong = bytes;
        wrong[place] ^= 1;
        as_json(&wrong, &public_input)
    };
    let mut input = public_input;
    input[31] ^= 1;
    let proofs = json!([
        as_json(&bytes, &public_input),
        changed(63),
        changed(95),
        changed(191),
        changed(255),
        as_json(&bytes, &input),
    ]);
    fs::write(path("proofs.json"), proofs.to_string()).unwrap();
    let answers: Vec<bool> = serde_json::from_str(&snarkjs("verify", dir.path())).unwrap();
    assert_eq!(answers, [true, false, false, false, false, false]);
}

fn snarkjs(command: &str, folder: &Path) -> String {
    let package = Path::new(env!("CARGO_MANIFEST_DIR")).join("snarkjs");
    assert!(
        package.join("node_modules").is_dir(),
        "run the tests by `cargo xtask test`, which installs app/prover/snarkjs"
    );
    let output = Command::new("node")
        .args(["exchange.js", command])
        .arg(folder)
        .current_dir(package)
        .output()
        .expect("node: install it with `apt-get install nodejs npm`");
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout).expect("text")
}

/// A public input and a proof, as snarkjs has them: numbers as text, A not negated, real parts first.
fn as_json(proof: &[u8; Proof::BYTES], public_input: &[u8; 32]) -> Value {
    let number = |at: usize| Fq::from_be_bytes_mod_order(&proof[at..at + 32]).to_string();
    let minus_y = -Fq::from_be_bytes_mod_order(&proof[32..64]);
    json!([
        Fr::from_be_bytes_mod_order(public_input).to_string(),
        {
            "protocol": "groth16",
            "curve": "bn128",
            "pi_a": [number(0), minus_y.to_string(), "1"],
            "pi_b": [[number(96), number(64)], [number(160), number(128)], ["1", "0"]],
            "pi_c": [number(192), number(224), "1"],
        }
    ])
}

/// A prepared .ptau file of a single contribution whose secrets anybody can read here. snarkjs itself takes minutes for
/// it. Of the sections that the second phase is prepared with only the domains that the circuit needs are filled.
fn powers_of_tau() -> Vec<u8> {
    let mut rng = ChaCha20Rng::seed_from_u64(1);
    let [tau, alpha, beta] = [(); 3].map(|()| Fr::rand(&mut rng));
    let powers: Vec<Fr> = std::iter::successors(Some(Fr::from(1u8)), |power| Some(*power * tau))
        .take((2 << POWER) - 1)
        .collect();
    let (first, lagrange) = (&powers[..1 << POWER], lagrange(POWER, tau));
    let times = |scalars: &[Fr], factor: Fr| -> Vec<Fr> {
        scalars.iter().map(|scalar| *scalar * factor).collect()
    };
    let g1 = |scalars: &[Fr]| points(&G1Projective::generator().batch_mul(scalars), g1_bytes);
    let g2 = |scalars: &[Fr]| points(&G2Projective::generator().batch_mul(scalars), g2_bytes);
    // The domains of 1, 2, 4 … points one after another: those below are left out.
    let below = (1 << POWER) - 1;
    let after = |left_out: usize, points: Vec<u8>| [vec![0; left_out], points].concat();
    let header = [
        &32u32.to_le_bytes()[..],
        &Fq::MODULUS.to_bytes_le(),
        &POWER.to_le_bytes(),
        &POWER.to_le_bytes(),
    ];
    let sections = [
        (1, header.concat()),
        (2, g1(&powers)),
        (3, g2(first)),
        (4, g1(&times(first, alpha))),
        (5, g1(&times(first, beta))),
        (6, g2(&[beta])),
        (7, 0u32.to_le_bytes().to_vec()),
        (
            12,
            after(
                64 * below,
                [g1(&lagrange), g1(&self::lagrange(POWER + 1, tau))].concat(),
            ),
        ),
        (13, after(128 * below, g2(&lagrange))),
        (14, after(64 * below, g1(&times(&lagrange, alpha)))),
        (15, after(64 * below, g1(&times(&lagrange, beta)))),
    ];
    let mut file = b"ptau\x01\0\0\0".to_vec();
    file.extend((sections.len() as u32).to_le_bytes());
    for (id, section) in sections {
        file.extend(u32::to_le_bytes(id));
        file.extend((section.len() as u64).to_le_bytes());
        file.extend(section);
    }
    file
}

/// The values at `tau` of the Lagrange polynomials of the domain of 2^power: with its root w and size n, that of number i
/// is (τ^n − 1) w^i ÷ (n (τ − w^i)).
fn lagrange(power: u32, tau: Fr) -> Vec<Fr> {
    let size = 1u64 << power;
    let root = Fr::get_root_of_unity(size).unwrap();
    let scale = (tau.pow([size]) - Fr::from(1u8)) / Fr::from(size);
    std::iter::successors(Some(Fr::from(1u8)), |element| Some(*element * root))
        .take(size as usize)
        .map(|element| scale * element / (tau - element))
        .collect()
}

fn points<P>(points: &[P], bytes: fn(&P) -> Vec<u8>) -> Vec<u8> {
    points.iter().flat_map(bytes).collect()
}

fn g1_bytes(point: &G1Affine) -> Vec<u8> {
    let (x, y) = point.xy().unwrap_or((Fq::zero(), Fq::zero()));
    [x, y].iter().flat_map(montgomery).collect()
}

fn g2_bytes(point: &G2Affine) -> Vec<u8> {
    let (x, y) = point.xy().unwrap_or((Fq2::zero(), Fq2::zero()));
    [x.c0, x.c1, y.c0, y.c1]
        .iter()
        .flat_map(montgomery)
        .collect()
}

/// A coordinate in Montgomery form, little-endian.
fn montgomery(coordinate: &Fq) -> Vec<u8> {
    coordinate
        .0
         .0
        .iter()
        .flat_map(|limb| limb.to_le_bytes())
        .collect()
}
