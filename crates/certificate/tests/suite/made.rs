use super::openssl::Pki;
use certificate::{r_and_s, Certificate, CertificateError as E, Tbs};
use p256::ecdsa::signature::Verifier;
use p256::ecdsa::{Signature, VerifyingKey};

const DEVICE: [&str; 2] = [
    "basicConstraints=critical,CA:FALSE",
    "keyUsage=critical,digitalSignature",
];
const CA: [&str; 2] = [
    "basicConstraints=critical,CA:TRUE,pathlen:0",
    "keyUsage=critical,keyCertSign,cRLSign",
];

/// Unix seconds of a date as openssl prints it, by the system's `date`.
fn unix(date: &str) -> i64 {
    let output = std::process::Command::new("date")
        .args(["-u", "+%s", "-d", date])
        .output()
        .expect("the date command");
    String::from_utf8(output.stdout)
        .expect("text")
        .trim()
        .parse()
        .expect("seconds")
}

#[test]
fn reads_what_openssl_says() {
    let pki = Pki::new();
    let der = pki.certificate(&DEVICE, "");
    let certificate = Certificate::parse(&der).expect("certificate");
    let tbs = certificate.tbs;
    assert_eq!(tbs.serial, [7]);
    assert_eq!(tbs.number(), Ok(7));
    assert!(!tbs.ca && tbs.may_sign() && !tbs.may_issue());
    assert_eq!(Tbs::parse(certificate.signed), Ok(tbs));

    let dates = pki.run("x509 -in device.der -inform DER -noout -dates");
    let date = |name: &str| {
        let line = dates.lines().find_map(|line| line.strip_prefix(name));
        unix(line.expect("date"))
    };
    assert_eq!(tbs.not_before, date("notBefore="));
    assert_eq!(tbs.not_after, date("notAfter="));
    assert_eq!(tbs.not_after - tbs.not_before, 30 * 86_400);
    assert!(tbs.is_valid_at(tbs.not_before) && tbs.is_valid_at(tbs.not_after));
    assert!(!tbs.is_valid_at(tbs.not_before - 1) && !tbs.is_valid_at(tbs.not_after + 1));

    // The key, as openssl compresses it: the last 33 bytes of its DER.
    pki.run(
        "pkey -pubin -in device.pub -ec_conv_form compressed -pubout -outform DER -out key.der",
    );
    let key = std::fs::read(pki.path().join("key.der")).expect("key");
    assert_eq!(key[key.len() - 33..], tbs.key);
}

#[test]
fn the_signature_is_the_issuers_over_the_signed_bytes() {
    let pki = Pki::new();
    pki.run("x509 -in ca.pem -outform DER -out ca.der");
    let root = std::fs::read(pki.path().join("ca.der")).expect("certificate");
    let root = Certificate::parse(&root).expect("certificate");
    assert!(root.tbs.may_issue() && !root.tbs.may_sign());
    // By default openssl draws 20 random bytes.
    assert!(root.tbs.serial.len() > 8);
    assert_eq!(root.tbs.number(), Err(E::SerialTooLarge));
    let key = VerifyingKey::from_sec1_bytes(&root.tbs.key).expect("key");
    // Enough for integers that DER shortens and lengthens, most likely.
    for _ in 0..16 {
        let der = pki.certificate(&DEVICE, "");
        let certificate = Certificate::parse(&der).expect("certificate");
        let signature = Signature::from_slice(&certificate.signature).expect("signature");
        key.verify(certificate.signed, &signature).expect("signed");
    }
    std::fs::write(pki.path().join("message"), "message").expect("message");
    pki.run("dgst -sha256 -sign ca.key -out signature message");
    let signature = std::fs::read(pki.path().join("signature")).expect("signature");
    let signature = r_and_s(&signature).expect("integers");
    key.verify(
        b"message",
        &Signature::from_slice(&signature).expect("signature"),
    )
    .expect("signed");
}

#[test]
fn reads_a_compressed_key_and_large_serials() {
    let pki = Pki::new();
    let plain = pki.certificate(&DEVICE, "");
    let plain = Certificate::parse(&plain).expect("certificate");
    pki.run("pkey -in device.key -ec_conv_form compressed -pubout -out device.pub");
    let der = pki.certificate(&DEVICE, "-set_serial 18446744073709551615");
    let certificate = Certificate::parse(&der).expect("certificate");
    assert!(certificate.signed.len() < plain.signed.len());
    assert_eq!(certificate.tbs.key, plain.tbs.key);
    assert_eq!(certificate.tbs.number(), Ok(u64::MAX));
    let der = pki.certificate(&DEVICE, "-set_serial 18446744073709551616");
    let certificate = Certificate::parse(&der).expect("certificate");
    assert_eq!(certificate.tbs.number(), Err(E::SerialTooLarge));
}

#[test]
fn usage_follows_from_the_extensions() {
    let pki = Pki::new();
    let usage = |extensions: &[&str]| {
        let der = pki.certificate(extensions, "");
        let tbs = Certificate::parse(&der).expect("certificate").tbs;
        (tbs.may_issue(), tbs.may_sign())
    };
    assert_eq!(usage(&DEVICE), (false, true));
    assert_eq!(usage(&CA), (true, false));
    assert_eq!(usage(&["basicConstraints=CA:TRUE"]), (true, false));
    assert_eq!(usage(&["basicConstraints=CA:FALSE"]), (false, true));
    // No CA unless it says so; other extensions are let be.
    assert_eq!(
        usage(&[
            "subjectAltName=DNS:a.example",
            "extendedKeyUsage=clientAuth"
        ]),
        (false, true)
    );
    let signs = "keyUsage=digitalSignature";
    assert_eq!(usage(&["basicConstraints=CA:TRUE", signs]), (false, false));
    assert_eq!(usage(&["keyUsage=keyAgreement"]), (false, false));
    assert_eq!(usage(&["keyUsage=keyCertSign"]), (false, false));
    assert_eq!(
        usage(&["keyUsage=decipherOnly,keyAgreement"]),
        (false, false)
    );
}

#[test]
fn refuses_what_it_does_not_understand() {
    let pki = Pki::new();
    let refused = |extensions: &[&str], options: &str, error: E| {
        let der = pki.certificate(extensions, options);
        assert_eq!(Certificate::parse(&der), Err(error), "{extensions:?}");
    };
    refused(
        &["subjectAltName=critical,DNS:a.example"],
        "",
        E::CriticalExtension,
    );
    refused(
        &["extendedKeyUsage=critical,clientAuth"],
        "",
        E::CriticalExtension,
    );
    refused(&DEVICE, "-sha384", E::Algorithm);
    // Keys of other kinds, as subject and as issuer.
    pki.run("genpkey -algorithm ED25519 -out other.key");
    pki.run("pkey -in other.key -pubout -out other.pub");
    refused(&DEVICE, "-force_pubkey other.pub", E::Key);
    pki.run("ecparam -name secp384r1 -genkey -noout -out other.key");
    pki.run("pkey -in other.key -pubout -out other.pub");
    refused(&DEVICE, "-force_pubkey other.pub", E::Key);
    pki.run("ecparam -name secp256k1 -genkey -noout -out other.key");
    pki.run("pkey -in other.key -pubout -out other.pub");
    refused(&DEVICE, "-force_pubkey other.pub", E::Key);
    pki.run("genrsa -out rsa.key 2048");
    pki.run("req -x509 -new -key rsa.key -sha256 -days 30 -subj /CN=CA -out rsa.pem");
    refused(&DEVICE, "-CA rsa.pem -CAkey rsa.key", E::Algorithm);
}
