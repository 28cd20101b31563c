//! Tier 2: roots, issuers and certificates that openssl made by the commands of docs/makers.md, and the attacks on them.

use anchor_lang::error::ErrorCode;
use anchor_lang::prelude::Pubkey;
use anchor_lang::solana_program::instruction::Instruction;
use certificate::Tbs;
use device_protocol::{Curve, Possession, Voucher};
use device_registry::error::RegistryError as E;
use device_registry::state::maker::{TIER_CERTIFICATE, TIER_VOUCHER};
use device_registry::state::{Issuer, Maker, VoucherPage};
use device_registry::{RegisterDeviceArgs, ID};
use fieldproof_client::certificate::CertificateFile;
use fieldproof_client::chain::Execution;
use fieldproof_client::device_registry::{self as client, MakerGrant, Registration, SignatureAt};
use fieldproof_client::key::DeviceSigner;
use fieldproof_client::precompile::{self, Entry};
use fieldproof_client::{credits, transaction, ClientError};
use solana_keypair::Keypair;
use solana_signer::Signer;
use tests::fixture::Network;
use tests::pki::Pki;
use tests::{assert_refused, Harness};

/// The makers' quotas.
const QUOTA: u64 = 9_000;
/// What registering may cost at most.
const REGISTER_COMPUTE: u64 = 18_000;
/// What the system program answers when an account is already there.
const ALREADY_IN_USE: u32 = 0;
/// What the precompile answers to a signature that it does not accept.
const INVALID_SIGNATURE: u32 = 2;
/// The order of the P-256 group, big-endian.
const P256_ORDER: [u8; 32] = [
    0xFF, 0xFF, 0xFF, 0xFF, 0, 0, 0, 0, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xBC, 0xE6,
    0xFA, 0xAD, 0xA7, 0x17, 0x9E, 0x84, 0xF3, 0xB9, 0xCA, 0xC2, 0xFC, 0x63, 0x25, 0x51,
];
/// The precompile's instruction comes first.
const FIRST: SignatureAt = SignatureAt {
    instruction: 0,
    index: 0,
};

type Outcome = Result<Execution, ClientError>;

/// A network, and a maker approved for tier 2 whose page 0 is open, at a time when fresh certificates are valid.
struct World {
    harness: Harness,
    network: Network,
    maker: Keypair,
    pki: Pki,
}

impl World {
    /// The maker's root is set and its issuer added.
    fn new() -> Self {
        let world = Self::without_root();
        world.set_root(&world.maker, &world.pki).expect("root");
        world
            .add_issuer(&world.maker, &world.pki, &world.pki.read("issuer"))
            .expect("issuer");
        world
    }

    fn without_root() -> Self {
        let harness = Harness::new();
        let network = Network::new(&harness);
        let pki = Pki::new();
        let issuer = pki.read("issuer");
        let valid = Tbs::parse(&issuer.signed).expect("certificate");
        harness.chain.set_time(valid.not_before + 60);
        let maker = approve(&harness, &network, TIER_CERTIFICATE);
        Self {
            harness,
            network,
            maker,
            pki,
        }
    }

    fn maker_account(&self) -> Pubkey {
        client::maker(&self.network.key, &self.maker.pubkey())
    }

    fn issuer_account(&self) -> Pubkey {
        client::issuer(&self.maker_account(), &self.pki.read("issuer").key)
    }

    fn set_root(&self, maker: &Keypair, pki: &Pki) -> Outcome {
        let grant = pki.root_grant(self.network.id, maker.pubkey().to_bytes());
        let signature = pki.sign("root", &grant.digest());
        let proof = precompile::secp256r1(&[Entry {
            public_key: &grant.root,
            message: &grant.digest(),
            signature: &signature,
        }])
        .expect("signature");
        let set = client::set_maker_root(&self.network.key, &maker.pubkey(), FIRST);
        self.harness.send(&[proof, set], &[maker])
    }

