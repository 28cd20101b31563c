//! Whole flows and attacks, on the compiled programs.

mod suite {
    mod ai_feed;
    mod availability;
    mod certificates;
    mod cli;
    mod conservation;
    mod credits;
    mod data_commitment;
    mod device_registry;
    mod economics;
    mod faults;
    mod history;
    mod kill;
    mod live;
    mod migrations;
    mod mqtt;
    mod nfts;
    mod optimistic;
    mod proxy;
    mod registry_leaves;
    mod reports;
    mod reward_emission;
    mod roots;
    mod security_pool;
    mod slashing;
    mod worker;
}
