mod account;
mod golden;
mod history;
mod parse;
mod value;
