//! Epochs: what is measured, granted and claimed in them, and what everybody has in the end.

use super::*;
use device_registry::error::RegistryError;

impl World {
    /// Books what all devices that are on say in the present epoch, each by one operator.
    pub fn measure(&mut self) {
        let epoch = self.epoch();
        for (number, device) in self.devices.iter().enumerate() {
            if device.on {
                let pool = &self.seats[number % self.seats.len()].operator.pool;
                let bond = self.parameters.bond_of(device.registered.tier);
                let sequence = epoch * 1_000;
                self.windows.push(scores::window(
                    self.feeds[device.feed].1,
                    device,
                    (pool, epoch, number as u64),
                    bond,
                    sequence,
                ));
            }
        }
    }

    /// The trees of an epoch that is over, by the worker's own code.
    ///
    /// # Errors
    /// Sums that do not fit.
    pub fn trees(&self, epoch: u64) -> Result<Trees> {
        let emission: Emission = self.harness.read(&rewards::emission(&self.network.key));
        let bonds = fieldproof_client::chain::read_all::<Bond>(&self.harness.chain)?
            .into_iter()
            .map(|(_, bond)| (bond.owner.to_bytes(), bond.amount_at(epoch)))
            .collect();
        let (budget, demand) = self.demand(&emission, epoch)?;
        let feeds = [self.feeds[0].1, self.feeds[1].1];
        let payees: Vec<Payee> = self.payees.iter().map(|(payee, _)| *payee).collect();
        let scored = scores::scores(
            &self.windows,
            feeds,
            epoch,
            bonds,
            &self.slashed,
            demand,
            &payees,
        )
        .context("scores do not fit")?;
        let last = self.last.as_ref();
        let previous: Granted = last
            .map(|trees| &trees.rewards.entries)
            .into_iter()
            .flatten()
            .map(|entry| ((entry.kind, entry.payee), entry.cumulative))
            .collect();
        let rewards = score::rewards(
            epoch,
            &scored,
            &payees,
            &previous,
            budget.owners,
            budget.operators,
        )
        .context("rewards do not fit")?;
        Trees::new(rewards)
    }

    /// Proposes trees for the epoch before this one.
    ///
    /// # Errors
    /// The program's.
    pub fn propose(&mut self, seat: usize, trees: &Trees) -> Result<Pubkey> {
        let (committee, state) = self.draw()?;
        let network = self.network.key;
        let emission: Emission = self.harness.read(&rewards::emission(&network));
        let (owners, operators) = rewards::halves(&trees.grants)?;
        let since = (self.harness.now() - START) % self.parameters.epoch;
        let root = trees.scores.root();
        let args = ProposeRootArgs {
            epoch: self.epoch() - 1,
            ballot: u32::try_from(since / BALLOT)?,
            base: emission.finals,
            member: self.member(&state, seat)?,
            depth: u8::try_from(trees.grants.depth())?,
            score_hash: root.hash,
            score_sum: root.sum,
            owners,
            operators,
            sequence: 0,
        };
        let Operator { signer, stream, .. } = &self.seats[seat].operator;
        let by = signer.pubkey();
        let propose = rewards::propose_root(&by, &network, &committee, stream, &by, args);
        self.send(signer, &[propose], &[]).context("propose")?;
        let key = rewards::proposal(&network, stream, &args);
        self.proposals.push((key, by));
        Ok(key)
    }

    /// What a proposal's voters sign.
    pub fn message(&self, proposal: &Pubkey) -> VoteMessage {
        self.harness
            .read::<Proposal>(proposal)
            .message(self.network.id)
    }

    /// An operator's signature under a vote.
    ///
    /// # Errors
    /// None.
    pub fn signature(&self, seat: usize, messages: &[VoteMessage]) -> Result<Instruction> {
        let signer = &self.seats[seat].operator.signer;
        let key = signer.pubkey();
        let signed: Vec<_> = messages
            .iter()
            .map(|message| message.digest())
            .map(|digest| (digest, <[u8; 64]>::from(signer.sign_message(&digest))))
            .collect();
        let entries: Vec<_> = signed
            .iter()
            .map(|(digest, signature)| precompile::Entry {
                public_key: key.as_ref(),
                message: digest,
                signature,
            })
            .collect();
        Ok(precompile::ed25519(&entries)?)
    }

