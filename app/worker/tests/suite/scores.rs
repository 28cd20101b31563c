//! Scores and rewards, from what was committed and what is on the chain.

use commitment::sum;
use device_protocol::Hash;
use fieldproof_worker::log::Session;
use fieldproof_worker::payload::Reward;
use fieldproof_worker::score::{
    self, Cell, Committed, Demand, Granted, Payee, Said, Scores, Terms, ONE, OPERATOR, OWNER,
};
use proptest::prelude::*;
use reward_emission::state::Scoring;
use std::collections::{BTreeMap, BTreeSet};

/// Two cells of resolution 7, at JFK and LGA, in one of resolution 3.
const CELL: u64 = 0x0872_a103_b1ff_ffff;
const OTHER_CELL: u64 = 0x0872_a100_f5ff_ffff;
/// The feeds.
const F: Hash = [0xf0; 32];
const G: Hash = [0xf1; 32];
/// Readings that each expects of a device in an epoch.
const EXPECTED: u64 = 12;

/// Terms by which each full device counts the same.
fn even() -> Scoring {
    Scoring {
        tiers_bps: [10_000; 4],
        cell_capacity: u16::MAX,
        cell_target: 0,
        scarcity_bps: 0,
        cell_resolution: 7,
        full_owners: 1,
        reputation_floor_bps: 10_000,
        reputation_step_bps: 0,
        max_demand_bps: 10_000,
        _pad: [0; 2],
    }
}

/// The terms that `migrate` makes an emission with if nothing else is said.
fn usual() -> Scoring {
    Scoring {
        tiers_bps: [2_500, 7_500, 10_000, 10_000],
        cell_capacity: 16,
        cell_target: 4,
        scarcity_bps: 5_000,
        cell_resolution: 7,
        full_owners: 3,
        reputation_floor_bps: 5_000,
        reputation_step_bps: 500,
        max_demand_bps: 30_000,
        _pad: [0; 2],
    }
}

/// Terms of `epoch`, with as much bond as anybody needs.
fn terms(epoch: u64, scoring: Scoring) -> Terms {
    Terms {
        epoch,
        scoring,
        expected: [(F, EXPECTED), (G, EXPECTED)].into(),
        bonds: (0..=u8::MAX).map(|owner| ([owner; 32], 1 << 40)).collect(),
        slashed: BTreeMap::new(),
        demand: Demand::default(),
    }
}

/// Readings of these sequences, each saying another thing.
fn said(sequences: impl IntoIterator<Item = u64>) -> Vec<Said> {
    let said = |sequence: u64| {
        let mut digest = [0; 32];
        digest[..8].copy_from_slice(&sequence.to_le_bytes());
        Said {
            session: Session {
                leaf_nonce: 0,
                counter: 1,
            },
            sequence,
            captured_at: 3_600_000 * sequence as i64,
            digest,
            grant: [7; 32],
        }
    };
    sequences.into_iter().map(said).collect()
}

/// What device `device` of owner `owner` gave for feed F by pool 1 in one commitment of an epoch.
fn window(
    device: u8,
    owner: u8,
    epoch: u64,
    sequences: impl IntoIterator<Item = u64>,
) -> Committed {
    Committed {
        commitment: epoch * 100,
        feed: F,
        device: [device; 32],
        readings: said(sequences),
        epoch,
        pool: [1; 32],
        owner: [owner; 32],
        maker: [1; 32],
        tier: 1,
        cell: CELL,
        place: (0, u32::from(device)),
        bond: 5,
    }
}

fn payee(kind: u8, id: u8) -> Payee {
    Payee {
        kind,
        index: u32::from(id),
        key: [id; 32],
    }
}

/// The scores, if everybody is a payee.
fn scores(windows: &[Committed], terms: &Terms) -> Scores {
    let ids = 0..=u8::MAX;
    let everybody: Vec<Payee> = ids
        .flat_map(|id| [payee(OWNER, id), payee(OPERATOR, id)])
        .collect();
    score::scores(windows, terms, &everybody).expect("sums fit")
}

/// What a full device is worth if `readings` of [`EXPECTED`] are given.
fn share_of(readings: u64) -> u64 {
    ONE * readings / EXPECTED
}

fn sum_of(scores: &Scores, kind: u8) -> u64 {
    scores
        .iter()
        .filter(|((of, _), _)| *of == kind)
        .map(|(_, score)| score)
        .sum()
}

#[test]
fn count_a_reading_once_where_it_was_committed_first() {
    let by = |pool, commitment, window| Committed {
        pool: [pool; 32],
        commitment,
        ..window
    };
    let windows = [
        by(1, 0, window(9, 9, 0, [1])), // before the epoch
        by(1, 1, window(9, 9, 1, [2])),
        by(2, 2, window(9, 9, 1, [2])), // again, elsewhere
        by(2, 3, window(9, 9, 1, [1])), // it counted in an epoch before
        by(2, 4, window(8, 8, 1, [1])),
        by(2, 5, window(8, 8, 2, [2])), // after the epoch
    ];
    let expected = [
        ((OWNER, [8; 32]), share_of(1)),
        ((OWNER, [9; 32]), share_of(1)),
        ((OPERATOR, [1; 32]), share_of(1)),
        ((OPERATOR, [2; 32]), share_of(1)),
    ];
    assert_eq!(scores(&windows, &terms(1, even())), expected.into());
}

