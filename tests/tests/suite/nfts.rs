//! device-registry: devices as NFTs, read as wallets and explorers read them, and the attacks on them.

use anchor_lang::error::ErrorCode;
use anchor_lang::prelude::Pubkey;
use anchor_lang::solana_program::instruction::Instruction;
use anchor_spl::token_2022::spl_token_2022::error::TokenError;
use anchor_spl::token_2022::spl_token_2022::extension::{
    metadata_pointer::MetadataPointer, mint_close_authority::MintCloseAuthority,
    BaseStateWithExtensions, ExtensionType, StateWithExtensions,
};
use anchor_spl::token_2022::spl_token_2022::instruction as token;
use anchor_spl::token_2022::spl_token_2022::state::{Account, AccountState, Mint};
use anchor_spl::token_2022_extensions::spl_token_metadata_interface::state::TokenMetadata;
use device_protocol::{Curve, RegistryLeaf, Status};
use device_registry::change::CHANGE_PRICE;
use device_registry::error::RegistryError as E;
use device_registry::state::{tree, LeafPlace, Operation};
use fieldproof_client::chain::{Chain, Execution};
use fieldproof_client::device_registry::{self as client};
use fieldproof_client::registry_tree::Follower;
use fieldproof_client::token::{associated_2022, TOKEN_2022_PROGRAM};
use fieldproof_client::{transaction, ClientError};
use solana_instruction::error::InstructionError;
use solana_keypair::Keypair;
use solana_signer::Signer;
use solana_transaction_error::TransactionError;
use tests::fixture::{Maker, Network, EVIDENCE_WINDOW};
use tests::{assert_refused, Harness};

/// An H3 cell of resolution 9, and a neighbour.
const CELL: u64 = 0x8928308280fffff;
const NEXT_CELL: u64 = 0x8928308280bffff;
/// What the NFTs' URIs are.
const URI: &str = "https://example.org/devices/1.json";

type Outcome = Result<Execution, ClientError>;

/// A network with a proven device at index 0.
struct World {
    harness: Harness,
    network: Network,
    maker: Maker,
    owner: Keypair,
}

impl World {
    fn new() -> Self {
        let harness = Harness::new();
        let network = Network::new(&harness);
        let maker = network.maker(&harness);
        let owner = harness.key();
        network.device(&harness, &maker, &owner, Curve::P256, CELL);
        // So long ago that it may change hands.
        harness.advance(EVIDENCE_WINDOW);
        Self {
            harness,
            network,
            maker,
            owner,
        }
    }

    /// Whose device 0 is an NFT.
    fn promoted() -> Self {
        let world = Self::new();
        world.promote(&world.owner).expect("promoted");
        world
    }

    /// The leaf at an index, as the tree's events tell it, and its place.
    fn leaf(&self, index: u32) -> (RegistryLeaf, LeafPlace) {
        let chain = &self.harness.chain;
        let mut follower = Follower::new(chain, self.network.tree).expect("tree");
        let tree = follower.catch_up(chain).expect("events");
        let leaf = tree.leaves()[index as usize];
        (leaf, tree.place(index).expect("place"))
    }

    /// Device 0's mint.
    fn mint(&self) -> Pubkey {
        client::nft(&self.network.tree, 0)
    }

    /// A holder's associated account for device 0's NFT.
    fn account(&self, holder: &Pubkey) -> Pubkey {
        associated_2022(holder, &self.mint())
    }

    /// A holder's tokens of device 0.
    fn amount(&self, holder: &Pubkey) -> u64 {
        let account = self.harness.chain.account(&self.account(holder));
        let account = account.expect("chain").expect("token account");
        StateWithExtensions::<Account>::unpack(&account.data)
            .expect("token account")
            .base
            .amount
    }

    fn metadata(&self) -> TokenMetadata {
        let mint = self.harness.chain.account(&self.mint());
        let mint = mint.expect("chain").expect("mint");
        StateWithExtensions::<Mint>::unpack(&mint.data)
            .expect("mint")
            .get_variable_len_extension()
            .expect("metadata")
    }

    fn promotion(&self, leaf: &RegistryLeaf, place: LeafPlace) -> Instruction {
        let payer = Pubkey::new_from_array(leaf.owner);
        let Network { key, tree, .. } = &self.network;
        client::promote_device(&payer, key, tree, leaf, place, URI.to_owned())
    }

