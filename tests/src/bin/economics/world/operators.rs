//! Operators: seats, commitments, attestations and rounds.

use super::*;

impl World {
    pub(super) fn seat(&mut self) -> Result<()> {
        let party = self.party()?;
        let signer = self.key();
        self.harness.chain.airdrop(&signer.pubkey(), PURSE);
        let key = self.parties[party].key.insecure_clone();
        let (owner, stake) = (key.pubkey(), self.parameters.stake);
        let Network {
            key: network,
            stake_mint,
            reward_mint,
            ..
        } = self.network;
        let pool = pools::pool(&stake_mint, &owner);
        let args = CreatePoolArgs {
            signer: signer.pubkey(),
            cooldown: self.parameters.cooldown,
            leverage_bps: 10_000,
            seed: TOKEN,
            takes_delegators: true,
        };
        self.send(
            &key,
            &[
                pools::create_pool(&owner, &owner, &stake_mint, args),
                pools::delegate(&owner, &owner, &pool, &stake_mint, stake, 1, u64::MAX),
                pools::opt_in(&network, &pool, &owner, stake),
                streams::open_stream(&owner, &signer.pubkey(), &network, &pool),
            ],
            &[&signer],
        )?;
        let destination = token::associated(&owner, &reward_mint);
        let register = rewards::register_operator(&owner, &network, &owner, &pool, &destination);
        self.send(&key, &[register], &[])?;
        self.payee(party, OPERATOR, pool);
        self.parties[party].hot = Some(signer.insecure_clone());
        self.seats.push(Seat {
            party,
            operator: Operator {
                key,
                signer,
                pool,
                stream: streams::stream(&network, &pool),
            },
            mmr: MmrBuilder::default(),
            leaves: Vec::new(),
        });
        Ok(())
    }

    pub(super) fn payee(&mut self, party: usize, kind: u8, key: Pubkey) {
        let kind_of = if kind == OWNER {
            PayeeKind::Owner
        } else {
            PayeeKind::Operator
        };
        let account = rewards::payee(&self.network.key, kind_of, &key);
        let state: reward_emission::state::Payee = self.harness.read(&account);
        let payee = Payee {
            kind,
            index: state.index,
            key: key.to_bytes(),
        };
        self.payees.push((payee, party));
    }

    /// The account of a payee.
    pub fn payee_account(&self, kind: u8, index: u32) -> Option<Pubkey> {
        let place = |(payee, _): &&(Payee, usize)| (payee.kind, payee.index) == (kind, index);
        let (payee, _) = self.payees.iter().find(place)?;
        let kind = if kind == OWNER {
            PayeeKind::Owner
        } else {
            PayeeKind::Operator
        };
        let key = Pubkey::from(payee.key);
        Some(rewards::payee(&self.network.key, kind, &key))
    }

    /// A party's index among the payees of a kind.
    pub fn payee_index(&self, party: usize, kind: u8) -> Option<u32> {
        let is = |(payee, of): &&(Payee, usize)| *of == party && payee.kind == kind;
        self.payees.iter().find(is).map(|(payee, _)| payee.index)
    }

    /// Draws the committee of the present epoch, which the operators pay in turn.
    ///
    /// # Errors
    /// The program's.
    pub fn draw(&self) -> Result<(Pubkey, Committee)> {
        let (network, epoch) = (self.network.key, self.epoch());
        let key = pools::committee(&network, epoch);
        if !self.harness.exists(&key) {
            let roster: Roster = self.harness.read(&pools::roster(&network));
            let members = pools::committee_pools(&roster, None, epoch);
            let by = &self.seats[epoch as usize % self.seats.len()]
                .operator
                .signer;
            let draw = pools::snapshot_committee(&by.pubkey(), &network, epoch, &members);
            self.send(by, &[draw], &[]).context("draw")?;
        }
        Ok((key, self.harness.read(&key)))
    }

    /// An operator's place in a committee.
    pub fn member(&self, committee: &Committee, seat: usize) -> Result<u8> {
        let member = committee.member(&self.seats[seat].operator.pool);
        Ok(u8::try_from(member.context("no seat")?)?)
    }

