//! Certificates by the commands of docs/makers.md, for which the `openssl` command must be installed.

use device_protocol::{DeviceKey, Hash, RootGrant};
use fieldproof_client::certificate::{public_key_pem, read_signature, CertificateFile};
use std::path::Path;
use std::process::Command;
use tempfile::TempDir;

/// What a maker is told to do.
pub const GUIDE: &str = include_str!("../../docs/makers.md");

/// The shell commands of the guide under a heading, those of `fieldproof` left out if `openssl_only`.
pub fn commands(heading: &str, openssl_only: bool) -> String {
    let start = GUIDE.find(&format!("\n## {heading}\n")).expect("heading");
    let section = GUIDE[start + 1..].split("\n## ").next().expect("section");
    section
        .split("```sh\n")
        .skip(1)
        .map(|block| block.split("```").next().expect("block"))
        .filter(|block| !(openssl_only && block.contains("fieldproof")))
        .collect()
}

/// A directory with a maker's root and issuer: `root.key`, `root.pem`, `issuer.key`, `issuer.pem`.
pub struct Pki {
    dir: TempDir,
}

impl Default for Pki {
    fn default() -> Self {
        Self::new()
    }
}

impl Pki {
    /// A new root and a new issuer under it.
    pub fn new() -> Self {
        let pki = Self {
            dir: TempDir::new().expect("directory"),
        };
        pki.sh(&commands("Root", true));
        pki.sh(&commands("Issuers", true));
        pki
    }

    /// The directory.
    pub fn path(&self) -> &Path {
        self.dir.path()
    }

    /// Runs a shell script in the directory; it must succeed.
    #[track_caller]
    pub fn sh(&self, script: &str) {
        sh(self.path(), script);
    }

    /// The certificate in `name.pem`.
    pub fn read(&self, name: &str) -> CertificateFile {
        let file = self.path().join(format!("{name}.pem"));
        let content = std::fs::read(file).expect("certificate");
        CertificateFile::read(&content).expect("certificate")
    }

    /// A new issuer under the root, which replaces the one before; `change` changes the guide's commands.
    pub fn issue_ca(&self, change: impl FnOnce(String) -> String) -> CertificateFile {
        self.sh(&change(commands("Issuers", true)));
        self.read("issuer")
    }

    /// The issuer's certificate for a device's P-256 key under a number; `change` changes the guide's commands.
    pub fn issue(
        &self,
        key: &DeviceKey,
        number: u64,
        change: impl FnOnce(String) -> String,
    ) -> CertificateFile {
        let pem = public_key_pem(&key.bytes).expect("a P-256 key");
        std::fs::write(self.path().join("device.pub"), pem).expect("public key");
        let script = commands("Devices", true);
        let numbered = script.replace("NUMBER=42", &format!("NUMBER={number}"));
        self.sh(&change(numbered));
        self.read("device")
    }

    /// A signature of bytes by the key in `name.key`.
    pub fn sign(&self, name: &str, message: &[u8]) -> [u8; 64] {
        std::fs::write(self.path().join("message"), message).expect("message");
        self.sh(&format!(
            "openssl dgst -sha256 -sign {name}.key -out signature message"
        ));
        let signature = std::fs::read(self.path().join("signature")).expect("signature");
        read_signature(&signature).expect("signature")
    }

    /// What the root signs for a maker.
    pub fn root_grant(&self, network: Hash, maker: Hash) -> RootGrant {
        RootGrant {
            network,
            maker,
            root: self.read("root").key,
        }
    }
}

/// Runs a shell script in a directory; it must succeed.
#[track_caller]
pub fn sh(directory: &Path, script: &str) {
    let output = Command::new("sh")
        .args(["-e", "-c", script])
        .current_dir(directory)
        .output()
        .expect("a shell");
    assert!(
        output.status.success(),
        "these tests need the openssl command, 3.0 or later: {}",
        String::from_utf8_lossy(&output.stderr)
    );
}