#[test]
fn give_nothing_for_devices_beyond_the_bond() {
    let device = |owner, tree, index, bond| Committed {
        place: (tree, index),
        bond,
        ..window(owner * 10 + index as u8, owner, 1, 0..EXPECTED)
    };
    let windows = [
        device(9, 1, 0, 5), // the last of its owner's, for which nothing is left
        device(9, 0, 7, 5),
        device(9, 0, 3, 5),
        device(9, 0, 8, 1), // for which what the others leave is enough
        device(8, 0, 1, 5), // no bond at all
        device(7, 0, 2, 0), // none asked for
    ];
    let mut terms = terms(1, even());
    terms.bonds = [([9; 32], 11)].into();
    let expected = [
        ((OWNER, [7; 32]), ONE),
        ((OWNER, [9; 32]), 3 * ONE),
        ((OPERATOR, [1; 32]), 4 * ONE),
    ];
    assert_eq!(scores(&windows, &terms), expected.into());
}

#[test]
fn pay_for_no_more_readings_than_a_feed_expects() {
    let full = window(1, 1, 1, 0..EXPECTED);
    let flood = window(1, 1, 1, 0..100 * EXPECTED);
    let terms = terms(1, usual());
    let score = scores(&[full], &terms);
    assert!(sum_of(&score, OWNER) > 0);
    assert_eq!(scores(&[flood], &terms), score);
    // Half for each of two feeds is as much as all for one.
    let halves = [
        window(1, 1, 1, 0..EXPECTED / 2),
        Committed {
            feed: G,
            ..window(1, 1, 1, EXPECTED / 2..EXPECTED)
        },
    ];
    assert_eq!(scores(&halves, &terms), score);
}

#[test]
fn expect_what_windows_take_at_the_pace_that_the_gap_allows() {
    let mut feed: ai_feed::state::Feed = bytemuck::Zeroable::zeroed();
    for (round_length, max_gap, expected) in [
        (600, 3_600, 12),     // a reading an hour
        (3_600, 60, 16 * 12), // a reading a minute, of which the last 16 of an hour are taken
        (86_400, 60, 1),      // rounds longer than the epoch
        (600, u32::MAX, 1),   // any gap
    ] {
        (feed.round_length, feed.max_gap) = (round_length, max_gap);
        assert_eq!(score::expected(&feed, 43_200), expected);
    }
}

#[test]
fn count_devices_in_cells_of_the_scoring_resolution() {
    assert_eq!(score::place(CELL, 7), CELL);
    assert_eq!(score::place(CELL, 8), CELL); // no finer than it says
    let parent = score::place(CELL, 3);
    assert_eq!((parent >> 52) & 0xf, 3);
    assert_eq!(score::place(OTHER_CELL, 3), parent);
    assert_ne!(score::place(OTHER_CELL, 7), CELL);
    for nowhere in [0, 1, u64::MAX] {
        assert_eq!(score::place(nowhere, 7), 0);
    }
}

#[test]
fn clip_crowded_cells_and_add_to_those_that_lack_devices() {
    let scoring = Scoring {
        full_owners: 1,
        ..usual()
    };
    let mut cell = Cell::default();
    let mut coverages = Vec::new();
    for device in 0..32 {
        cell.add(ONE, [device; 32], [0; 32]);
        coverages.push(cell.coverage(&scoring));
    }
    // 1 + a half × 3/4, 2/4 and 1/4; then 1 up to 16 devices, which 17 and 32 share.
    assert_eq!(coverages[..4], [90_112, 81_920, 73_728, ONE]);
    assert_eq!(coverages[4..16], [ONE; 12]);
    assert_eq!(coverages[16], ONE * 16 / 17);
    assert_eq!(coverages[31], ONE / 2);
}

#[test]
fn ask_for_owners_of_as_many_makers_before_a_cell_earns_in_full() {
    let scoring = Scoring {
        scarcity_bps: 0,
        ..usual()
    };
    let coverage = |devices: &[(u64, u8, u8)]| {
        let mut cell = Cell::default();
        for (quality, owner, maker) in devices {
            cell.add(*quality, [*owner; 32], [*maker; 32]);
        }
        cell.coverage(&scoring)
    };
    let (third, two_thirds) = (ONE / 3, ONE * 2 / 3);
    assert_eq!(coverage(&[(ONE, 1, 1)]), third);
    assert_eq!(coverage(&[(ONE, 1, 1), (ONE, 1, 2), (ONE, 1, 3)]), third); // one owner
    assert_eq!(coverage(&[(ONE, 1, 1), (ONE, 2, 1), (ONE, 3, 1)]), third); // one maker
    assert_eq!(coverage(&[(ONE, 1, 1), (ONE, 2, 2)]), two_thirds);
    assert_eq!(coverage(&[(ONE, 1, 1), (ONE, 2, 2), (ONE, 3, 3)]), ONE);
    // Owners 1 and 2 give way to 3, which has devices of maker 1 alone.
    let give_way = [
        (ONE, 1, 1),
        (ONE, 1, 2),
        (ONE, 2, 2),
        (ONE, 2, 3),
        (ONE, 3, 1),
    ];
    assert_eq!(coverage(&give_way), ONE);
    // Three owners can't share two makers.
    let two_makers = [(ONE, 1, 1), (ONE, 1, 2), (ONE, 2, 1), (ONE, 3, 2)];
    assert_eq!(coverage(&two_makers), two_thirds);
    // A device that hardly measures makes no owner.
    assert_eq!(coverage(&[(ONE, 1, 1), (ONE / 2 - 1, 2, 2)]), third);
    assert_eq!(coverage(&[(ONE, 1, 1), (ONE / 2, 2, 2)]), two_thirds);
}