    /// The owner pays, as owners do.
    fn promote(&self, owner: &Keypair) -> Outcome {
        let (leaf, place) = self.leaf(0);
        self.send(self.promotion(&leaf, place), owner)
    }

    fn send(&self, instruction: Instruction, signer: &Keypair) -> Outcome {
        transaction::send(&self.harness.chain, &[instruction], signer, &[])
    }

    /// Passes the NFT on.
    fn sell(&self, from: &Keypair, to: &Keypair) {
        let payer = from.pubkey();
        let (mint, source) = (self.mint(), self.account(&payer));
        let destination = self.account(&to.pubkey());
        let open = client_token(&payer, &to.pubkey(), &mint);
        let pass = token::transfer_checked(
            &TOKEN_2022_PROGRAM,
            &source,
            &mint,
            &destination,
            &payer,
            &[],
            1,
            0,
        )
        .expect("instruction");
        transaction::send(&self.harness.chain, &[open, pass], from, &[]).expect("passed on");
    }

    fn binding(&self, holder: &Keypair) -> Instruction {
        let (leaf, place) = self.leaf(0);
        let Network { key, tree, .. } = &self.network;
        let account = self.account(&holder.pubkey());
        client::bind_device(key, tree, &holder.pubkey(), &account, &leaf, place)
    }

    fn bind(&self, holder: &Keypair) -> Outcome {
        self.send(self.binding(holder), holder)
    }

    fn demotion(&self, holder: &Keypair) -> Instruction {
        let (leaf, place) = self.leaf(0);
        let Network { key, tree, .. } = &self.network;
        let account = self.account(&holder.pubkey());
        client::demote_device(key, tree, &holder.pubkey(), Some(&account), &leaf, place)
    }

    fn demote(&self, holder: &Keypair) -> Outcome {
        self.send(self.demotion(holder), holder)
    }

    /// Gives leaf 0 a status that only evidence gives, in the account itself.
    fn with_status(&self, status: Status) -> (RegistryLeaf, LeafPlace) {
        let (old, mut place) = self.leaf(0);
        let new = RegistryLeaf { status, ..old };
        let account = self.harness.chain.account(&self.network.tree);
        let mut account = account.expect("chain").expect("tree");
        let changed = tree::replace(&mut account.data, &place, &old.hash(), &new.hash());
        place.sequence = changed.expect("changed").sequence;
        self.harness.chain.set_account(&self.network.tree, account);
        (new, place)
    }

    fn pause(&self) {
        let payer = self.harness.payer.pubkey();
        let pause = client::pause_operation(&self.network.key, &payer, Operation::Register, 60);
        self.harness.send(&[pause], &[]).expect("paused");
    }
}

fn client_token(payer: &Pubkey, owner: &Pubkey, mint: &Pubkey) -> Instruction {
    fieldproof_client::token::create_associated_2022(payer, owner, mint)
}

#[test]
fn wallets_see_a_proper_nft() {
    let world = World::new();
    let owner = world.owner.pubkey();
    let (before, place) = world.leaf(0);
    let prepared = transaction::prepare(
        &world.harness.chain,
        &[world.promotion(&before, place)],
        &world.owner,
        &[],
        &[],
    )
    .expect("prepared");
    // Where the owner pays, it fits a v0 transaction at the least canopy.
    assert!(transaction::size(&prepared.transaction).expect("size") <= transaction::V0_BYTES);
    transaction::land(&world.harness.chain, &prepared).expect("promoted");

    let (leaf, _) = world.leaf(0);
    let expected = RegistryLeaf {
        status: Status::Nft,
        ..before
    };
    assert_eq!(leaf, expected);
    let account = world.harness.chain.account(&world.mint());
    let account = account.expect("chain").expect("mint");
    assert_eq!(account.owner, TOKEN_2022_PROGRAM);
    assert_eq!(
        account.lamports,
        world.harness.chain.rent(account.data.len()).expect("rent")
    );
    let mint = StateWithExtensions::<Mint>::unpack(&account.data).expect("mint");
    assert_eq!((mint.base.supply, mint.base.decimals), (1, 0));
    assert!(mint.base.mint_authority.is_none() && mint.base.freeze_authority.is_none());
    assert_eq!(
        mint.get_extension_types().expect("extensions"),
        [
            ExtensionType::MetadataPointer,
            ExtensionType::MintCloseAuthority,
            ExtensionType::TokenMetadata
        ]
    );
    let pointer = mint.get_extension::<MetadataPointer>().expect("pointer");
    assert_eq!(Option::<Pubkey>::from(pointer.authority), None);
    assert_eq!(
        Option::<Pubkey>::from(pointer.metadata_address),
        Some(world.mint())
    );
    let close = mint.get_extension::<MintCloseAuthority>().expect("close");
    assert_eq!(
        Option::<Pubkey>::from(close.close_authority),
        Some(world.network.key)
    );
    let metadata = world.metadata();
    assert_eq!(
        Option::<Pubkey>::from(metadata.update_authority),
        Some(world.network.key)
    );
    assert_eq!(metadata.mint, world.mint());
    let device = hex::encode(leaf.device);
    assert_eq!(metadata.name, format!("Fieldproof device {}", &device[..8]));
    assert_eq!(
        (metadata.symbol.as_str(), metadata.uri.as_str()),
        ("FPD", URI)
    );
    let field = |key: &str, value: String| (key.to_owned(), value);
    assert_eq!(
        metadata.additional_metadata,
        [
            field("network", world.network.key.to_string()),
            field("device_id", device),
            field("tier", "1".to_owned()),
            field("location", format!("{CELL:016x}")),
        ]
    );
    assert_eq!(world.amount(&owner), 1);
}

