use super::openssl::Pki;
use certificate::{r_and_s, Certificate, CertificateError as E, Tbs};
use proptest::collection::vec;
use proptest::prelude::*;

/// An element with its length in DER's form.
fn element(tag: u8, content: &[u8]) -> Vec<u8> {
    let len = content.len();
    let head = match len {
        0..=0x7f => vec![tag, len as u8],
        0x80..=0xff => vec![tag, 0x81, len as u8],
        _ => vec![tag, 0x82, (len >> 8) as u8, len as u8],
    };
    [&head, content].concat()
}

/// The parts of a TBSCertificate, each to be changed on its own.
struct Parts {
    version: Vec<u8>,
    serial: Vec<u8>,
    algorithm: Vec<u8>,
    issuer: Vec<u8>,
    validity: Vec<u8>,
    subject: Vec<u8>,
    key: Vec<u8>,
    rest: Vec<u8>,
}

fn time(text: &str) -> Vec<u8> {
    element(if text.len() == 13 { 0x17 } else { 0x18 }, text.as_bytes())
}

fn validity(from: &str, to: &str) -> Vec<u8> {
    element(0x30, &[time(from), time(to)].concat())
}

fn public_key(point: &[u8]) -> Vec<u8> {
    let algorithm = element(
        0x30,
        &[
            element(6, &[0x2a, 0x86, 0x48, 0xce, 0x3d, 2, 1]),
            element(6, &[0x2a, 0x86, 0x48, 0xce, 0x3d, 3, 1, 7]),
        ]
        .concat(),
    );
    let bits = element(3, &[&[0], point].concat());
    element(0x30, &[algorithm, bits].concat())
}

fn extensions(each: &[Vec<u8>]) -> Vec<u8> {
    element(0xa3, &element(0x30, &each.concat()))
}

fn extension(id: u8, critical: Option<u8>, value: &[u8]) -> Vec<u8> {
    let mut content = element(6, &[0x55, 0x1d, id]);
    if let Some(critical) = critical {
        content.extend(element(1, &[critical]));
    }
    content.extend(element(4, value));
    element(0x30, &content)
}

impl Parts {
    fn new() -> Self {
        Self {
            version: element(0xa0, &element(2, &[2])),
            serial: element(2, &[1]),
            algorithm: element(0x30, &element(6, &[0x2a, 0x86, 0x48, 0xce, 0x3d, 4, 3, 2])),
            // Names are not looked at.
            issuer: element(0x30, &[0; 20]),
            validity: validity("700101000000Z", "20500101000000Z"),
            subject: element(0x30, &[]),
            key: public_key(&[[2].as_slice(), &[9; 32]].concat()),
            rest: Vec::new(),
        }
    }

    fn tbs(&self) -> Vec<u8> {
        let content = [
            self.version.as_slice(),
            &self.serial,
            &self.algorithm,
            &self.issuer,
            &self.validity,
            &self.subject,
            &self.key,
            &self.rest,
        ]
        .concat();
        element(0x30, &content)
    }
}

#[track_caller]
fn refused(change: impl FnOnce(&mut Parts), error: E) {
    let mut parts = Parts::new();
    change(&mut parts);
    assert_eq!(Tbs::parse(&parts.tbs()), Err(error));
}