#[test]
fn halve_a_reputation_by_a_contradiction_and_restore_it_by_honest_epochs() {
    let scoring = usual();
    let (floor, step) = (ONE / 2, 3_276);
    let honest: BTreeMap<u64, u64> = (0..40).map(|epoch| (epoch, ONE)).collect();
    let none = BTreeSet::new();
    let of = |epoch| score::reputation(&honest, &none, epoch, &scoring);
    assert_eq!(of(0), floor); // everybody begins with the least
    assert_eq!(of(1), floor + step);
    assert_eq!(of(10), floor + 10 * step);
    assert_eq!(of(11), ONE);
    assert_eq!(of(40), ONE);
    // What it gives in the epoch itself counts later, what contradicts it counts at once.
    let twice: BTreeSet<u64> = [20, 30].into();
    let of = |epoch| score::reputation(&honest, &twice, epoch, &scoring);
    assert_eq!(
        [19, 20, 21, 22].map(of),
        [ONE, ONE / 2, ONE / 2, ONE / 2 + step]
    );
    assert_eq!([30, 31, 32].map(of), [floor, floor, floor + step]); // never below the least
                                                                    // Half a full epoch restores half as much, one without readings nothing.
    let half: BTreeMap<u64, u64> = [(3, ONE / 2)].into();
    assert_eq!(
        score::reputation(&half, &none, 9, &scoring),
        floor + step / 2
    );
}

#[test]
fn see_where_a_device_contradicts_itself() {
    let lie = |change: fn(&mut Said)| {
        let mut said = said([3]);
        change(&mut said[0]);
        said
    };
    let scored = |readings| {
        // Ten epochs, then in the eleventh what another stream has of the first.
        let mut windows: Vec<Committed> = (0..=11)
            .map(|epoch| window(1, 1, epoch, epoch * EXPECTED..(epoch + 1) * EXPECTED))
            .collect();
        windows.push(Committed {
            commitment: 1_150,
            readings,
            pool: [2; 32],
            ..window(1, 1, 11, [])
        });
        sum_of(&scores(&windows, &terms(11, usual())), OWNER)
    };
    let honest = scored(lie(|_| {}));
    assert_eq!(honest, (90_112 / 3) * 3 / 4); // alone in its cell, tier 1
    assert_eq!(scored(lie(|said| said.digest = [9; 32])), honest / 2);
    // A device that forgot what it granted did not contradict itself, nor in session 0 one that forgot its counter.
    let regranted = lie(|said| (said.digest, said.grant) = ([9; 32], [8; 32]));
    assert_eq!(scored(regranted), honest);
    let session_0 = |captured_at| {
        let said = |digest| Said {
            session: Session {
                leaf_nonce: 0,
                counter: 0,
            },
            digest,
            captured_at,
            grant: [0; 32],
            ..said([1 << 40])[0]
        };
        [
            said([1; 32]),
            Said {
                captured_at: 5,
                ..said([2; 32])
            },
        ]
        .to_vec()
    };
    assert_eq!(scored(session_0(4)), honest);
    assert_eq!(scored(session_0(5)), honest / 2);
}

#[test]
fn give_less_to_who_was_slashed() {
    let windows = [window(1, 1, 0, 0..EXPECTED), window(2, 2, 0, 0..EXPECTED)];
    let scoring = Scoring {
        reputation_floor_bps: 5_000,
        reputation_step_bps: 10_000,
        ..even()
    };
    let later: Vec<Committed> = windows
        .iter()
        .cloned()
        .chain([1, 2].map(|device| window(device, device, 1, EXPECTED..2 * EXPECTED)))
        .collect();
    let mut terms = terms(1, scoring);
    let expected = [
        ((OWNER, [1; 32]), ONE),
        ((OWNER, [2; 32]), ONE),
        ((OPERATOR, [1; 32]), 2 * ONE),
    ];
    assert_eq!(scores(&later, &terms), expected.into());
    terms.slashed = [([2; 32], [1].into())].into();
    let expected = [
        ((OWNER, [1; 32]), ONE),
        ((OWNER, [2; 32]), ONE / 2),
        ((OPERATOR, [1; 32]), ONE + ONE / 2),
    ];
    assert_eq!(scores(&later, &terms), expected.into());
    // An operator's own fault is not its owners'.
    terms.slashed = [([1; 32], [1].into())].into();
    let scores = scores(&later, &terms);
    assert_eq!(scores[&(OWNER, [2; 32])], ONE);
    assert_eq!(scores[&(OPERATOR, [1; 32])], (ONE + ONE / 2) / 2);
}

