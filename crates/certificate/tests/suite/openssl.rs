//! The command that makers use.

use std::path::Path;
use std::process::Command;
use tempfile::TempDir;

/// A directory with a CA's key `ca.key` and certificate `ca.pem`, and a device's public key `device.pub`.
pub struct Pki(TempDir);

impl Pki {
    pub fn new() -> Self {
        let pki = Self(TempDir::new().expect("directory"));
        pki.key("ca");
        pki.key("device");
        pki.run("req -x509 -new -key ca.key -sha256 -days 30 -subj /CN=CA -out ca.pem");
        pki.run("pkey -in device.key -pubout -out device.pub");
        pki
    }

    pub fn path(&self) -> &Path {
        self.0.path()
    }

    /// Makes `name.key`, a new P-256 key.
    pub fn key(&self, name: &str) {
        self.run(&format!(
            "ecparam -name prime256v1 -genkey -noout -out {name}.key"
        ));
    }

    /// The certificate, in DER, of the device's key with these extensions and further options, which replace those given
    /// here.
    pub fn certificate(&self, extensions: &[&str], options: &str) -> Vec<u8> {
        let serial = if options.contains("-set_serial") {
            ""
        } else {
            "-set_serial 7"
        };
        std::fs::write(self.path().join("device.ext"), extensions.join("\n")).expect("extensions");
        self.run(&format!(
            "x509 -new -force_pubkey device.pub -subj /CN=device -CA ca.pem -CAkey ca.key {serial} -days 30 \
             -sha256 -extfile device.ext -outform DER -out device.der {options}"
        ));
        std::fs::read(self.path().join("device.der")).expect("certificate")
    }

    /// Runs openssl with these arguments, and returns what it prints.
    pub fn run(&self, arguments: &str) -> String {
        let output = Command::new("openssl")
            .args(arguments.split(' ').filter(|argument| !argument.is_empty()))
            .current_dir(self.path())
            .output()
            .expect("these tests need the openssl command: install it");
        assert!(
            output.status.success(),
            "openssl {arguments}: {}",
            String::from_utf8_lossy(&output.stderr)
        );
        String::from_utf8(output.stdout).expect("text")
    }
}
