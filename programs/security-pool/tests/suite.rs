//! The accounts' layouts, and properties of shares, rosters, quorums, slashes and bonds; the crate by which others slash.

mod suite {
    mod bond;
    mod cpi;
    mod layout;
    mod pool;
    mod pot;
    mod roster;
    mod slash;
}