/// The example of docs/protocol.md.
#[test]
fn are_those_of_the_worked_example() {
    let (owner_a, owner_b) = (0xa, 0xb);
    let (pool_x, pool_y) = ([0x58; 32], [0x59; 32]);
    let from = |epoch: u64, readings: u64| epoch * 100..epoch * 100 + readings;
    let device_1 = |epoch| Committed {
        pool: pool_x,
        ..window(1, owner_a, epoch, from(epoch, EXPECTED))
    };
    let device_2 = |epoch, readings| Committed {
        maker: [2; 32],
        tier: 2,
        pool: pool_x,
        ..window(2, owner_b, epoch, from(epoch, readings))
    };
    let device_3 = |epoch| Committed {
        cell: OTHER_CELL,
        feed: G,
        pool: pool_y,
        ..window(3, owner_a, epoch, from(epoch, EXPECTED))
    };
    let mut windows: Vec<Committed> = (0..=3)
        .flat_map(|epoch| [device_1(epoch), device_3(epoch)])
        .collect();
    windows.extend([
        device_2(0, 12),
        device_2(2, 6),
        device_2(3, 8),
        Committed {
            commitment: 399,
            pool: pool_y,
            ..device_2(3, 9)
        },
    ]);
    let mut terms = terms(3, usual());
    terms.slashed = [([2; 32], [1].into()), (pool_y, [2].into())].into();
    let owner = |scores: &Scores, owner: u8| scores[&(OWNER, [owner; 32])];

    let before = scores(&windows, &terms);
    assert_eq!(owner(&before, owner_a), 27_287 + 14_642);
    assert_eq!(owner(&before, owner_b), 22_041);

    terms.demand = Demand {
        budget: 970_299_000,
        floor: 776_239_200,
        burned: 1_000_000_000,
        feeds: [(F, 300_000_000), (G, 500_000_000)].into(),
    };
    let factors = |f, g| {
        let by_feed = [(F, f), (G, g)].into();
        terms.demand.factors(&by_feed, 30_000)
    };
    let of_owners = factors(27_287 + 22_041, 14_642);
    assert_eq!(of_owners, Some([(F, 71_606), (G, 99_622)].into()));
    let of_operators = factors(30_469 + 1_224, 7_321);
    assert_eq!(of_operators, Some([(F, 71_298), (G, 107_112)].into()));
    let scores = scores(&windows, &terms);
    let expected = [
        ((OWNER, [owner_a; 32]), 52_071),
        ((OWNER, [owner_b; 32]), 24_082),
        ((OPERATOR, pool_x), 33_147),
        ((OPERATOR, pool_y), 13_297),
    ];
    assert_eq!(scores, expected.into());

    let payee = |kind, index, key| Payee { kind, index, key };
    let payees = [
        payee(OWNER, 0, [owner_a; 32]),
        payee(OWNER, 1, [owner_b; 32]),
        payee(OPERATOR, 0, pool_x),
        payee(OPERATOR, 1, pool_y),
    ];
    let none = BTreeMap::new();
    let rewards = score::rewards(3, &scores, &payees, &none, 776_239_200, 194_059_800);
    let earned: Vec<u64> = rewards
        .expect("rewards")
        .entries
        .iter()
        .map(|entry| entry.cumulative)
        .collect();
    assert_eq!(earned, [530_767_683, 245_471_516, 138_500_133, 55_559_666]);
}

/// Windows of a few devices, owners, makers, cells, pools, feeds and epochs.
fn any_windows() -> impl Strategy<Value = Vec<Committed>> {
    let one = (
        (0..24u8, 0..6u8, 0..4u8, 0..3u8),
        (0..3u64, 0..40u64, 0..20u64),
        (any::<bool>(), 0..3u8, any::<u8>()),
    );
    prop::collection::vec(one, 1..60).prop_map(|windows| {
        windows
            .into_iter()
            .map(|(of, (epoch, first, readings), (feed, pool, lie))| {
                let (device, owner, maker, tier) = of;
                let mut window = Committed {
                    commitment: epoch * 100 + u64::from(pool),
                    feed: if feed { F } else { G },
                    pool: [0x50 + pool; 32],
                    // A device is one owner's, of one maker and at one place.
                    owner: [device % (owner + 1); 32],
                    maker: [device % (maker + 1); 32],
                    tier,
                    cell: [CELL, OTHER_CELL, 0][usize::from(device % 3)],
                    ..window(device, 0, epoch, first..first + readings)
                };
                // One in eight lies once.
                if lie < 32 {
                    if let Some(said) = window.readings.first_mut() {
                        said.digest = [lie; 32];
                    }
                }
                window
            })
            .collect()
    })
}

