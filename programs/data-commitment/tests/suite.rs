//! The stream's layout, and what its methods refuse.

mod suite {
    mod layout;
    mod stream;
}