    /// Adds an issuer by a certificate that the root of `pki` signed.
    fn add_issuer(&self, maker: &Keypair, pki: &Pki, issuer: &CertificateFile) -> Outcome {
        let root = pki.read("root").key;
        let signed = precompile::secp256r1(&[issuer.entry(&root)]).expect("signature");
        let add = client::add_issuer(
            &self.harness.payer.pubkey(),
            &self.network.key,
            &maker.pubkey(),
            &issuer.key,
            FIRST,
        );
        self.harness.send(&[signed, add], &[maker])
    }

    fn revoke(&self, maker: &Pubkey, issuer: &CertificateFile, revoker: &Keypair) -> Outcome {
        let revoke =
            client::revoke_issuer(&self.network.key, maker, &issuer.key, &revoker.pubkey());
        self.harness.send(&[revoke], &[revoker])
    }

    /// A new device with a certificate of this number.
    fn enrolment(&self, number: u64) -> Enrolment {
        self.enrolment_with(number, |script| script)
    }

    /// As [`World::enrolment`], with the guide's commands changed.
    fn enrolment_with(&self, number: u64, change: impl FnOnce(String) -> String) -> Enrolment {
        let device = DeviceSigner::generate(Curve::P256);
        let key = device.device_key();
        let certificate = self.pki.issue(&key, number, change);
        let owner = self.harness.key();
        Enrolment {
            possession: Possession {
                network: self.network.id,
                owner: owner.pubkey().to_bytes(),
                key,
                nonce: number,
            },
            args: RegisterDeviceArgs {
                curve: Curve::P256 as u8,
                key: key.bytes,
                number,
                tier: TIER_CERTIFICATE,
                serial_hash: [0; 32],
                cell: 0,
                possession_instruction: 0,
                possession_index: 0,
                voucher_instruction: 0,
                voucher_index: 1,
            },
            place: Registration {
                network: self.network.key,
                maker: self.maker.pubkey(),
                tree: self.network.tree,
                owner: owner.pubkey(),
            },
            issuer_key: self.pki.read("issuer").key,
            issuer: self.issuer_account(),
            device,
            owner,
            certificate,
        }
    }

    fn register(&self, enrolment: &Enrolment) -> Outcome {
        self.harness
            .send(&enrolment.instructions(), &[&enrolment.owner])
    }
}

/// A new maker of this highest tier, with page 0.
fn approve(harness: &Harness, network: &Network, max_tier: u8) -> Keypair {
    let maker = harness.key();
    let payer = harness.payer.pubkey();
    let grant = MakerGrant {
        key: maker.pubkey(),
        quota: QUOTA,
        max_tier,
    };
    let approve = client::approve_maker(&payer, &network.key, &payer, grant);
    let open = client::open_voucher_page(&payer, &network.key, &maker.pubkey(), 0);
    harness.send(&[approve, open], &[&maker]).expect("maker");
    maker
}

/// A registration, each part to be changed on its own.
struct Enrolment {
    device: DeviceSigner,
    owner: Keypair,
    possession: Possession,
    certificate: CertificateFile,
    issuer_key: [u8; 33],
    issuer: Pubkey,
    args: RegisterDeviceArgs,
    place: Registration,
}

impl Enrolment {
    /// The device's and the issuer's signatures in one instruction, and the registration.
    fn instructions(&self) -> [Instruction; 2] {
        let message = self.possession.digest();
        let signatures = precompile::secp256r1(&[
            Entry {
                public_key: self.possession.key.as_bytes(),
                message: &message,
                signature: &self.device.sign(&message),
            },
            self.certificate.entry(&self.issuer_key),
        ])
        .expect("signatures");
        let register = client::register_certified_device(self.place, &self.issuer, self.args);
        [signatures, register]
    }
}

