//! reward-emission: credits, and what it costs to pay with them.

use crate::bench::Bench;
use ::credits::Purpose;
use ai_feed::state::Feed;
use anchor_lang::prelude::Pubkey;
use anchor_spl::token::spl_token;
use anyhow::Result;
use bytemuck::Zeroable;
use device_registry::state::Network;
use fieldproof_client::credits::{self as client, Purchase};
use fieldproof_client::token::{associated, create_associated, TOKEN_PROGRAM};
use reward_emission::state::{Credits, Emission, Epoch, Pricing, Terms};
use solana_signer::Signer;
use tests::oracle::{put_price, terms, DOLLAR};

/// Seconds of an epoch.
const EPOCH: i64 = 86_400;
/// The present epoch.
const PRESENT: u64 = 9;
/// Base units that the buyer has.
const TOKENS: u64 = 1_000_000_000;

/// Measures every instruction about credits.
pub fn measure(bench: &Bench) -> Result<()> {
    let (payer, authority, buyer) = (bench.payer(), bench.key(), bench.key());
    let (network, oracle, feed) = (bench.address(), bench.address(), bench.address());
    let reward_mint = bench.mint()?;
    bench.put(
        &network,
        &Network {
            version: 1,
            authority: authority.pubkey(),
            reward_mint,
            genesis: bench.harness.now() - PRESENT as i64 * EPOCH,
            epoch_length: EPOCH,
            ..Network::zeroed()
        },
    )?;
    bench.put(
        &feed,
        &Feed {
            version: 1,
            network,
            ..Feed::zeroed()
        },
    )?;
    let owner = buyer.pubkey();
    let source = associated(&owner, &reward_mint);
    let mint = spl_token::instruction::mint_to(
        &TOKEN_PROGRAM,
        &reward_mint,
        &source,
        &payer,
        &[],
        TOKENS,
    )?;
    bench.run(
        &[create_associated(&payer, &owner, &reward_mint), mint],
        &[],
    )?;

    let by = authority.pubkey();
    for case in ["the first", "another"] {
        let terms = terms(&oracle, 4, 5);
        let set = client::set_pricing(&payer, &by, &network, &reward_mint, terms);
        bench.measure("set_pricing", case, &[set], &[&authority])?;
    }
    let open = client::open_epoch(&payer, &network, PRESENT);
    bench.measure("open_epoch", "", &[open], &[])?;
    let purchase = Purchase {
        payer,
        network,
        reward_mint,
        oracle,
        owner,
        source,
        buyer: owner,
    };
    for case in ["five oracles; the first", "five oracles"] {
        put_price(&bench.harness, &oracle, [2 * DOLLAR; 5]);
        let buy = client::buy_credits(&purchase, TOKENS / 4, 1);
        bench.measure("buy_credits", case, &[buy], &[&buyer])?;
    }
    let key = client::credits(&network, &owner);
    let (pricing, epoch) = (client::pricing(&network), client::epoch(&network, PRESENT));
    let accounts = [&network, &pricing, &epoch, &key, &owner];
    let spend = ::credits::spend_instruction(accounts, Purpose::Registration, 1);
    bench.measure("spend_credits", "", std::slice::from_ref(&spend), &[&buyer])?;
    bench.edit::<Pricing>(&pricing, |pricing| pricing.next.registration = 0)?;
    bench.measure("spend_credits", "prices of 0", &[spend], &[&buyer])?;
    for case in ["a feed's first in the epoch", "more"] {
        let fund = client::fund_feed(&payer, &owner, &network, PRESENT, &feed, 1_000);
        bench.measure("fund_feed", case, &[fund], &[&buyer])?;
    }
    bench.put(
        &fieldproof_client::reward_emission::emission(&network),
        &Emission {
            version: 1,
            network,
            final_epoch: PRESENT,
            finals: 1,
            ..Emission::zeroed()
        },
    )?;
    let close = client::close_epoch(&network, PRESENT, &payer);
    bench.measure("close_epoch", "", &[close], &[])?;
    let close = client::close_demand(&network, PRESENT, &feed, &payer);
    bench.measure("close_demand", "", &[close], &[])
}

/// Gives an owner credits in a network that charges, whose epoch `present` it is.
pub fn provide(bench: &Bench, network: &Pubkey, owner: &Pubkey, present: u64) -> Result<()> {
    let costs = Terms {
        registration: 1,
        feed: 1,
        ..Terms::zeroed()
    };
    bench.put(
        &client::pricing(network),
        &Pricing {
            version: 1,
            network: *network,
            next: costs,
            ..Pricing::zeroed()
        },
    )?;
    bench.put(
        &client::epoch(network, present),
        &Epoch {
            version: 1,
            network: *network,
            epoch: present,
            ..Epoch::zeroed()
        },
    )?;
    bench.put(
        &client::credits(network, owner),
        &Credits {
            version: 1,
            network: *network,
            owner: *owner,
            balance: TOKENS,
            burned: TOKENS,
            ..Credits::zeroed()
        },
    )
}