proptest! {
    #[test]
    fn do_not_depend_on_the_order_of_what_is_scored(
        (windows, shuffled) in any_windows()
            .prop_flat_map(|windows| (Just(windows.clone()), Just(windows).prop_shuffle())),
    ) {
        let terms = terms(2, usual());
        prop_assert_eq!(scores(&windows, &terms), scores(&shuffled, &terms));
    }

    #[test]
    fn give_operators_what_owners_got_to_the_unit(windows in any_windows()) {
        let even_reputation = Scoring {
            reputation_floor_bps: 10_000,
            reputation_step_bps: 0,
            ..usual()
        };
        let scores = scores(&windows, &terms(2, even_reputation));
        prop_assert_eq!(sum_of(&scores, OWNER), sum_of(&scores, OPERATOR));
    }

    #[test]
    fn never_give_a_cell_more_than_its_capacity(
        windows in any_windows(),
        cell_capacity in 1..6u16,
        cell_target in 0..6u16,
        scarcity_bps in 0..=10_000u16,
        full_owners in 1..4u8,
    ) {
        let scoring = Scoring {
            cell_capacity,
            cell_target: cell_target.min(cell_capacity),
            scarcity_bps,
            full_owners,
            ..even()
        };
        let in_cell: Vec<Committed> = windows
            .into_iter()
            .map(|window| Committed { cell: CELL, ..window })
            .collect();
        let terms = terms(2, scoring);
        let sum = sum_of(&scores(&in_cell, &terms), OWNER);
        prop_assert!(sum <= u64::from(cell_capacity) * ONE);
        // Each device gets at most twice a full one's.
        let devices: BTreeSet<Hash> = in_cell.iter().map(|window| window.device).collect();
        prop_assert!(sum <= 2 * ONE * devices.len() as u64);
    }

    #[test]
    fn grow_with_each_reading_of_a_device(
        windows in any_windows(),
        readings in 0..EXPECTED,
        cell_capacity in 1..6u16,
        cell_target in 0..6u16,
        scarcity_bps in 0..=10_000u16,
    ) {
        let scoring = Scoring {
            cell_capacity,
            cell_target: cell_target.min(cell_capacity),
            scarcity_bps,
            ..usual()
        };
        let own = |readings| {
            let device = window(200, 200, 2, 0..readings);
            let windows: Vec<_> = windows.iter().cloned().chain([device]).collect();
            let scores = scores(&windows, &terms(2, scoring));
            let own = scores.get(&(OWNER, [200; 32])).copied().unwrap_or(0);
            own
        };
        // Rounding of the cell's factor costs at most a unit of it.
        prop_assert!(own(readings + 1) + 2 >= own(readings));
    }

    #[test]
    fn pay_nothing_for_many_names(
        devices in prop::collection::vec((1..=EXPECTED, 1..5u8), 1..20),
        makers in 1..4u8,
        others in 0..3u8,
        full_owners in 1..5u8,
    ) {
        let scoring = Scoring { full_owners, ..usual() };
        let makers_of = |device: u8| [100 + device % makers; 32];
        // The farm's owner is 200; split, each device has an owner of its own. Others measure there too.
        let scored = |split: bool| {
            let farm = (0u8..).zip(&devices).map(|(device, (readings, _))| Committed {
                maker: makers_of(device),
                ..window(device, if split { 100 + device } else { 200 }, 0, 0..*readings)
            });
            let others = (0..others).map(|other| Committed {
                maker: [50 + other; 32],
                ..window(50 + other, 50 + other, 0, 0..EXPECTED)
            });
            let windows: Vec<Committed> = farm.chain(others).collect();
            let scores = scores(&windows, &terms(0, scoring));
            (100..=200u8)
                .filter_map(|owner| scores.get(&(OWNER, [owner; 32])))
                .sum::<u64>()
        };
        let (one, many) = (scored(false), scored(true));
        if makers == 1 {
            // Whatever it is called, a maker's farm is one.
            prop_assert_eq!(one, many);
        } else {
            // As many times as much as it has makers at most, but for what was rounded down.
            prop_assert!(many <= one * u64::from(makers.min(full_owners)) + 20 * 5);
        }
    }

    #[test]
    fn keep_reputations_within_their_bounds(
        honest in prop::collection::btree_map(0..50u64, 0..=ONE, 0..50),
        contradicted in prop::collection::btree_set(0..50u64, 0..50),
        epoch in 0..60u64,
        reputation_floor_bps in 1..=10_000u16,
        reputation_step_bps in 1..=10_000u16,
    ) {
        let scoring = Scoring { reputation_floor_bps, reputation_step_bps, ..usual() };
        let reputation = score::reputation(&honest, &contradicted, epoch, &scoring);
        let floor = u64::from(reputation_floor_bps) * ONE / 10_000;
        prop_assert!((floor..=ONE).contains(&reputation));
        // Nothing that contradicts it makes it better.
        let spotless = score::reputation(&honest, &BTreeSet::new(), epoch, &scoring);
        prop_assert!(reputation <= spotless);
    }

    #[test]
    fn share_out_by_demand_no_more_than_was_burned_for_it(
        feeds in prop::collection::vec((1..1u64 << 20, 0..1u64 << 30), 1..6),
        wash in prop_oneof![1..1_000u64, 1..1u64 << 32],
        other in 0..1u64 << 30,
        floor in prop_oneof![Just(0), 0..1u64 << 32],
        scheduled in 1..1u64 << 33,
        max_demand_bps in 10_000..=u16::MAX,
    ) {
        let floor = floor.min(scheduled);
        let id = |feed: usize| [feed as u8; 32];
        let by_feed = |of: fn(&(u64, u64)) -> u64| -> BTreeMap<Hash, u64> {
            (0..).map(id).zip(feeds.iter().map(of)).collect()
        };
        let scores = by_feed(|(score, _)| *score);
        // What feed 0 earns if `wash` more is burned for it.
        let earned = |wash: u64| {
            let mut paid = by_feed(|(_, paid)| *paid);
            *paid.entry(id(0)).or_default() += wash;
            let burned = paid.values().sum::<u64>() + other;
            let budget = burned.clamp(floor, scheduled);
            let demand = Demand { budget, floor, burned, feeds: paid };
            let factors = demand.factors(&scores, max_demand_bps).expect("fits");
            for factor in factors.values() {
                let most = u64::from(max_demand_bps) * ONE / 10_000;
                assert!((ONE..=most).contains(factor), "{factor}");
            }
            let weight = |feed: &Hash| u128::from(scores[feed]) * u128::from(factors[feed]);
            let all: u128 = scores.keys().map(weight).sum();
            (u128::from(budget) * weight(&id(0)) / all) as u64
        };
        let gain = earned(wash).saturating_sub(earned(0));
        // Factors are rounded down to 2^-16.
        prop_assert!(gain <= wash + (scheduled >> 15) + 1, "{gain} for {wash}");
    }
}