#[test]
fn an_nft_passes_a_device_on_and_goes() {
    let world = World::promoted();
    let (first, buyer) = (&world.owner, world.harness.key());
    // The device has moved since it was promoted.
    let (leaf, place) = world.leaf(0);
    let Network { key, tree, .. } = &world.network;
    let moved = client::assert_location(&first.pubkey(), key, tree, &leaf, place, NEXT_CELL);
    world.send(moved, first).expect("moved");

    world.sell(first, &buyer);
    // Selling alone changes no leaf.
    assert_eq!(world.leaf(0).0.owner, first.pubkey().to_bytes());
    world.bind(&buyer).expect("bound");
    let (leaf, _) = world.leaf(0);
    assert_eq!(leaf.owner, buyer.pubkey().to_bytes());
    assert_eq!(leaf.previous_owner, first.pubkey().to_bytes());
    assert_eq!((leaf.nonce, leaf.status), (1, Status::Nft));
    assert_eq!(leaf.owner_changed_at, world.harness.now());
    let metadata = world.metadata();
    let location = metadata.additional_metadata.last().expect("location");
    assert_eq!(location.1, format!("{NEXT_CELL:016x}"));

    let rent = world.harness.chain.account(&world.mint());
    let rent = rent.expect("chain").expect("mint").lamports;
    let lamports = |key: &Pubkey| {
        let account = world.harness.chain.account(key);
        account.expect("chain").expect("account").lamports
    };
    let before = lamports(&buyer.pubkey());
    world.demote(&buyer).expect("demoted");
    // One signature's fee, and what the fee's priority adds, is far below the rent.
    assert!(lamports(&buyer.pubkey()) > before + rent - 100_000);
    assert!(!world.harness.exists(&world.mint()));
    let demoted = RegistryLeaf {
        status: Status::Proven,
        ..leaf
    };
    assert_eq!(world.leaf(0).0, demoted);
    // It can be passed on as a proven device again, once the evidence window is over.
    world.harness.advance(EVIDENCE_WINDOW);
    let (leaf, place) = world.leaf(0);
    let transfer = client::transfer_device(key, tree, &first.pubkey(), &leaf, place);
    world
        .harness
        .send(&[transfer], &[&buyer, first])
        .expect("transferred");
}

#[test]
fn every_promotion_has_its_price() {
    let world = World::new();
    let held = || {
        let tree = world.harness.chain.account(&world.network.tree);
        tree.expect("chain").expect("tree").lamports
    };
    let before = held();
    for promotions in 1..=2 {
        world.promote(&world.owner).expect("promoted");
        world.demote(&world.owner).expect("demoted");
        assert_eq!(held() - before, promotions * CHANGE_PRICE);
    }
}