#[test]
fn a_device_registers_with_a_certificate() {
    let world = World::new();
    let maker: Maker = world.harness.read(&world.maker_account());
    assert_eq!(maker.root_set, 1);
    assert_eq!(maker.root_key, world.pki.read("root").key);
    let file = world.pki.read("issuer");
    let valid = Tbs::parse(&file.signed).expect("certificate");
    let issuer: Issuer = world.harness.read(&world.issuer_account());
    assert_eq!((issuer.version, issuer.revoked), (1, 0));
    assert_eq!(
        (issuer.key, issuer.maker),
        (file.key, world.maker_account())
    );
    assert_eq!(issuer.not_before, valid.not_before);
    assert_eq!(issuer.not_after, valid.not_after);
    assert_eq!(
        Pubkey::create_program_address(
            &[
                b"issuer",
                world.maker_account().as_ref(),
                &Issuer::seed(&file.key),
                &[issuer.bump]
            ],
            &ID
        ),
        Ok(world.issuer_account())
    );

    let mut most = 0;
    for number in [1, 1_000, 8_191] {
        let enrolment = world.enrolment(number);
        // Even where somebody else pays, it fits a v0 transaction.
        let prepared = transaction::prepare(
            &world.harness.chain,
            &enrolment.instructions(),
            &world.harness.payer,
            &[&enrolment.owner],
            &[],
        )
        .expect("prepared");
        assert!(transaction::size(&prepared.transaction).expect("size") <= transaction::V0_BYTES);
        // And where its owner pays for all of it, credits included.
        let [signatures, register] = enrolment.instructions();
        let owner = enrolment.owner.pubkey();
        let register = credits::charge(register, &world.network.key, 0, &owner);
        let paid = [signatures, register];
        let paid = transaction::prepare(&world.harness.chain, &paid, &enrolment.owner, &[], &[]);
        let paid = paid.expect("prepared").transaction;
        assert!(transaction::size(&paid).expect("size") <= transaction::V0_BYTES);
        let execution = transaction::land(&world.harness.chain, &prepared).expect("registered");
        most = most.max(execution.compute_units);
        let event = client::registrations(&execution).remove(0);
        assert_eq!(event.device, enrolment.possession.key.id());
        assert_eq!(event.owner, enrolment.owner.pubkey());
        assert_eq!(event.maker, world.maker.pubkey());
        assert_eq!((event.tier, event.status), (2, 1));
        assert_eq!((event.number, event.serial_hash), (number, [0; 32]));
        // The number is used, for vouchers and certificates alike.
        let again = world.enrolment(number);
        assert_refused(world.register(&again), E::VoucherUsed);
    }
    assert!(most <= REGISTER_COMPUTE, "{most} compute units");
    let page = client::voucher_page(&world.maker_account(), 0);
    let page: VoucherPage = world.harness.read(&page);
    assert_eq!(
        (page.used, page.bitmap[0], page.bitmap[1_023]),
        (3, 2, 0x80)
    );
    let (payer, maker) = (world.harness.payer.pubkey(), world.maker.pubkey());
    let open = client::open_voucher_page(&payer, &world.network.key, &maker, 1);
    world.harness.send(&[open], &[&world.maker]).expect("page");
    assert_refused(
        world.register(&world.enrolment(QUOTA)),
        E::NumberBeyondQuota,
    );
    world
        .register(&world.enrolment(QUOTA - 1))
        .expect("registered");
}

#[test]
fn signatures_may_stand_apart() {
    let world = World::new();
    let mut enrolment = world.enrolment(1);
    let message = enrolment.possession.digest();
    let possession = precompile::secp256r1(&[Entry {
        public_key: enrolment.possession.key.as_bytes(),
        message: &message,
        signature: &enrolment.device.sign(&message),
    }])
    .expect("possession");
    let certified = precompile::secp256r1(&[enrolment.certificate.entry(&enrolment.issuer_key)])
        .expect("certificate");
    enrolment.args.possession_instruction = 1;
    enrolment.args.voucher_index = 0;
    let register =
        client::register_certified_device(enrolment.place, &enrolment.issuer, enrolment.args);
    world
        .harness
        .send(&[certified, possession, register], &[&enrolment.owner])
        .expect("registered");
}