    /// Votes.
    ///
    /// # Errors
    /// The program's.
    pub fn vote(&self, proposal: &Pubkey, voters: &[usize]) -> Result<()> {
        let (committee, state) = self.draw()?;
        let message = self.message(proposal);
        for seat in voters {
            if self.harness.read::<Proposal>(proposal).status != reward_emission::state::OPEN {
                break;
            }
            let reference = VoteReference {
                instruction: 0,
                index: 0,
                member: self.member(&state, *seat)?,
            };
            let vote = rewards::vote_root(&self.network.key, &committee, proposal, reference);
            let signature = self.signature(*seat, &[message])?;
            let by = &self.seats[*seat].operator.signer;
            self.send(by, &[signature, vote], &[]).context("vote")?;
        }
        Ok(())
    }

    /// Makes passed trees final, and has everybody claim what they grant.
    ///
    /// # Errors
    /// The programs'.
    pub fn decide(&mut self, proposal: &Pubkey, trees: Trees) -> Result<()> {
        self.harness.advance(ROOT_WINDOW);
        let by = &self.seats[0].operator.signer;
        let finalize = rewards::finalize_root(&self.network.key, proposal);
        self.send(by, &[finalize], &[]).context("final")?;
        ensure!(
            self.harness.read::<Proposal>(proposal).status == FINAL,
            "not final"
        );
        let before = self
            .last
            .as_ref()
            .map_or(0, |trees| trees.grants.root().sum);
        self.figures.push(Figures {
            epoch: trees.rewards.epoch,
            emitted: (trees.grants.root().sum - before) as f64 / TOKEN as f64,
            covered: self.covered(),
        });
        let price = self.reward_usd();
        for (payee, party) in &self.payees {
            let at = |entry: &&fieldproof_worker::payload::Reward| {
                (entry.kind, entry.index) == (payee.kind, payee.index)
            };
            let granted = trees.rewards.entries.iter().find(at);
            let granted = granted.map_or(0, |entry| entry.cumulative);
            let paid = &mut self.parties[*party];
            let more = granted - paid.claimed;
            paid.claimed = granted;
            paid.earned.push(more as f64 / TOKEN as f64 * price);
            if more == 0 {
                continue;
            }
            let paid = &self.parties[*party].key;
            let kind = if payee.kind == OWNER {
                PayeeKind::Owner
            } else {
                PayeeKind::Operator
            };
            let mint = self.network.reward_mint;
            let accounts = ClaimAccounts {
                network: self.network.key,
                payee: rewards::payee(&self.network.key, kind, &Pubkey::from(payee.key)),
                reward_mint: mint,
                destination: token::associated(&paid.pubkey(), &mint),
            };
            let path = trees.grants.path(payee.kind, payee.index)?;
            let claim = rewards::claim(accounts, granted, path);
            self.send(paid, &[claim], &[]).context("claim")?;
        }
        self.last = Some(trees);
        Ok(())
    }

    /// Cells in which devices of three owners and three makers measure, of all with devices.
    fn covered(&self) -> f64 {
        let mut cells: BTreeMap<u64, (BTreeSet<usize>, BTreeSet<Pubkey>)> = BTreeMap::new();
        for device in self.devices.iter().filter(|device| device.on) {
            let (owners, makers) = cells.entry(device.registered.cell).or_default();
            if device.real {
                owners.insert(device.party);
                makers.insert(device.registered.maker);
            }
        }
        let full = cells.values();
        let full = full.filter(|(owners, makers)| owners.len() >= 3 && makers.len() >= 3);
        full.count() as f64 / cells.len().max(1) as f64
    }

