//! The accounts' layouts, and properties of shares, rosters and quorums.

mod suite {
    mod layout;
    mod pool;
    mod pot;
    mod roster;
}