#[test]
fn a_root_is_set_once_by_its_maker_and_itself() {
    let world = World::without_root();
    let harness = &world.harness;
    let other = approve(harness, &world.network, TIER_CERTIFICATE);
    let stranger = harness.key();
    let (network, maker) = (world.network.key, world.maker.pubkey());
    let root = world.pki.read("root").key;
    let grant = world.pki.root_grant(world.network.id, maker.to_bytes());
    let set_with = |message: &[u8], key: &str, grant: SignatureAt, maker: &Keypair| {
        let proof = precompile::secp256r1(&[Entry {
            public_key: &world.pki.read(key).key,
            message,
            signature: &world.pki.sign(key, message),
        }])
        .expect("signature");
        let set = client::set_maker_root(&network, &maker.pubkey(), grant);
        harness.send(&[proof, set], &[maker])
    };
    // A root that has signed for one maker is not another's, whose devices it would claim.
    let digest = grant.digest();
    assert_refused(set_with(&digest, "root", FIRST, &other), E::WrongRootGrant);
    // Nor does a certificate, which anyone has, or a grant for another network or key.
    let file = world.pki.read("issuer");
    let proof = precompile::secp256r1(&[file.entry(&root)]).expect("certificate");
    let set = client::set_maker_root(&network, &other.pubkey(), FIRST);
    assert_refused(harness.send(&[proof, set], &[&other]), E::WrongRootGrant);
    let elsewhere = world.pki.root_grant([1; 32], maker.to_bytes()).digest();
    assert_refused(
        set_with(&elsewhere, "root", FIRST, &world.maker),
        E::WrongRootGrant,
    );
    assert_refused(
        set_with(&digest, "issuer", FIRST, &world.maker),
        E::WrongRootGrant,
    );
    for (instruction, index) in [(0, 1), (1, 0), (9, 0)] {
        let at = SignatureAt { instruction, index };
        assert_refused(
            set_with(&digest, "root", at, &world.maker),
            E::BadSignatureReference,
        );
    }
    let proof = || {
        precompile::secp256r1(&[Entry {
            public_key: &root,
            message: &digest,
            signature: &world.pki.sign("root", &digest),
        }])
        .expect("signature")
    };
    let mut set = client::set_maker_root(&network, &maker, FIRST);
    set.accounts[2].pubkey = stranger.pubkey();
    assert_refused(harness.send(&[proof(), set], &[&stranger]), E::NotMaker);
    let mut set = client::set_maker_root(&network, &maker, FIRST);
    set.accounts[2].is_signer = false;
    assert_refused(
        harness.send(&[proof(), set], &[]),
        ErrorCode::AccountNotSigner as u32,
    );
    let mut set = client::set_maker_root(&network, &maker, FIRST);
    set.accounts[0].pubkey = Network::with_nonce(harness, 1).key;
    assert_refused(
        harness.send(&[proof(), set], &[&world.maker]),
        E::WrongNetwork,
    );
    let mut set = client::set_maker_root(&network, &maker, FIRST);
    set.accounts[3].pubkey = stranger.pubkey();
    assert_refused(
        harness.send(&[proof(), set], &[&world.maker]),
        ErrorCode::ConstraintAddress as u32,
    );

    set_with(&digest, "root", FIRST, &world.maker).expect("root");
    assert_refused(world.set_root(&world.maker, &world.pki), E::RootAlreadySet);
    assert_refused(world.set_root(&world.maker, &Pki::new()), E::RootAlreadySet);
    revoke_maker(&world, &other);
    assert_refused(world.set_root(&other, &world.pki), E::MakerRevoked);
}

