//! Keys for development: **insecure**, since what they are made of is public.

use std::{
    env,
    fs::{self, File},
    path::{Path, PathBuf},
    time::Duration,
};

use ark_bn254::Bn254;
use ark_groth16::Groth16;
use indicatif::ProgressBar;
use rand::SeedableRng;
use rand_chacha::ChaCha20Rng;

use crate::{
    key::{KeyError, ProvingKey},
    prover::constraints,
    reduction::CircomReduction,
};

/// What the set-up draws from. Whoever knows it, which is everyone, can prove anything with the keys.
const SEED: [u8; 32] = *b"insecure: everyone can see this.";

/// The capacities with a key, and the SHA-256 of its file. Another circuit has other keys.
const KEYS: [(usize, &str); 4] = [
    (
        1,
        "96e2606f0f21ca7d712fe6d2f5e965f7e6630aa58fca788c9cb50963121e7275",
    ),
    (
        8,
        "ac0a0a193737932712efafc3407f0ed5548102886d22833737eb75ae2c52e3ca",
    ),
    (
        16,
        "0192f565afbfddcef5896fc5be94fb48e9449b7a8983146dc57f96826e4e966c",
    ),
    (
        32,
        "fbe7dd4dfd975e46d83ca9ef6930f79d6c4e1284bd9a208d8f8b83257ad05f46",
    ),
];

/// The key for up to `capacity` windows, from the cache; if it isn't there or isn't right, it is made.
pub fn key(capacity: usize) -> Result<ProvingKey, KeyError> {
    let (_, sha256) = KEYS
        .iter()
        .find(|(windows, _)| *windows == capacity)
        .ok_or(KeyError::NoDevelopment(capacity))?;
    let mut expected = [0; 32];
    hex::decode_to_slice(sha256, &mut expected).map_err(|_| KeyError::Layout)?;
    let dir = cache()?;
    let path = dir.join(format!(
        "insecure-development-{capacity}-{}.key",
        &sha256[..16]
    ));

    // Another process may be making the same key.
    fs::create_dir_all(&dir).map_err(|error| KeyError::Io(dir.clone(), error))?;
    let lock = dir.join("lock");
    let _lock = File::create(&lock)
        .and_then(|file| file.lock().map(|()| file))
        .map_err(|error| KeyError::Io(lock, error))?;
    match ProvingKey::read(&path, &expected) {
        Err(KeyError::Io(..) | KeyError::Hash { .. }) => make(capacity, &path, &expected),
        read => read,
    }
}

fn make(capacity: usize, path: &Path, expected: &[u8; 32]) -> Result<ProvingKey, KeyError> {
    let bar = ProgressBar::new_spinner();
    bar.enable_steady_tick(Duration::from_millis(100));
    bar.set_message(format!(
        "Making the insecure development key for {capacity} windows"
    ));
    let key = ProvingKey::insecure(capacity)?;
    bar.set_message(format!("Writing {}", path.display()));
    let found = key.write(path)?;
    bar.finish_and_clear();
    if found != *expected {
        return Err(KeyError::Circuit {
            capacity,
            found: hex::encode(found),
        });
    }
    Ok(key)
}

impl ProvingKey {
    /// The **insecure** development key for up to `capacity` windows (1, 2, 4, 8, 16 or 32), made anew: always the same.
    ///
    /// # Errors
    /// [`KeyError::Capacity`].
    pub fn insecure(capacity: usize) -> Result<Self, KeyError> {
        let constraints = constraints(capacity)?;
        let points = Groth16::<Bn254, CircomReduction>::generate_random_parameters_with_reduction(
            &constraints,
            &mut ChaCha20Rng::from_seed(SEED),
        )?;
        Ok(Self { capacity, points })
    }
}

/// Where keys are kept: `fieldproof` in the user's cache directory.
fn cache() -> Result<PathBuf, KeyError> {
    let absolute = |name| {
        env::var_os(name)
            .map(PathBuf::from)
            .filter(|dir| dir.is_absolute())
    };
    let cache = absolute("XDG_CACHE_HOME").or_else(|| Some(absolute("HOME")?.join(".cache")));
    Ok(cache.ok_or(KeyError::NoCache)?.join("fieldproof"))
}