#[test]
fn only_the_owner_of_a_proven_device_promotes_it_once() {
    let world = World::new();
    let stranger = world.harness.key();
    let (leaf, place) = world.leaf(0);
    // A stranger as the owner that he is not, and as somebody else's.
    let mut foreign = world.promotion(&leaf, place.clone());
    foreign.accounts[2].pubkey = stranger.pubkey();
    foreign.accounts[5].pubkey = stranger.pubkey();
    assert_refused(world.send(foreign, &stranger), E::NotOwner);
    let claimed = RegistryLeaf {
        owner: stranger.pubkey().to_bytes(),
        ..leaf
    };
    assert_refused(
        world.send(world.promotion(&claimed, place.clone()), &stranger),
        E::WrongProof,
    );
    let mut unsigned = world.promotion(&leaf, place.clone());
    unsigned.accounts[2].is_signer = false;
    unsigned.accounts[5].pubkey = stranger.pubkey();
    assert_refused(
        world.send(unsigned, &stranger),
        ErrorCode::AccountNotSigner as u32,
    );
    // Into somebody else's account, at another mint, with another token program.
    let mut gift = world.promotion(&leaf, place.clone());
    gift.accounts[4].pubkey = world.account(&stranger.pubkey());
    // The owner's own account, which the program would create, is not there.
    match world.send(gift, &world.owner) {
        Err(ClientError::Failed { error, .. }) => assert_eq!(
            error,
            TransactionError::InstructionError(0, InstructionError::MissingAccount)
        ),
        other => panic!("{other:?}"),
    }
    let mut elsewhere = world.promotion(&leaf, place.clone());
    elsewhere.accounts[3].pubkey = client::nft(&world.network.tree, 1);
    assert_refused(
        world.send(elsewhere, &world.owner),
        ErrorCode::ConstraintSeeds as u32,
    );
    let mut other_program = world.promotion(&leaf, place.clone());
    other_program.accounts[6].pubkey = fieldproof_client::token::TOKEN_PROGRAM;
    assert_refused(
        world.send(other_program, &world.owner),
        ErrorCode::InvalidProgramId as u32,
    );
    // A URI that is too long, and the longest.
    let Network { key, tree, .. } = &world.network;
    let owner = world.owner.pubkey();
    let with_uri = |uri: String| {
        let promote = client::promote_device(&owner, key, tree, &leaf, place.clone(), uri);
        world.send(promote, &world.owner)
    };
    assert_refused(with_uri("u".repeat(201)), E::UriTooLong);
    with_uri("u".repeat(200)).expect("promoted");
    assert_eq!(world.metadata().uri.len(), 200);

    // Twice: by the leaf as it was, as it is, and as it would have to be.
    assert_refused(
        world.send(world.promotion(&leaf, place), &world.owner),
        E::LeafChanged,
    );
    assert_refused(world.promote(&world.owner), E::OwnedByNft);
    let (nft, place) = world.leaf(0);
    let claimed = RegistryLeaf {
        status: Status::Proven,
        ..nft
    };
    assert_refused(
        world.send(world.promotion(&claimed, place), &world.owner),
        E::WrongProof,
    );
}

#[test]
fn a_device_without_standing_is_not_promoted() {
    for (status, error) in [
        (Status::Vouched, E::DeviceNotProven),
        (Status::Banned, E::DeviceBanned),
        (Status::Void, E::DeviceVoid),
    ] {
        let world = World::new();
        let (leaf, place) = world.with_status(status);
        assert_refused(
            world.send(world.promotion(&leaf, place), &world.owner),
            error,
        );
    }
    let world = World::new();
    world.pause();
    assert_refused(world.promote(&world.owner), E::Paused);
    // A network's tree does not serve another network.
    let world = World::new();
    let (leaf, place) = world.leaf(0);
    let mut elsewhere = world.promotion(&leaf, place);
    elsewhere.accounts[0].pubkey = Network::with_nonce(&world.harness, 1).key;
    assert_refused(world.send(elsewhere, &world.owner), E::WrongNetwork);
}

#[test]
fn lamports_sent_ahead_do_not_block_a_mint() {
    let world = World::new();
    world.harness.chain.airdrop(&world.mint(), 1);
    world.promote(&world.owner).expect("promoted");
    let world = World::new();
    let owner = world.owner.pubkey();
    world.harness.chain.airdrop(&world.mint(), 1_000_000_000);
    // Nor do those at the address of the owner's token account.
    world.harness.chain.airdrop(&world.account(&owner), 1);
    world.promote(&world.owner).expect("promoted");
    assert_eq!(world.metadata().uri, URI);
    assert_eq!(world.amount(&owner), 1);
}