#[test]
fn an_issuer_is_a_ca_under_the_root() {
    let world = World::without_root();
    let file = world.pki.read("issuer");
    assert_refused(
        world.add_issuer(&world.maker, &world.pki, &file),
        E::RootNotSet,
    );
    world.set_root(&world.maker, &world.pki).expect("root");

    // Another root's, and another maker's.
    let other = approve(&world.harness, &world.network, TIER_CERTIFICATE);
    let foreign = Pki::new();
    let foreign_issuer = foreign.read("issuer");
    assert_refused(
        world.add_issuer(&world.maker, &foreign, &foreign_issuer),
        E::NotSignedByRoot,
    );
    world.set_root(&other, &foreign).expect("root");
    assert_refused(
        world.add_issuer(&other, &world.pki, &file),
        E::NotSignedByRoot,
    );
    // A device's certificate that the root signed itself; a CA that may not sign certificates.
    let no_ca = world
        .pki
        .issue_ca(|script| script.replace("CA:TRUE, pathlen:0", "CA:FALSE"));
    assert_refused(
        world.add_issuer(&world.maker, &world.pki, &no_ca),
        E::NotIssuerCertificate,
    );
    let signer = world
        .pki
        .issue_ca(|script| script.replace("keyCertSign", "digitalSignature"));
    assert_refused(
        world.add_issuer(&world.maker, &world.pki, &signer),
        E::NotIssuerCertificate,
    );
    // What the root signed, but is no certificate, or not one of tier 2.
    let bytes = CertificateFile {
        signed: vec![7; 32],
        signature: world.pki.sign("root", &[7; 32]),
        key: file.key,
        number: None,
    };
    assert_refused(
        world.add_issuer(&world.maker, &world.pki, &bytes),
        E::MalformedCertificate,
    );
    // For another key than the one said.
    let other_key = CertificateFile {
        key: no_ca.key,
        ..file.clone()
    };
    assert_refused(
        world.add_issuer(&world.maker, &world.pki, &other_key),
        E::WrongCertificateKey,
    );
    // A certificate changed after it was signed.
    let mut forged = file.clone();
    forged.signed[60] ^= 1;
    assert_refused(
        world.add_issuer(&world.maker, &world.pki, &forged),
        INVALID_SIGNATURE,
    );
    let root = world.pki.read("root").key;
    let add_with = |change: &dyn Fn(&mut Instruction), signer: &Keypair, at: SignatureAt| {
        let signed = precompile::secp256r1(&[file.entry(&root)]).expect("signature");
        let mut add = client::add_issuer(
            &world.harness.payer.pubkey(),
            &world.network.key,
            &world.maker.pubkey(),
            &file.key,
            at,
        );
        change(&mut add);
        world.harness.send(&[signed, add], &[signer])
    };
    let index_1 = SignatureAt {
        instruction: 0,
        index: 1,
    };
    assert_refused(
        add_with(&|_| (), &world.maker, index_1),
        E::BadSignatureReference,
    );
    assert_refused(
        add_with(
            &|add| add.accounts[2].pubkey = other.pubkey(),
            &other,
            FIRST,
        ),
        E::NotMaker,
    );
    let elsewhere = client::issuer(&world.maker_account(), &no_ca.key);
    assert_refused(
        add_with(
            &|add| add.accounts[1].pubkey = elsewhere,
            &world.maker,
            FIRST,
        ),
        ErrorCode::ConstraintSeeds as u32,
    );
    add_with(&|_| (), &world.maker, FIRST).expect("issuer");
    assert_refused(add_with(&|_| (), &world.maker, FIRST), ALREADY_IN_USE);

    let late = world.pki.issue_ca(|script| script);
    let valid = Tbs::parse(&late.signed).expect("certificate");
    world.harness.chain.set_time(valid.not_after + 1);
    assert_refused(
        world.add_issuer(&world.maker, &world.pki, &late),
        E::IssuerNotValid,
    );
    world.harness.chain.set_time(valid.not_after);
    revoke_maker(&world, &world.maker);
    assert_refused(
        world.add_issuer(&world.maker, &world.pki, &late),
        E::MakerRevoked,
    );
}

