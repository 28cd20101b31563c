//! Certificates, and signatures as openssl writes them. Input: either, in DER, or a certificate's file, which may be PEM.
#![no_main]

use certificate::{r_and_s, Certificate, Tbs};
use fieldproof_client::certificate::CertificateFile;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let _ = r_and_s(data);
    let _ = Tbs::parse(data);
    let _ = CertificateFile::read(data);
    if let Ok(certificate) = Certificate::parse(data) {
        // The program reads the signed part alone, and sees the same.
        assert_eq!(Tbs::parse(certificate.signed), Ok(certificate.tbs));
        assert!(!(certificate.tbs.may_issue() && certificate.tbs.may_sign()));
        // DER has one form: nothing may follow, nothing may lack.
        assert!(Certificate::parse(&[data, &[0]].concat()).is_err());
        assert!(Certificate::parse(&data[..data.len() - 1]).is_err());
    }
});
