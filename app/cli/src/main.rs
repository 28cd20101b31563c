//! `fieldproof`: for device owners, makers, consumers of feeds, operators and authorities.

mod answer;
mod archive;
mod commands;
mod context;
mod files;
mod leaves;
mod output;
mod tokens;

use clap::{Parser, Subcommand, ValueEnum};
use commands::{
    batch, bond, challenge, claim, credits, device, feed, keys, load, maker, network, payee, pool,
    reclaim, register, report, send, status, stream, verify, voucher,
};
use fieldproof_client::chain::PriorityFee;
use std::path::PathBuf;

/// Device keys, registration, readings, feeds and rewards.
#[derive(Parser)]
#[command(name = "fieldproof", version)]
struct Arguments {
    #[command(flatten)]
    global: Global,
    #[command(subcommand)]
    command: Command,
}

/// Options of every command.
#[derive(clap::Args)]
struct Global {
    /// RPC address, or moniker: mainnet-beta, testnet, devnet, localhost (first letters do)
    #[arg(
        short,
        long,
        global = true,
        value_name = "URL_OR_MONIKER",
        env = "FIELDPROOF_URL",
        default_value = "localhost"
    )]
    url: String,
    /// Your keypair: owns devices, pays fees
    #[arg(
        short,
        long,
        global = true,
        value_name = "KEYPAIR",
        env = "FIELDPROOF_KEYPAIR"
    )]
    keypair: Option<PathBuf>,
    /// Address of the network
    #[arg(
        short,
        long,
        global = true,
        value_name = "ADDRESS",
        env = "FIELDPROOF_NETWORK"
    )]
    network: Option<String>,
    /// Offer this for priority: micro-lamports a compute unit (1000), or a percentile of what others paid lately and the
    /// most to offer (75%:50000)
    #[arg(
        long,
        global = true,
        value_name = "FEE",
        env = "FIELDPROOF_PRIORITY_FEE",
        default_value = "0"
    )]
    priority_fee: PriorityFee,
    /// How to print
    #[arg(long, global = true, value_enum, default_value_t = Format::Display)]
    output: Format,
}

/// How to print.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// For people
    Display,
    /// For scripts
    Json,
}

#[derive(Subcommand)]
enum Command {
    /// Make and show device keys
    #[command(subcommand)]
    Keys(keys::Command),
    /// Vouch for a device, as its maker
    Voucher(voucher::Arguments),
    /// Register many devices at once, as their maker
    Batch(batch::Arguments),
    /// Set up a maker's certificates: root and issuers
    #[command(subcommand)]
    Maker(maker::Command),
    /// Register a device with its maker's voucher or certificate
    Register(register::Arguments),
    /// Show a registered device, prove it, pass it on, say where it stands
    #[command(subcommand)]
    Device(device::Command),
    /// Report a device or a maker, for the bounty
    #[command(subcommand)]
    Report(report::Command),
    /// Ask operators for readings that they committed to, and settle what they don't show
    #[command(subcommand)]
    Challenge(challenge::Command),
    /// Sign a reading with a device's key and send it to a worker
    Send(send::Arguments),
    /// Drive a worker with thousands of devices
    #[command(subcommand)]
    Load(load::Command),
    /// Show a network, and a worker
    Status(status::Arguments),
    /// Read a feed, and govern it as its authority
    Feed(feed::Arguments),
    /// Recompute what the chain says from what devices signed
    #[command(subcommand)]
    Verify(verify::Command),
    /// Claim rewards
    Claim(claim::Arguments),
    /// Take back the rent that you paid for what is over, and bounties that an epoch's cap has kept
    Reclaim(reclaim::Arguments),
    /// Put up a bond for devices, and take it back
    #[command(subcommand)]
    Bond(bond::Command),
    /// Buy credits with tokens, and spend them on feeds
    #[command(subcommand)]
    Credits(credits::Command),
    /// Make a pool of stake, delegate to it, have it stand behind a network
    #[command(subcommand)]
    Pool(pool::Command),
    /// Open an operator's stream
    #[command(subcommand)]
    Stream(stream::Command),
    /// Say where rewards go, an owner's or an operator's
    #[command(subcommand)]
    Payee(payee::Command),
    /// Show a network, and govern it as its authority
    #[command(subcommand)]
    Network(network::Command),
}

fn main() {
    let Arguments { global, command } = Arguments::parse();
    let context = context::Context::new(global);
    let done = match command {
        Command::Keys(command) => keys::run(&context, command),
        Command::Voucher(arguments) => voucher::run(&context, arguments),
        Command::Batch(arguments) => batch::run(&context, arguments),
        Command::Maker(command) => maker::run(&context, command),
        Command::Register(arguments) => register::run(&context, arguments),
        Command::Device(command) => device::run(&context, command),
        Command::Report(command) => report::run(&context, command),
        Command::Challenge(command) => challenge::run(&context, command),
        Command::Send(arguments) => send::run(&context, arguments),
        Command::Load(command) => load::run(&context, command),
        Command::Status(arguments) => status::run(&context, arguments),
        Command::Feed(arguments) => feed::run(&context, arguments),
        Command::Verify(command) => verify::run(&context, command),
        Command::Claim(arguments) => claim::run(&context, arguments),
        Command::Reclaim(arguments) => reclaim::run(&context, arguments),
        Command::Bond(command) => bond::run(&context, command),
        Command::Credits(command) => credits::run(&context, command),
        Command::Pool(command) => pool::run(&context, command),
        Command::Stream(command) => stream::run(&context, command),
        Command::Payee(command) => payee::run(&context, command),
        Command::Network(command) => network::run(&context, command),
    };
    if let Err(error) = done {
        context.fail(&error);
        std::process::exit(1);
    }
}