#[test]
fn a_stale_proof_is_brought_up_to_date_unless_the_leaf_changed() {
    let world = World::new();
    let (leaf, place) = world.leaf(0);
    let other = world.harness.key();
    let neighbour = |world: &World| {
        world
            .network
            .device(&world.harness, &world.maker, &other, Curve::Ed25519, CELL)
    };
    neighbour(&world);
    world
        .send(world.promotion(&leaf, place), &world.owner)
        .expect("promoted");
    // Bound once, the same proof does not bind again, nor demote.
    let buyer = world.harness.key();
    world.sell(&world.owner, &buyer);
    let (bind, demote) = (world.binding(&buyer), world.demotion(&world.owner));
    world.send(bind.clone(), &buyer).expect("bound");
    assert_refused(world.send(bind, &buyer), E::LeafChanged);
    assert_refused(world.send(demote, &world.owner), E::LeafChanged);
}

#[test]
fn only_the_holder_binds() {
    let world = World::promoted();
    let (seller, buyer) = (&world.owner, world.harness.key());
    let stranger = world.harness.key();
    let payer = stranger.pubkey();
    // The owner holds it, but is the owner already.
    assert_refused(world.bind(seller), E::SameOwner);
    // No account; an empty one; the holder's, which is not his.
    assert_refused(world.bind(&stranger), E::WrongToken);
    let open = client_token(&payer, &stranger.pubkey(), &world.mint());
    world.send(open, &stranger).expect("account");
    assert_refused(world.bind(&stranger), E::NoToken);
    let with_account = |holder: &Keypair, account: Pubkey| {
        let mut bind = world.binding(holder);
        bind.accounts[4].pubkey = account;
        world.send(bind, holder)
    };
    let held = world.account(&seller.pubkey());
    assert_refused(with_account(&stranger, held), E::NotHolder);
    // Another device's NFT, and a token of his own making, of either program.
    let second = world.network.device(
        &world.harness,
        &world.maker,
        &stranger,
        Curve::Ed25519,
        CELL,
    );
    let (leaf, place) = world.leaf(second.registered.index);
    world
        .send(world.promotion(&leaf, place), &stranger)
        .expect("promoted");
    let own = associated_2022(
        &stranger.pubkey(),
        &client::nft(&world.network.tree, second.registered.index),
    );
    assert_refused(with_account(&stranger, own), E::WrongToken);
    let mut other_mint = world.binding(&stranger);
    other_mint.accounts[3].pubkey = client::nft(&world.network.tree, 1);
    other_mint.accounts[4].pubkey = own;
    assert_refused(
        world.send(other_mint, &stranger),
        ErrorCode::ConstraintSeeds as u32,
    );
    let classic = world.harness.mint();
    let classic = world.harness.fund(&stranger.pubkey(), &classic, 1);
    assert_refused(with_account(&stranger, classic), E::WrongToken);
    assert_refused(with_account(&stranger, world.mint()), E::WrongToken);
    assert_refused(with_account(&stranger, world.network.key), E::WrongToken);
    // The holder's account with the token, said to be Token-2022's, but another program's.
    let chain = &world.harness.chain;
    let mut forged = chain.account(&held).expect("chain").expect("account");
    forged.data[32..64].copy_from_slice(stranger.pubkey().as_ref());
    forged.owner = data_commitment::ID;
    let address = Pubkey::new_unique();
    chain.set_account(&address, forged);
    assert_refused(with_account(&stranger, address), E::WrongToken);
    // Whoever may spend the token does not hold it.
    let approve = token::approve(
        &TOKEN_2022_PROGRAM,
        &held,
        &stranger.pubkey(),
        &seller.pubkey(),
        &[],
        1,
    )
    .expect("instruction");
    world.send(approve, seller).expect("approved");
    assert_refused(with_account(&stranger, held), E::NotHolder);
    let mut unsigned = world.binding(seller);
    unsigned.accounts[2].is_signer = false;
    assert_refused(
        world.send(unsigned, &stranger),
        ErrorCode::AccountNotSigner as u32,
    );

    // A frozen token, which Token-2022 can't make of these mints, does not count.
    world.sell(seller, &buyer);
    let key = world.account(&buyer.pubkey());
    let honest = chain.account(&key).expect("chain").expect("account");
    let mut frozen = honest.clone();
    assert_eq!(frozen.data[108], AccountState::Initialized as u8);
    frozen.data[108] = AccountState::Frozen as u8;
    chain.set_account(&key, frozen);
    assert_refused(world.bind(&buyer), E::FrozenToken);
    chain.set_account(&key, honest);
    // The seller, whose account is empty now.
    assert_refused(world.bind(seller), E::NoToken);
    world.bind(&buyer).expect("bound");
}