/// An emission in one epoch, and what is burned in it.
#[derive(Debug, Clone)]
struct Burned {
    scheduled: u64,
    floor: u64,
    operators_bps: u16,
    feeds: BTreeMap<Hash, u64>,
    /// For no feed.
    other: u64,
}

impl Burned {
    /// The rewards of epoch 1 to `payees` with what is burned, and the owners' and operators' parts of the budget.
    fn rewards(
        &self,
        windows: &[Committed],
        terms: &Terms,
        payees: &[Payee],
    ) -> (Vec<Reward>, [u64; 2]) {
        let burned = self.feeds.values().sum::<u64>() + self.other;
        let budget = burned.clamp(self.floor, self.scheduled);
        let operators = budget * u64::from(self.operators_bps) / 10_000;
        let demand = Demand {
            budget,
            floor: self.floor,
            burned,
            feeds: self.feeds.clone(),
        };
        let terms = Terms {
            demand,
            ..terms.clone()
        };
        let owners = budget - operators;
        let scores = score::scores(windows, &terms, payees).expect("scores");
        assert!(scores.keys().all(|(kind, key)| payees
            .iter()
            .any(|payee| (payee.kind, payee.key) == (*kind, *key))));
        let none = Granted::new();
        let rewards = score::rewards(1, &scores, payees, &none, owners, operators);
        (rewards.expect("rewards").entries, [owners, operators])
    }
}

/// Terms by which operators and devices are worth `reputation_floor_bps` at first, and all after an honest epoch.
fn soon_trusted(reputation_floor_bps: u16) -> Scoring {
    Scoring {
        reputation_floor_bps,
        reputation_step_bps: 10_000,
        max_demand_bps: 30_000,
        ..even()
    }
}

/// Of 100 devices, five measure for feed G, whose owner and operator burn for it; the others for F, for which others burn.
#[test]
fn give_back_no_more_than_was_burned_where_not_everybody_is_paid_alike() {
    const M: u64 = 1_000_000;
    struct Case {
        floor: u64,
        others: u64,
        wash: u64,
        operators_bps: u16,
        /// How many of the other 95 devices' owner is no payee.
        unpaid: u8,
        /// What the other operator counts, who is new.
        reputation_bps: u16,
        /// What the owner and the operator gain.
        gains: [u64; 2],
    }
    let cases = [
        Case {
            floor: 250 * M,
            others: 900 * M,
            wash: 20 * M,
            operators_bps: 2_000,
            unpaid: 38,
            reputation_bps: 10_000,
            gains: [11_775_611, 2_931_740],
        },
        Case {
            floor: 250 * M,
            others: 900 * M,
            wash: 20 * M,
            operators_bps: 4_500,
            unpaid: 0,
            reputation_bps: 5_000,
            gains: [8_062_260, 6_637_232],
        },
        Case {
            floor: 0,
            others: 600 * M,
            wash: 10 * M,
            operators_bps: 2_000,
            unpaid: 19,
            reputation_bps: 10_000,
            gains: [7_999_905, 1_999_986],
        },
    ];
    let payees = [
        payee(OWNER, 1),
        payee(OWNER, 2),
        payee(OPERATOR, 1),
        payee(OPERATOR, 2),
    ];
    for case in cases {
        let windows: Vec<Committed> = (0..100)
            .map(|device| {
                let (feed, owner, pool) = match device {
                    0..5 => (G, 1, 1),
                    _ if device < 100 - case.unpaid => (F, 2, 2),
                    _ => (F, 3, 2),
                };
                Committed {
                    feed,
                    pool: [pool; 32],
                    ..window(device, owner, 1, 0..EXPECTED)
                }
            })
            .chain([window(200, 200, 0, 0..EXPECTED)]) // by which pool 1 is no new one
            .collect();
        let terms = terms(1, soon_trusted(case.reputation_bps));
        let earned = |wash| {
            let burned = Burned {
                scheduled: 1_000 * M,
                floor: case.floor,
                operators_bps: case.operators_bps,
                feeds: [(F, case.others), (G, wash)].into(),
                other: 0,
            };
            let (entries, _) = burned.rewards(&windows, &terms, &payees);
            [OWNER, OPERATOR].map(|kind| {
                let own = entries
                    .iter()
                    .find(|entry| (entry.kind, entry.index) == (kind, 1));
                own.expect("a payee").cumulative
            })
        };
        let (before, after) = (earned(0), earned(case.wash));
        let gains = [after[0] - before[0], after[1] - before[1]];
        assert_eq!(gains, case.gains);
        assert!(gains.iter().sum::<u64>() <= case.wash);
    }
}