#[test]
fn fields_have_one_form() {
    let tbs = Parts::new().tbs();
    let parsed = Tbs::parse(&tbs).expect("well-formed");
    assert_eq!((parsed.not_before, parsed.not_after), (0, 2_524_608_000));
    assert_eq!(parsed.key, [[2].as_slice(), &[9; 32]].concat()[..]);

    refused(|p| p.version.clear(), E::Version);
    refused(|p| p.version = element(0xa0, &element(2, &[1])), E::Version);
    refused(
        |p| p.version = element(0xa0, &element(2, &[0, 2])),
        E::Version,
    );
    for serial in [
        &[][..],
        &[0],
        &[0x80],
        &[0xff, 1],
        &[0, 1],
        &[1; 21],
        &[0, 0x80, 0x80],
    ] {
        let bad = serial != [0, 0x80, 0x80];
        let mut parts = Parts::new();
        parts.serial = element(2, serial);
        let tbs = parts.tbs();
        assert_eq!(
            Tbs::parse(&tbs).map(|tbs| tbs.number()),
            if bad { Err(E::Serial) } else { Ok(Ok(0x8080)) }
        );
    }
    refused(|p| p.algorithm = element(0x30, &[5, 0]), E::Algorithm);
    refused(|p| p.issuer.clear(), E::Truncated);
    refused(|p| p.issuer = element(0x31, &[]), E::Unexpected);
    refused(|p| p.subject = element(0x31, &[]), E::Unexpected);
    refused(|p| p.key = public_key(&[4; 64]), E::Key);
    refused(|p| p.key = public_key(&[5; 65]), E::Key);
    refused(|p| p.key = public_key(&[4; 33]), E::Key);
    refused(|p| p.key = element(0x30, &[]), E::Truncated);
    // Unique identifiers, and bytes behind the extensions.
    refused(|p| p.rest = element(0x81, &[0, 1]), E::Unexpected);
    refused(
        |p| p.rest = [extensions(&[]), element(5, &[])].concat(),
        E::Trailing,
    );
}

#[test]
fn lengths_have_one_form() {
    let tbs = Parts::new().tbs();
    // Longer than needed, indefinite, and of three bytes.
    assert_eq!(tbs[1], 0x81);
    for head in [
        &[0x30, 0x82, 0, tbs[2]][..],
        &[0x30, 0x80],
        &[0x30, 0x83, 0, 0, tbs[2]],
        &[0x3f, 0x81, tbs[2]],
    ] {
        let other = [head, &tbs[3..]].concat();
        assert_eq!(Tbs::parse(&other), Err(E::NotDer));
    }
    refused(|p| p.issuer = vec![0x30, 0x81, 0], E::NotDer);
    assert_eq!(Tbs::parse(&[&tbs[..], &[0]].concat()), Err(E::Trailing));
    for len in 0..tbs.len() {
        assert_eq!(Tbs::parse(&tbs[..len]), Err(E::Truncated));
    }
}

#[test]
fn times_have_one_form() {
    let end = "20500101000000Z";
    let at = |text: &str| {
        let mut parts = Parts::new();
        parts.validity = validity(text, end);
        let tbs = parts.tbs();
        Tbs::parse(&tbs).map(|tbs| tbs.not_before)
    };
    assert_eq!(at("500101000000Z"), Ok(-631_152_000));
    assert_eq!(at("691231235959Z"), Ok(-1));
    assert_eq!(at("000229120000Z"), Ok(951_825_600));
    assert_eq!(at("491231235959Z"), Ok(2_524_607_999));
    assert_eq!(at("20510301000000Z"), Ok(2_561_241_600));
    assert_eq!(at("99991231235959Z"), Ok(253_402_300_799));
    for bad in [
        "20491231235959Z", // Due as UTCTime
        "20131202000000Z",
        "131302000000Z",
        "130002000000Z",
        "130230000000Z",
        "130229000000Z",
        "21000229000000Z",
        "130431000000Z",
        "130400000000Z",
        "130401240000Z",
        "130401006000Z",
        "130401000060Z",
        "1304010000000",
        "13040100000:Z",
        "1304010000Z",
        "1304010000000Z",
        "20510301000000.5Z",
        "",
    ] {
        assert_eq!(at(bad), Err(E::Time), "{bad}");
    }
    refused(|p| p.validity = element(0x30, &time(end)), E::Truncated);
    refused(
        |p| p.validity = element(0x30, &[time(end), time(end), time(end)].concat()),
        E::Trailing,
    );
}