#[test]
fn a_device_changes_hands_once_an_evidence_window() {
    let world = World::promoted();
    let (second, third) = (world.harness.key(), world.harness.key());
    world.sell(&world.owner, &second);
    world.bind(&second).expect("bound");
    world.sell(&second, &third);
    assert_refused(world.bind(&third), E::OwnerChangedRecently);
    world.harness.advance(EVIDENCE_WINDOW - 1);
    assert_refused(world.bind(&third), E::OwnerChangedRecently);
    world.harness.advance(1);
    world.bind(&third).expect("bound");
    assert_eq!(world.leaf(0).0.nonce, 2);
    // Nor does a transfer go round the NFT.
    let (leaf, place) = world.leaf(0);
    let Network { key, tree, .. } = &world.network;
    world.harness.advance(EVIDENCE_WINDOW);
    let transfer = client::transfer_device(key, tree, &second.pubkey(), &leaf, place);
    assert_refused(
        world.harness.send(&[transfer], &[&third, &second]),
        E::OwnedByNft,
    );
}

#[test]
fn only_the_holder_who_is_the_owner_demotes() {
    let world = World::promoted();
    let (seller, buyer) = (&world.owner, world.harness.key());
    let stranger = world.harness.key();
    assert_refused(world.demote(&stranger), E::NotOwner);
    world.sell(seller, &buyer);
    // The buyer is not the owner yet; the owner has no token any more, and does not get by without.
    assert_refused(world.demote(&buyer), E::NotOwner);
    assert_refused(world.demote(seller), E::NoToken);
    let mut others = world.demotion(seller);
    others.accounts[4].pubkey = world.account(&buyer.pubkey());
    assert_refused(world.send(others, seller), E::NotHolder);
    let (leaf, place) = world.leaf(0);
    let Network { key, tree, .. } = &world.network;
    let without = client::demote_device(key, tree, &seller.pubkey(), None, &leaf, place);
    assert_refused(world.send(without, seller), E::NotBurned);
    world.bind(&buyer).expect("bound");
    let mut unsigned = world.demotion(&buyer);
    unsigned.accounts[2].is_signer = false;
    assert_refused(
        world.send(unsigned, &stranger),
        ErrorCode::AccountNotSigner as u32,
    );
    world.demote(&buyer).expect("demoted");
    // A proven device has no NFT to demote or bind.
    assert_refused(world.demote(&buyer), E::NoNft);
    assert_refused(world.bind(seller), E::NoNft);
}

#[test]
fn a_burned_nft_does_not_take_the_device_along() {
    let world = World::promoted();
    let owner = world.owner.pubkey();
    let burn = token::burn(
        &TOKEN_2022_PROGRAM,
        &world.account(&owner),
        &world.mint(),
        &owner,
        &[],
        1,
    )
    .expect("instruction");
    world.send(burn, &world.owner).expect("burned");
    let Network { key, tree, .. } = &world.network;
    let (leaf, place) = world.leaf(0);
    let stranger = world.harness.key();
    let demote =
        |holder: &Pubkey| client::demote_device(key, tree, holder, None, &leaf, place.clone());
    assert_refused(
        world.send(demote(&stranger.pubkey()), &stranger),
        E::NotOwner,
    );
    world.send(demote(&owner), &world.owner).expect("demoted");
    assert_eq!(world.leaf(0).0.status, Status::Proven);
    assert!(!world.harness.exists(&world.mint()));
}

