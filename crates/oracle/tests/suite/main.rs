mod account;
mod golden;
mod property;
mod vectors;