    /// Everybody lives through an epoch: pays what it costs, and is ready for its round, two hours after its start.
    ///
    /// # Errors
    /// The program's.
    pub fn begin(&mut self, epoch: u64) -> Result<()> {
        self.to_epoch(epoch, 2 * ROUND);
        self.draw()?;
        for seat in &self.seats {
            self.spend(seat.party, self.parameters.operator_usd);
        }
        let Parameters {
            device_usd,
            registration_usd,
            device_epochs,
            device_running_usd,
            ..
        } = self.parameters;
        for device in self.devices.iter().filter(|device| device.real) {
            let worn = (device_usd + registration_usd) / device_epochs;
            self.spend(device.party, worn + device_running_usd);
        }
        self.measure();
        self.pay_for_feeds()
    }

    /// The next epoch's first hour.
    ///
    /// # Errors
    /// The programs'.
    pub fn end(&mut self, epoch: u64) -> Result<Trees> {
        self.harness.advance(OUTPUT_WINDOW + 1);
        self.close_attestations()?;
        self.to_epoch(epoch + 1, 60);
        self.draw()?;
        self.trees(epoch)
    }

    /// An epoch in which nothing is wrong.
    ///
    /// # Errors
    /// The programs'.
    pub fn honest_epoch(&mut self, epoch: u64) -> Result<()> {
        self.begin(epoch)?;
        self.round(None)?;
        let trees = self.end(epoch)?;
        self.agree(trees)
    }

    /// Everybody proposes, votes and claims as the scores say.
    ///
    /// # Errors
    /// The programs'.
    pub fn agree(&mut self, trees: Trees) -> Result<()> {
        let everybody: Vec<usize> = (0..self.seats.len()).collect();
        let proposal = self.propose(self.epoch() as usize % everybody.len(), &trees)?;
        self.vote(&proposal, &everybody)?;
        self.decide(&proposal, trees)
    }

    /// Everybody leaves, and takes home what is left.
    ///
    /// # Errors
    /// The programs'.
    pub fn leave(&mut self) -> Result<()> {
        let Network {
            key: network,
            stake_mint,
            ..
        } = self.network;
        let away = self.harness.now() + self.parameters.cooldown;
        let everybody: Vec<usize> = (0..self.parties.len()).collect();
        self.request_bonds(&everybody)?;
        let mut staked = Vec::new();
        for seat in &self.seats {
            let Operator { key, pool, .. } = &seat.operator;
            let owner = key.pubkey();
            let stake = self.parameters.stake;
            self.hold(seat.party, stake, START, away);
            let held: Delegation = self.harness.read(&pools::delegation(pool, &owner));
            let out = pools::opt_out(&network, pool, &owner);
            self.send(key, &[out], &[]).context("opt out")?;
            if held.shares > 0 {
                let number = held.withdrawals;
                let home = self.harness.read::<Pool>(pool).home;
                let request =
                    pools::request_withdrawal(&owner, &owner, pool, &home, number, held.shares);
                self.send(key, &[request], &[]).context("request")?;
                staked.push((key, pool, number));
            }
        }
        self.harness
            .advance(self.parameters.cooldown + self.parameters.epoch);
        for party in std::mem::take(&mut self.returning) {
            let key = &self.parties[party].key;
            let withdraw = pools::withdraw_bond(&network, &key.pubkey(), &stake_mint);
            self.send(key, &[withdraw], &[]).context("withdraw")?;
        }
        for (key, pool, number) in staked {
            let withdraw = pools::withdraw(&key.pubkey(), pool, &stake_mint, number);
            self.send(key, &[withdraw], &[]).context("withdraw")?;
        }
        for (proposal, payer) in &self.proposals {
            let state: Proposal = self.harness.read(proposal);
            if Some(state.epoch) == self.last.as_ref().map(|trees| trees.rewards.epoch) {
                continue; // the last final one stays
            }
            let at = |seat: &&Seat| seat.operator.signer.pubkey() == *payer;
            let by = &self
                .seats
                .iter()
                .find(at)
                .context("a proposer")?
                .operator
                .signer;
            let close = rewards::close_proposal(&network, proposal, payer);
            self.send(by, &[close], &[]).context("close")?;
        }
        Ok(())
    }