fn revoke_maker(world: &World, maker: &Keypair) {
    let authority = world.harness.payer.pubkey();
    let revoke = client::revoke_maker(&world.network.key, &authority, &maker.pubkey());
    world.harness.send(&[revoke], &[]).expect("revoked");
}

#[test]
fn an_issuer_is_revoked_by_its_maker_or_the_authority_for_good() {
    let world = World::new();
    let harness = &world.harness;
    let other = approve(harness, &world.network, TIER_CERTIFICATE);
    let first = world.pki.read("issuer");
    let enrolment = world.enrolment(1);
    let maker = world.maker.pubkey();
    for stranger in [&other, &enrolment.owner] {
        assert_refused(
            world.revoke(&maker, &first, stranger),
            E::NotMakerOrAuthority,
        );
    }
    // Another maker can't name it as his.
    let mut foreign =
        client::revoke_issuer(&world.network.key, &maker, &first.key, &other.pubkey());
    foreign.accounts[1].pubkey = client::maker(&world.network.key, &other.pubkey());
    assert_refused(harness.send(&[foreign], &[&other]), E::WrongIssuer);
    // Nor can the authority of another network.
    let mut elsewhere =
        client::revoke_issuer(&world.network.key, &maker, &first.key, &other.pubkey());
    elsewhere.accounts[0].pubkey = Network::with_nonce(harness, 1).key;
    assert_refused(harness.send(&[elsewhere], &[&other]), E::WrongNetwork);

    world.revoke(&maker, &first, &world.maker).expect("revoked");
    assert_refused(world.revoke(&maker, &first, &world.maker), E::IssuerRevoked);
    assert_refused(world.register(&enrolment), E::IssuerRevoked);
    assert_refused(
        world.add_issuer(&world.maker, &world.pki, &first),
        ALREADY_IN_USE,
    );

    // The maker goes on with another, until the authority ends that too; also once the maker is revoked.
    let second = world.pki.issue_ca(|script| script);
    world
        .add_issuer(&world.maker, &world.pki, &second)
        .expect("issuer");
    world.register(&world.enrolment(1)).expect("registered");
    let enrolment = world.enrolment(2);
    revoke_maker(&world, &world.maker);
    assert_refused(world.register(&enrolment), E::MakerRevoked);
    world
        .revoke(&maker, &second, &harness.payer)
        .expect("revoked");
    let issuer: Issuer = harness.read(&world.issuer_account());
    assert_eq!(issuer.revoked, 1);
}

#[test]
fn tier_2_needs_a_certificate() {
    let world = World::new();
    let mut enrolment = world.enrolment(1);
    // A mere voucher that says tier 2: without an issuer, and with one.
    let voucher = Voucher {
        network: world.network.id,
        maker: world.maker.pubkey().to_bytes(),
        number: 1,
        device: enrolment.possession.key.id(),
        tier: TIER_CERTIFICATE,
        serial_hash: [0; 32],
    }
    .digest();
    let vouched = precompile::ed25519(&[Entry {
        public_key: &world.maker.pubkey().to_bytes(),
        message: &voucher,
        signature: &world.maker.sign_message(&voucher).into(),
    }])
    .expect("voucher");
    let [signatures, _] = enrolment.instructions();
    enrolment.args.voucher_instruction = 1;
    enrolment.args.voucher_index = 0;
    let without = client::register_device(enrolment.place, enrolment.args);
    let with =
        client::register_certified_device(enrolment.place, &enrolment.issuer, enrolment.args);
    for (register, error) in [
        (without, E::CertificateNeeded),
        (with, E::BadSignatureReference),
    ] {
        assert_refused(
            world.harness.send(
                &[signatures.clone(), vouched.clone(), register],
                &[&enrolment.owner],
            ),
            error,
        );
    }
    // A certificate gives no other tier.
    let mut lower = world.enrolment(1);
    lower.args.tier = TIER_VOUCHER;
    assert_refused(world.register(&lower), E::BadSignatureReference);
    // A maker that is approved for vouchers alone has a root and an issuer in vain.
    let modest = approve(&world.harness, &world.network, TIER_VOUCHER);
    let pki = Pki::new();
    world.set_root(&modest, &pki).expect("root");
    world
        .add_issuer(&modest, &pki, &pki.read("issuer"))
        .expect("issuer");
    let modest_account = client::maker(&world.network.key, &modest.pubkey());
    let mut enrolment = world.enrolment(1);
    enrolment.issuer_key = pki.read("issuer").key;
    enrolment.issuer = client::issuer(&modest_account, &enrolment.issuer_key);
    enrolment.certificate = pki.issue(&enrolment.possession.key, 1, |script| script);
    enrolment.place.maker = modest.pubkey();
    assert_refused(world.register(&enrolment), E::TierNotApproved);
}

