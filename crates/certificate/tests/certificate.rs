//! Certificates that openssl makes, and bytes that nobody makes.

mod suite {
    mod bytes;
    mod made;
    mod openssl;
}