proptest! {
    #[test]
    fn pay_for_no_demand_more_than_was_burned_for_it(
        given in prop::collection::vec((0..40u8, 0..4u8, 0..4u8, 0..8u8, 1..=EXPECTED), 1..60),
        unpaid in any::<[[bool; 4]; 2]>(),
        known in any::<[bool; 4]>(),
        reputation_floor_bps in 2_500..=10_000u16,
        max_demand_bps in prop_oneof![10_000..=u16::MAX, 20_000..=40_000u16],
        scheduled in 1..1u64 << 33,
        operators_bps in 0..=10_000u16,
        // In thousandths of what is scheduled.
        (floor, wash) in (prop_oneof![Just(0), 0..=1_000u64], prop_oneof![1..50u64, 1..3_000u64]),
        paid in (0..100u64, 0..1_000u64, 0..200u64),
        other in prop_oneof![Just(0), 0..1_000u64],
    ) {
        let thousandths = |of: u64| scheduled * of / 1_000;
        let wash = thousandths(wash);
        let id = |feed: u8| [0xf0 + feed; 32];
        // Devices that may measure for several feeds, of several owners, by several operators.
        let mut windows: Vec<Committed> = (0..)
            .zip(given)
            .map(|(number, (device, owner, pool, feed, readings))| Committed {
                commitment: number,
                feed: id([0, 1, 1, 1, 1, 1, 1, 2][usize::from(feed)]), // few measure for that in question
                pool: [pool; 32],
                ..window(device, owner, 1, number * EXPECTED..number * EXPECTED + readings)
            })
            .collect();
        windows.extend((0..4).filter(|pool| known[usize::from(*pool)]).map(|pool| Committed {
            pool: [pool; 32],
            ..window(200, 200, 0, [u64::from(pool)])
        }));
        let payees: Vec<Payee> = [OWNER, OPERATOR]
            .into_iter()
            .flat_map(|kind| (0..4).map(move |id| payee(kind, id)))
            .filter(|payee| !unpaid[usize::from(payee.kind)][payee.index as usize])
            .collect();
        let mut terms = terms(1, Scoring {
            max_demand_bps,
            ..soon_trusted(reputation_floor_bps)
        });
        terms.expected = (0..3).map(|feed| (id(feed), EXPECTED)).collect();
        // Factors are rounded down to 2^-16 (of shares of 2^-24), scores to units and amounts to base units, each time.
        let mut tolerance = 0;
        let mut earned = |wash: u64| -> BTreeMap<(u8, u32), u64> {
            let burned = Burned {
                scheduled,
                floor: thousandths(floor),
                operators_bps,
                feeds: [
                    (id(0), thousandths(paid.0) + wash),
                    (id(1), thousandths(paid.1)),
                    (id(2), thousandths(paid.2)),
                ]
                .into(),
                other: thousandths(other),
            };
            let (entries, parts) = burned.rewards(&windows, &terms, &payees);
            for (kind, part) in [OWNER, OPERATOR].into_iter().zip(parts) {
                let of_kind = entries.iter().filter(|entry| entry.kind == kind);
                let (count, total) = of_kind.fold((0, 0), |(count, total), entry| {
                    (count + 1, total + entry.score)
                });
                let by_scores = (part * count).checked_div(total).unwrap_or(0);
                tolerance += (part >> 16) + (part >> 20) + by_scores + count + 2;
            }
            entries
                .iter()
                .map(|entry| ((entry.kind, entry.index), entry.cumulative))
                .collect()
        };
        let (before, after) = (earned(0), earned(wash));
        // Whoever gains by it, whatever feeds he measures for, as an owner or as an operator.
        let gain: u64 = after
            .iter()
            .map(|(payee, earned)| {
                let before = before.get(payee).copied().unwrap_or(0);
                earned.saturating_sub(before)
            })
            .sum();
        prop_assert!(gain <= wash + tolerance, "{gain} for {wash}, and {tolerance}");
    }
}