#[test]
fn an_issuer_counts_for_its_maker_and_in_its_time() {
    let world = World::new();
    // Another maker's issuer, in the same network.
    let other = approve(&world.harness, &world.network, TIER_CERTIFICATE);
    let mut enrolment = world.enrolment(1);
    enrolment.place.maker = other.pubkey();
    assert_refused(world.register(&enrolment), E::WrongIssuer);
    // A certificate that another issuer of the same maker signed, or the device itself.
    let mut enrolment = world.enrolment(1);
    let first = world.pki.read("issuer");
    let second = world.pki.issue_ca(|script| script);
    world
        .add_issuer(&world.maker, &world.pki, &second)
        .expect("issuer");
    enrolment.issuer = world.issuer_account();
    assert_refused(world.register(&enrolment), E::NotSignedByIssuer);
    enrolment.args.voucher_index = 0;
    assert_refused(world.register(&enrolment), E::NotSignedByIssuer);
    // The registry's account of something else.
    enrolment.issuer = world.maker_account();
    assert_refused(
        world.register(&enrolment),
        ErrorCode::AccountDiscriminatorMismatch as u32,
    );

    // An issuer's time ends with its certificate's, whatever it has issued; and has not come before.
    let mut enrolment = world.enrolment_with(1, |script| script.replace("3650", "3700"));
    let valid = Tbs::parse(&second.signed).expect("certificate");
    world.harness.chain.set_time(valid.not_before - 1);
    assert_refused(world.register(&enrolment), E::IssuerNotValid);
    world.harness.chain.set_time(valid.not_after + 1);
    assert_refused(world.register(&enrolment), E::IssuerNotValid);
    world.harness.chain.set_time(valid.not_after);
    enrolment.issuer_key = first.key;
    assert_refused(world.register(&enrolment), INVALID_SIGNATURE);
    enrolment.issuer_key = second.key;
    world.register(&enrolment).expect("registered");
}