    /// Has parties ask for their bonds back, which they hold until these have cooled down.
    fn request_bonds(&mut self, parties: &[usize]) -> Result<()> {
        let (network, now) = (self.network.key, self.harness.now());
        let (theirs, others): (Vec<_>, Vec<_>) = std::mem::take(&mut self.bonds)
            .into_iter()
            .partition(|(party, _)| parties.contains(party));
        self.bonds = others;
        for (party, since) in theirs {
            let key = &self.parties[party].key;
            let owner = key.pubkey();
            let bond: Bond = self.harness.read(&pools::bond(&network, &owner));
            let had = bond.amount + bond.slashed_total;
            self.hold(party, had, since, now + self.parameters.cooldown);
            if bond.amount > 0 {
                let request = pools::request_bond(&network, &owner, bond.amount);
                self.send(key, &[request], &[]).context("request")?;
                self.returning.push(party);
            }
        }
        Ok(())
    }

    /// What is done about a farm that was found out: the authority revokes those of its parties that are makers, so that none
    /// vouches for another device, and no operator commits to what its devices say any more. They ask for their bonds back.
    ///
    /// # Errors
    /// The programs', or that a revoked maker vouches all the same.
    pub fn exclude(&mut self, farm: &[usize]) -> Result<()> {
        let makers: Vec<usize> = (0..self.makers.len())
            .filter(|maker| farm.contains(&self.maker_parties[*maker]))
            .collect();
        let (network, authority) = (self.network.key, self.harness.payer.insecure_clone());
        for maker in &makers {
            let key = self.makers[*maker].key.pubkey();
            let revoke = registry::revoke_maker(&network, &authority.pubkey(), &key);
            self.send(&authority, &[revoke], &[]).context("revoke")?;
        }
        let fakes = self.devices.iter_mut();
        for device in fakes.filter(|device| farm.contains(&device.party)) {
            device.on = false;
        }
        let fake = self.devices.last().context("a fake")?;
        let (owner, tier, cell) = (fake.party, fake.registered.tier, fake.registered.cell);
        let again = self.device(owner, makers[0], tier, cell, false);
        let code = again.err().and_then(|error| {
            let refused = error.downcast_ref::<ClientError>();
            refused.and_then(ClientError::code)
        });
        ensure!(
            code == Some(u32::from(RegistryError::MakerRevoked)),
            "a revoked maker vouches"
        );
        self.request_bonds(farm)
    }

    /// What a party has now over what it began with, rewards at what they were worth when claimed, USD.
    ///
    /// # Errors
    /// The chain's.
    pub fn profit(&self, party: usize) -> Result<f64> {
        let Party {
            key,
            hot,
            spent,
            capital,
            earned,
            ..
        } = &self.parties[party];
        let lamports = |key: &Keypair| -> Result<f64> {
            let account = self.harness.chain.account(&key.pubkey())?;
            Ok(account.map_or(0.0, |account| account.lamports as f64) - PURSE as f64)
        };
        let mut spare = lamports(key)?;
        if let Some(hot) = hot {
            spare += lamports(hot)?;
        }
        let stake = token::associated(&key.pubkey(), &self.network.stake_mint);
        let stake = self.harness.balance(&stake) as f64 - STAKES as f64;
        Ok(self.parameters.lamports_usd(spare)
            + stake / TOKEN as f64 * self.stake_usd()
            + earned.iter().sum::<f64>()
            - spent.get()
            - capital.get())
    }

    /// What a stake token is worth now, USD.
    fn stake_usd(&self) -> f64 {
        let factor = if self.shocked { self.shock.stake } else { 1.0 };
        self.parameters.stake_usd * factor
    }

    /// What parties have together.
    ///
    /// # Errors
    /// The chain's.
    pub fn profit_of(&self, parties: &[usize]) -> Result<f64> {
        parties.iter().map(|party| self.profit(*party)).sum()
    }
}