#[test]
fn leave_everything_as_it_is_without_demand() {
    let scores = [(F, 10), (G, 20)].into();
    let even = Some([(F, ONE), (G, ONE)].into());
    let demand = |budget, floor, burned, feeds: &[(Hash, u64)]| Demand {
        budget,
        floor,
        burned,
        feeds: feeds.iter().copied().collect(),
    };
    for demand in [
        Demand::default(),
        demand(100, 0, 0, &[]),
        demand(100, 0, 50, &[]),              // for other things
        demand(100, 0, 50, &[([1; 32], 50)]), // on a feed that nothing measures for
        demand(100, 100, 50, &[(F, 50)]),     // no more than is emitted anyway
    ] {
        assert_eq!(demand.factors(&scores, 30_000), even);
    }
    // All of the budget was paid for by one feed, which gets as much of it as it may.
    let paid = demand(100, 0, 50, &[(F, 50)]);
    let most = Some([(F, 3 * ONE), (G, ONE)].into());
    assert_eq!(paid.factors(&scores, 30_000), most);
    assert_eq!(
        paid.factors(&scores, 10_000),
        Some([(F, ONE), (G, ONE)].into())
    );
    // More for feeds than was burned is no input.
    assert_eq!(
        demand(100, 0, 50, &[(F, 50), (G, 50)]).factors(&scores, 30_000),
        None
    );
}

#[test]
fn give_nothing_to_those_who_are_no_payees_and_grow_what_was_earned_before() {
    let scores = [((OWNER, [1; 32]), 1), ((OWNER, [2; 32]), 5)].into();
    let payees = [
        Payee {
            kind: OWNER,
            index: 0,
            key: [1; 32],
        },
        Payee {
            kind: OWNER,
            index: 1,
            key: [3; 32],
        },
        Payee {
            kind: OPERATOR,
            index: 0,
            key: [4; 32],
        },
    ];
    let previous = [((OWNER, [1; 32]), 40), ((OWNER, [3; 32]), 2)].into();
    let rewards = score::rewards(7, &scores, &payees, &previous, 100, 50).expect("rewards");
    let entry = |index, payee, score, cumulative| Reward {
        kind: OWNER,
        index,
        payee,
        score,
        cumulative,
    };
    assert_eq!(
        rewards.entries,
        [entry(0, [1; 32], 1, 140), entry(1, [3; 32], 0, 2)]
    );
    assert_eq!((rewards.epoch, rewards.depth), (7, 2));
}

proptest! {
    #[test]
    fn never_share_out_more_than_the_parts_of_the_budget(
        given in prop::collection::vec((0..=1u8, 0..40u32, any::<u64>(), 0..1u64 << 40), 1..30),
        owners_part in any::<u64>(),
        operators_part in any::<u64>(),
    ) {
        let mut places = BTreeSet::new();
        let (mut payees, mut scores, mut previous) = (Vec::new(), BTreeMap::new(), BTreeMap::new());
        for (kind, index, score, before) in given {
            if !places.insert((kind, index)) {
                continue;
            }
            let mut key = [kind; 32];
            key[..4].copy_from_slice(&index.to_le_bytes());
            payees.push(Payee { kind, index, key });
            // Sums of scores must fit, as numbers of readings do.
            scores.insert((kind, key), score >> 8);
            previous.insert((kind, key), before);
        }
        let rewards =
            score::rewards(1, &scores, &payees, &previous, owners_part, operators_part);
        let Some(rewards) = rewards else {
            // Only sums beyond 64 bits don't fit.
            prop_assert!(owners_part.max(operators_part) > u64::MAX - (1 << 40));
            return Ok(());
        };
        for (kind, part) in [(OWNER, owners_part), (OPERATOR, operators_part)] {
            let sum: u128 = rewards
                .entries
                .iter()
                .filter(|entry| entry.kind == kind)
                .map(|entry| u128::from(entry.cumulative))
                .sum();
            let before: u128 = previous
                .iter()
                .filter(|((of, _), _)| *of == kind)
                .map(|(_, amount)| u128::from(*amount))
                .sum();
            prop_assert!(sum <= before + u128::from(part));
        }
        for entry in &rewards.entries {
            prop_assert!(entry.cumulative >= previous[&(entry.kind, entry.payee)]);
        }
        // Both trees hold every entry at its place.
        if let Ok((score_tree, reward_tree)) = score::trees(&rewards) {
            for entry in &rewards.entries {
                let depth = u32::from(rewards.depth);
                for (tree, leaf) in [
                    (&score_tree, sum::score_leaf(&entry.payee, entry.score)),
                    (&reward_tree, sum::reward_leaf(&entry.payee, entry.cumulative)),
                ] {
                    let path = tree.path(entry.kind, entry.index).expect("path");
                    let proof = commitment::verify_sum(
                        tree.root(), depth, entry.kind, entry.index, leaf, &path,
                    );
                    prop_assert_eq!(proof, Ok(()));
                }
            }
        }
    }
}

#[test]
fn come_out_the_same_whatever_the_payees_order() {
    let scores: score::Scores = (0..9)
        .map(|payee| ((OWNER, [payee; 32]), u64::from(payee)))
        .collect();
    let mut payees: Vec<Payee> = (0..9)
        .map(|index| Payee {
            kind: OWNER,
            index,
            key: [index as u8; 32],
        })
        .collect();
    let rewards = |payees: &[Payee]| {
        score::rewards(0, &scores, payees, &BTreeMap::new(), 1_000, 0).expect("rewards")
    };
    let forward = rewards(&payees);
    payees.reverse();
    assert_eq!(rewards(&payees), forward);
}