#[test]
fn extensions_have_one_form() {
    let refused = |each: &[Vec<u8>], error| refused(|p| p.rest = extensions(each), error);
    let constraints = |value: &[u8]| extension(19, None, &element(0x30, value));
    let usage = |value: &[u8]| extension(15, None, &element(3, value));
    // Twice; FALSE written out; TRUE in BER.
    refused(&[constraints(&[]), constraints(&[])], E::Extension);
    refused(&[usage(&[7, 0x80]), usage(&[7, 0x80])], E::Extension);
    refused(&[constraints(&[1, 1, 0])], E::Extension);
    refused(&[constraints(&[1, 1, 1])], E::Extension);
    refused(&[extension(1, Some(0), &[])], E::NotDer);
    refused(&[extension(1, Some(1), &[])], E::NotDer);
    refused(&[extension(1, Some(0xff), &[])], E::CriticalExtension);
    // Lengths of paths.
    refused(&[constraints(&[1, 1, 0xff, 2, 1, 0x80])], E::Extension);
    refused(&[constraints(&[1, 1, 0xff, 2, 2, 0, 1])], E::Extension);
    refused(&[constraints(&[1, 1, 0xff, 2, 1, 0, 5, 0])], E::Trailing);
    refused(&[extension(19, None, &[])], E::Truncated);
    // Bits.
    for bad in [&[][..], &[7], &[8, 0x80], &[0, 0x80], &[7, 0xc0], &[0, 0]] {
        refused(&[usage(bad)], E::Extension);
    }
    refused(&[usage(&[0, 1, 1, 1])], E::Extension);
    refused(&[element(0x30, &element(6, &[1]))], E::Truncated);
    refused(&[element(0x31, &[])], E::Unexpected);
}

#[test]
fn signatures_have_one_form() {
    let signature =
        |r: &[u8], s: &[u8]| r_and_s(&element(0x30, &[element(2, r), element(2, s)].concat()));
    let high = [&[0], [0xff; 32].as_slice()].concat();
    let mut expected = [0xff; 64];
    expected[..32].fill(0);
    expected[31] = 5;
    assert_eq!(signature(&[5], &high), Ok(expected));
    for bad in [&[][..], &[0], &[0x80], &[0, 5], &[1; 33]] {
        assert_eq!(signature(bad, &[1]), Err(E::Signature));
        assert_eq!(signature(&[1], bad), Err(E::Signature));
    }
    let one = element(2, &[1]);
    assert_eq!(r_and_s(&element(0x30, &one)), Err(E::Truncated));
    let three = [&one[..], &one, &one].concat();
    assert_eq!(r_and_s(&element(0x30, &three)), Err(E::Trailing));
}

proptest! {
    #[test]
    fn no_bytes_panic(bytes in vec(any::<u8>(), 0..512)) {
        let _ = Tbs::parse(&bytes);
        let _ = Certificate::parse(&bytes);
        let _ = r_and_s(&bytes);
    }

    /// Deep inside, where arbitrary bytes seldom come.
    #[test]
    fn no_changed_certificate_panics(place in any::<prop::sample::Index>(), bytes in vec(any::<u8>(), 0..8)) {
        let mut tbs = Parts::new();
        tbs.rest = extensions(&[extension(15, Some(0xff), &[3, 2, 7, 0x80]), extension(19, None, &[0x30, 0])]);
        let mut tbs = tbs.tbs();
        let start = place.index(tbs.len());
        for (old, new) in tbs[start..].iter_mut().zip(bytes) {
            *old = new;
        }
        let signature = [0, 0x30, 6, 2, 1, 1, 2, 1, 1];
        let whole = element(0x30, &[tbs.clone(), Parts::new().algorithm, element(3, &signature)].concat());
        let _ = Tbs::parse(&tbs);
        if let Ok(whole) = Certificate::parse(&whole) {
            prop_assert_eq!(Tbs::parse(whole.signed), Ok(whole.tbs));
        }
    }
}

#[test]
fn every_cut_and_every_addition_is_refused() {
    let der = Pki::new().certificate(&["basicConstraints=CA:FALSE"], "");
    for len in 0..der.len() {
        assert_eq!(Certificate::parse(&der[..len]), Err(E::Truncated));
    }
    let longer = [&der[..], &[0]].concat();
    assert_eq!(Certificate::parse(&longer), Err(E::Trailing));
}
