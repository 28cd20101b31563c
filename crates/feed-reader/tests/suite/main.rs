mod account;
mod anchor;
mod cpi;
mod golden;
mod history;
mod parse;
mod value;
mod vectors;