#[test]
fn accounts_of_a_former_nft_count_for_nothing() {
    let world = World::promoted();
    let owner = &world.owner;
    let (second, thief) = (world.harness.key(), world.harness.key());
    // A later mint has the same address. What is left from the first: an account of a former holder, and an account whose
    // owner let somebody spend the token.
    world.sell(owner, &second);
    world.sell(&second, owner);
    let held = world.account(&owner.pubkey());
    let approve = token::approve(
        &TOKEN_2022_PROGRAM,
        &held,
        &thief.pubkey(),
        &owner.pubkey(),
        &[],
        1,
    )
    .expect("instruction");
    world.send(approve, owner).expect("approved");
    world.demote(owner).expect("demoted");
    assert_eq!(world.amount(&second.pubkey()), 0);
    world.promote(owner).expect("promoted again");
    assert_eq!(world.amount(&owner.pubkey()), 1);
    assert_refused(world.bind(&second), E::NoToken);
    let account = world.account(&thief.pubkey());
    let open = client_token(&thief.pubkey(), &thief.pubkey(), &world.mint());
    let steal = token::transfer_checked(
        &TOKEN_2022_PROGRAM,
        &held,
        &world.mint(),
        &account,
        &thief.pubkey(),
        &[],
        1,
        0,
    )
    .expect("instruction");
    assert_refused(
        transaction::send(&world.harness.chain, &[open, steal], &thief, &[]),
        TokenError::OwnerMismatch as u32,
    );
    // The former holder's account serves as any other.
    world.sell(owner, &second);
    world.bind(&second).expect("bound");
}

#[test]
fn the_nft_of_a_device_that_lost_its_standing_goes_but_the_verdict_stays() {
    for (status, error) in [
        (Status::Banned, E::DeviceBanned),
        (Status::Void, E::DeviceVoid),
    ] {
        let world = World::promoted();
        let buyer = world.harness.key();
        world.sell(&world.owner, &buyer);
        let (leaf, place) = world.with_status(status);
        let Network { key, tree, .. } = &world.network;
        let holder = buyer.pubkey();
        let account = world.account(&holder);
        let bind = client::bind_device(key, tree, &holder, &account, &leaf, place.clone());
        assert_refused(world.send(bind, &buyer), error);
        // With a leaf as it is not.
        let nft = RegistryLeaf {
            status: Status::Nft,
            owner: holder.to_bytes(),
            ..leaf
        };
        let demote = |leaf: &RegistryLeaf| {
            client::demote_device(key, tree, &holder, Some(&account), leaf, place.clone())
        };
        assert_refused(world.send(demote(&nft), &buyer), E::WrongProof);
        let root = || {
            tree::standing(
                &world
                    .harness
                    .chain
                    .account(tree)
                    .expect("chain")
                    .expect("tree")
                    .data,
            )
            .expect("tree")
        };
        let before = root();
        world.send(demote(&leaf), &buyer).expect("burned");
        assert!(!world.harness.exists(&world.mint()));
        assert_eq!(root(), before);
    }
}

#[test]
fn the_rent_of_a_burned_nfts_mint_is_the_owners() {
    let world = World::promoted();
    let (leaf, place) = world.with_status(Status::Banned);
    let Network { key, tree, .. } = &world.network;
    let (owner, mint) = (world.owner.pubkey(), world.mint());
    let held = world.account(&owner);
    let burn = token::burn(&TOKEN_2022_PROGRAM, &held, &mint, &owner, &[], 1);
    world
        .send(burn.expect("instruction"), &world.owner)
        .expect("burned");
    let demote = |by: &Pubkey| client::demote_device(key, tree, by, None, &leaf, place.clone());
    let thief = world.harness.key();
    let taken = world.send(demote(&thief.pubkey()), &thief);
    assert_refused(taken, E::NotOwner);
    world.send(demote(&owner), &world.owner).expect("closed");
    assert!(!world.harness.exists(&mint));
}

#[test]
fn nobody_else_has_power_over_an_nft() {
    let world = World::promoted();
    let owner = &world.owner;
    let (mint, held) = (world.mint(), world.account(&owner.pubkey()));
    let more = token::mint_to(&TOKEN_2022_PROGRAM, &mint, &held, &owner.pubkey(), &[], 1);
    assert_refused(
        world.send(more.expect("instruction"), owner),
        TokenError::FixedSupply as u32,
    );
    let freeze = token::freeze_account(&TOKEN_2022_PROGRAM, &held, &mint, &owner.pubkey(), &[]);
    assert_refused(
        world.send(freeze.expect("instruction"), owner),
        TokenError::MintCannotFreeze as u32,
    );
    let close = token::close_account(
        &TOKEN_2022_PROGRAM,
        &mint,
        &owner.pubkey(),
        &owner.pubkey(),
        &[],
    );
    assert_refused(
        world.send(close.expect("instruction"), owner),
        TokenError::OwnerMismatch as u32,
    );
}