    /// A batch of one window, whose last capture lies in the round before this one.
    ///
    /// # Errors
    /// None.
    pub fn batch(&self, seat: usize) -> Result<Batch> {
        let round = self.harness.now() / ROUND - 1;
        let last_capture = (round * ROUND + ROUND - 10) * 1_000;
        let bytes = model().to_bytes();
        let model = ModelRef::parse(&bytes).context("the model does not parse")?;
        let values = std::array::from_fn(|place| (seat as i32 + 1) * 100 + place as i32);
        let window = WindowArgs {
            features: inference::features(model.header(), &values),
            tree: 0,
            index: seat as u32,
            nonce: 0,
            last_capture,
        };
        let leaf = window.leaf().ok().context("a window has no leaf")?;
        let leaf = BatchLeaf {
            readings_root: [seat as u8 + 1; 32],
            windows_root: inference::windows_root(&[leaf], poseidon)
                .ok()
                .context("windows have no root")?,
            windows: 1,
            readings: 16,
            first_capture: last_capture - 15_000,
            last_capture,
        };
        Ok(Batch {
            leaf,
            output: inference::infer(&model, &window.features),
            window,
        })
    }

    /// Commits to a batch; the commitment's sequence.
    ///
    /// # Errors
    /// The program's.
    pub fn commit(&mut self, seat: usize, batch: BatchLeaf) -> Result<u64> {
        let now = self.harness.now();
        let at = &self.seats[seat];
        let leaf = CommitmentLeaf {
            sequence: at.mmr.count(),
            posted_at: now,
            root: Tree::of_batches(&[batch.hash()])?.root(),
            batches: 1,
            payload_hash: [5; 32],
            payload_len: 1_000,
        };
        let args = CommitRootArgs {
            sequence: leaf.sequence,
            root: leaf.root,
            batches: leaf.batches,
            payload_hash: leaf.payload_hash,
            payload_len: leaf.payload_len,
        };
        let Operator { signer, pool, .. } = &at.operator;
        let commit = streams::commit_root(&signer.pubkey(), &self.network.key, pool, args);
        self.send(signer, &[commit], &[]).context("commit")?;
        let at = &mut self.seats[seat];
        at.mmr.append(leaf.hash())?;
        at.leaves.push((leaf, batch));
        Ok(leaf.sequence)
    }

    /// The proof of a commitment's batch.
    ///
    /// # Errors
    /// None for a commitment that was made.
    pub fn proof(&self, seat: usize, sequence: u64) -> Result<VerifyBatchArgs> {
        let at = &self.seats[seat];
        let (leaf, batch) = &at.leaves[sequence as usize];
        Ok(VerifyBatchArgs {
            commitment: (*leaf).into(),
            mmr_path: at.mmr.path(sequence)?,
            batch_index: 0,
            batch: (*batch).into(),
            batch_path: Tree::of_batches(&[batch.hash()])?.path(0)?,
        })
    }

    /// Attests `output` of a committed batch.
    ///
    /// # Errors
    /// The program's.
    pub fn attest(&mut self, seat: usize, sequence: u64, output: u8) -> Result<Pubkey> {
        let (committee, _) = self.draw()?;
        let proof = self.proof(seat, sequence)?;
        let round = (proof.batch.last_capture / 1_000 / ROUND) as u64;
        let mut outputs = [0; 32];
        outputs[0] = output;
        let Operator {
            signer,
            pool,
            stream,
            ..
        } = &self.seats[seat].operator;
        let attesting = Attesting {
            payer: signer.pubkey(),
            attester: signer.pubkey(),
            network: self.network.key,
            feed: self.feeds[0].0,
            model: feeds::model(&self.model),
            stream: *stream,
            pool: *pool,
            committee,
            bonds: None,
        };
        let args = SubmitAttestationArgs {
            round,
            outputs,
            commitment: proof.commitment,
            mmr_path: proof.mmr_path,
            batch_index: 0,
            batch: proof.batch,
            batch_path: proof.batch_path,
        };
        let submit = feeds::submit_attestation(&attesting, args);
        self.send(signer, &[submit], &[]).context("attest")?;
        let attestation = feeds::attestation(&self.feeds[0].0, stream, round, sequence, 0);
        self.attestations.push((attestation, signer.pubkey()));
        Ok(attestation)
    }