#[test]
fn a_certificate_is_a_devices_for_its_key_and_number_in_its_time() {
    let world = World::new();
    let ca = |script: String| script.replace("CA:FALSE", "CA:TRUE");
    let agrees = |script: String| script.replace("digitalSignature", "keyAgreement");
    let short = |script: String| script.replace("3650", "1");
    // A CA's, as the issuer's own would be; a key that may not sign.
    for (enrolment, error) in [
        (world.enrolment_with(1, ca), E::NotDeviceCertificate),
        (world.enrolment_with(1, agrees), E::NotDeviceCertificate),
    ] {
        assert_refused(world.register(&enrolment), error);
    }
    // What the issuer signed, but is no certificate.
    let text = world.pki.sign("issuer", &[7; 32]);
    let mut enrolment = world.enrolment(1);
    enrolment.certificate.signed = vec![7; 32];
    enrolment.certificate.signature = text;
    assert_refused(world.register(&enrolment), E::MalformedCertificate);

    // Another device's certificate, and another number's.
    let mut enrolment = world.enrolment(1);
    enrolment.certificate = world.enrolment(1).certificate;
    assert_refused(world.register(&enrolment), E::WrongCertificateKey);
    let mut enrolment = world.enrolment(1);
    enrolment.args.number = 2;
    enrolment.possession.nonce = 2;
    assert_refused(world.register(&enrolment), E::WrongCertificateNumber);
    enrolment.possession.nonce = 1;
    assert_refused(world.register(&enrolment), E::WrongPossession);
    // An Ed25519 key has no certificate.
    let mut enrolment = world.enrolment(1);
    let ed25519 = DeviceSigner::generate(Curve::Ed25519);
    enrolment.possession.key = ed25519.device_key();
    enrolment.args.curve = Curve::Ed25519 as u8;
    enrolment.args.key = ed25519.device_key().bytes;
    let message = enrolment.possession.digest();
    let possession = precompile::ed25519(&[Entry {
        public_key: enrolment.possession.key.as_bytes(),
        message: &message,
        signature: &ed25519.sign(&message),
    }])
    .expect("possession");
    let certified = precompile::secp256r1(&[enrolment.certificate.entry(&enrolment.issuer_key)])
        .expect("certificate");
    enrolment.args.voucher_instruction = 1;
    enrolment.args.voucher_index = 0;
    let register =
        client::register_certified_device(enrolment.place, &enrolment.issuer, enrolment.args);
    assert_refused(
        world
            .harness
            .send(&[possession, certified, register], &[&enrolment.owner]),
        E::WrongCertificateKey,
    );
    // Serial numbers that are no voucher numbers: the client says so, the program too.
    let mut enrolment = world.enrolment(1);
    enrolment.certificate = world.pki.issue(&enrolment.possession.key, 1, |script| {
        script.replace("NUMBER=1\n", "NUMBER=0x10000000000000001\n")
    });
    assert_eq!(enrolment.certificate.number, None);
    assert_refused(world.register(&enrolment), E::WrongCertificateNumber);
    // What nobody signed stays out of the event.
    let mut enrolment = world.enrolment(1);
    enrolment.args.serial_hash = [3; 32];
    assert_refused(world.register(&enrolment), E::SerialHashNotZero);

    // Its time.
    let enrolment = world.enrolment_with(1, short);
    let valid = Tbs::parse(&enrolment.certificate.signed).expect("certificate");
    world.harness.chain.set_time(valid.not_after + 1);
    assert_refused(world.register(&enrolment), E::CertificateNotValid);
    world.harness.chain.set_time(valid.not_after);
    world.register(&enrolment).expect("registered");
}

#[test]
fn a_certificates_signature_is_low_and_of_this_message() {
    let world = World::new();
    let mut enrolment = world.enrolment(1);
    // Order − S is as good a signature of the same message, but the precompile takes the lower of the two alone.
    let mut borrow = false;
    for place in (0..32).rev() {
        let (byte, first) =
            P256_ORDER[place].overflowing_sub(enrolment.certificate.signature[32 + place]);
        let (byte, second) = byte.overflowing_sub(u8::from(borrow));
        borrow = first || second;
        enrolment.certificate.signature[32 + place] = byte;
    }
    assert_refused(world.register(&enrolment), INVALID_SIGNATURE);
    // Any byte of the certificate changed.
    let fresh = world.enrolment(1);
    for place in (0..fresh.certificate.signed.len()).step_by(16) {
        let mut enrolment = world.enrolment(1);
        enrolment.certificate.signed[place] ^= 1;
        assert_refused(world.register(&enrolment), INVALID_SIGNATURE);
    }
    // References to other instructions and signatures.
    for (instruction, index) in [(0, 2), (1, 0), (2, 0), (u16::MAX, 1)] {
        let mut enrolment = world.enrolment(1);
        enrolment.args.voucher_instruction = instruction;
        enrolment.args.voucher_index = index;
        assert_refused(world.register(&enrolment), E::BadSignatureReference);
    }
    let mut enrolment = world.enrolment(1);
    enrolment.args.possession_index = 1;
    assert_refused(world.register(&enrolment), E::WrongPossession);
}