    /// Brings the signatures of `signers` on an attestation, which `seat` pays.
    ///
    /// # Errors
    /// The program's.
    pub fn sign(&self, seat: usize, attestation: &Pubkey, signers: &[usize]) -> Result<()> {
        let state: Attestation = self.harness.read(attestation);
        let (key, committee) = self.draw()?;
        let mut signed = Vec::new();
        for signer in signers {
            let member = self.member(&committee, *signer)?;
            signed.push((member, &self.seats[*signer].operator.signer));
        }
        signed.sort_by_key(|(member, _)| *member);
        let signatures =
            tests::signatures(signed.iter().map(|(_, signer)| *signer), &state.message);
        let attested = Attested {
            network: self.network.key,
            feed: self.feeds[0].0,
            committee: key,
            round: feeds::round(&self.feeds[0].0, state.round),
            attestation: *attestation,
        };
        let members = signed.iter().map(|(member, _)| *member).collect();
        let attest = feeds::attest_committee(&attested, 0, members);
        let by = &self.seats[seat].operator.signer;
        self.send(by, &[signatures, attest], &[]).context("sign")?;
        Ok(())
    }

    /// What whoever challenges an attestation names, with `challenger` as who pays and is paid.
    pub fn challenging(&self, challenger: usize, attestation: &Pubkey) -> Challenging {
        let state: Attestation = self.harness.read(attestation);
        let by = self.parties[challenger].key.pubkey();
        let round = feeds::round(&self.feeds[0].0, state.round);
        Challenging {
            challenger: by,
            bounty: token::associated(&by, &self.network.stake_mint),
            network: self.network.key,
            network_id: self.network.id,
            stake_mint: self.network.stake_mint,
            feed: self.feeds[0].0,
            model: feeds::model(&self.model),
            attestation: *attestation,
            pool: state.pool,
            round: self.harness.exists(&round).then_some(round),
        }
    }

    /// One round of the feed: everybody commits, attests, has three others sign, and somebody finalises it. The fees are
    /// paid as often as there are rounds in an epoch. `lie` is an operator that attests something else, and who signs it
    /// all the same; the lie's attestation and batch.
    ///
    /// # Errors
    /// The programs'.
    pub fn round(&mut self, lie: Option<(usize, &[usize])>) -> Result<Option<(Pubkey, Batch)>> {
        let hot = |world: &Self, seat: usize| -> Result<u64> {
            let key = world.seats[seat].operator.signer.pubkey();
            Ok(world
                .harness
                .chain
                .account(&key)?
                .context("a purse")?
                .lamports)
        };
        let everybody: Vec<usize> = (0..self.seats.len()).collect();
        let round = (self.harness.now() / ROUND - 1) as u64;
        let mut told = None;
        let mut before = Vec::new();
        self.draw()?;
        for seat in &everybody {
            before.push(hot(self, *seat)?);
        }
        let mut made = Vec::new();
        for seat in &everybody {
            let batch = self.batch(*seat)?;
            let sequence = self.commit(*seat, batch.leaf)?;
            let lying = lie.filter(|(liar, _)| liar == seat);
            let output = batch.output ^ u8::from(lying.is_some());
            let attestation = self.attest(*seat, sequence, output)?;
            let signers = lying.map_or(&everybody[..], |(_, signers)| signers);
            self.sign(*seat, &attestation, signers)?;
            made.push(attestation);
            if lying.is_some() {
                told = Some((attestation, batch));
            }
        }
        self.harness.advance(ROUND);
        let by = self.seats[round as usize % everybody.len()]
            .operator
            .signer
            .insecure_clone();
        let payer = self.seats[0].operator.signer.pubkey();
        let finalize = feeds::finalize_round(&self.network.key, &self.feeds[0].0, round, &payer);
        self.send(&by, &[finalize], &[]).context("finalize")?;
        // What is not closed yet comes back later.
        let rent = |key: &Pubkey| -> Result<u64> {
            Ok(self
                .harness
                .chain
                .account(key)?
                .map_or(0, |account| account.lamports))
        };
        for ((seat, before), attestation) in everybody.iter().zip(before).zip(&made) {
            let fees = (before - hot(self, *seat)?).saturating_sub(rent(attestation)?);
            let others =
                self.parameters.lamports_usd(fees as f64) * (self.parameters.rounds - 1) as f64;
            self.spend(self.seats[*seat].party, others);
        }
        Ok(told)
    }

    pub(super) fn close_attestations(&mut self) -> Result<()> {
        for (attestation, payer) in std::mem::take(&mut self.attestations) {
            let at = |seat: &&Seat| seat.operator.signer.pubkey() == payer;
            let by = &self
                .seats
                .iter()
                .find(at)
                .context("an attester")?
                .operator
                .signer;
            let close = feeds::close_attestation(&self.feeds[0].0, &attestation, &payer, None);
            self.send(by, &[close], &[]).context("close")?;
        }
        Ok(())
    }
}
