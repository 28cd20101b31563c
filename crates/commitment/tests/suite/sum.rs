use crate::naive;
use commitment::sum::{parent, position, MAX_DEPTH, OPERATOR, OWNER};
use commitment::{reward_leaf, score_leaf, verify_sum, ProofError, SumNode, SumTree};
use proptest::prelude::*;
use std::collections::BTreeMap;

/// Where a leaf lies, and the leaf.
type Place = (u8, u32);

fn tree(depth: u32, leaves: &BTreeMap<Place, SumNode>) -> Result<SumTree, ProofError> {
    SumTree::new(
        depth,
        leaves
            .iter()
            .map(|((kind, index), leaf)| (*kind, *index, *leaf)),
    )
}

fn by_position(depth: u32, leaves: &BTreeMap<Place, SumNode>) -> BTreeMap<u32, SumNode> {
    leaves
        .iter()
        .map(|((kind, index), leaf)| (u32::from(*kind) * (1 << (depth - 1)) + index, *leaf))
        .collect()
}

fn path(siblings: &[SumNode]) -> Vec<u8> {
    let mut path = Vec::new();
    for sibling in siblings {
        path.extend(sibling.hash);
        path.extend(sibling.sum.to_le_bytes());
    }
    path
}

/// A depth, and leaves at some of its places, of sums that may overflow together.
fn sparse(max_sum: u64) -> impl Strategy<Value = (u32, BTreeMap<Place, SumNode>)> {
    (1u32..9).prop_flat_map(move |depth| {
        let place = (0u8..2, 0u32..1 << (depth - 1));
        let leaf =
            (any::<[u8; 32]>(), 0..=max_sum).prop_map(|(payee, sum)| reward_leaf(&payee, sum));
        (Just(depth), prop::collection::btree_map(place, leaf, 0..40))
    })
}

#[test]
fn owners_are_the_left_half_and_operators_the_right() {
    for depth in 1..=MAX_DEPTH {
        let half = 1 << (depth - 1);
        assert_eq!(position(depth, OWNER, 0), Ok(0));
        assert_eq!(position(depth, OWNER, half - 1), Ok(half - 1));
        assert_eq!(position(depth, OPERATOR, 0), Ok(half));
        assert_eq!(position(depth, OPERATOR, half - 1), Ok(2 * half - 1));
        assert_eq!(position(depth, OWNER, half), Err(ProofError::Index));
        assert_eq!(position(depth, OPERATOR, half), Err(ProofError::Index));
        assert_eq!(position(depth, 2, 0), Err(ProofError::Index));
        assert_eq!(position(depth, OWNER, u32::MAX), Err(ProofError::Index));
    }
    for depth in [0, MAX_DEPTH + 1, 64, u32::MAX] {
        assert_eq!(position(depth, OWNER, 0), Err(ProofError::Length));
        let refused = verify_sum(SumNode::EMPTY, depth, OWNER, 0, SumNode::EMPTY, &[]);
        assert_eq!(refused, Err(ProofError::Length));
        assert_eq!(SumTree::new(depth, []).unwrap_err(), ProofError::Length);
    }
}

#[test]
fn a_million_payees_fit() {
    let leaf = reward_leaf(&naive::leaf(0), 7);
    let last = (1 << 20) - 1;
    let leaves = [
        (OWNER, last, leaf),
        (OPERATOR, 0, leaf),
        (OPERATOR, last, leaf),
    ];
    let tree = SumTree::new(MAX_DEPTH, leaves).unwrap();
    assert_eq!(tree.root().sum, 21);
    for (kind, index, leaf) in leaves {
        let path = tree.path(kind, index).unwrap();
        assert_eq!(
            verify_sum(tree.root(), MAX_DEPTH, kind, index, leaf, &path),
            Ok(())
        );
    }
}

#[test]
fn two_leaves_at_one_place_are_refused() {
    let leaf = reward_leaf(&naive::leaf(0), 1);
    let refused = SumTree::new(3, [(OWNER, 1, leaf), (OPERATOR, 1, leaf), (OWNER, 1, leaf)]);
    assert_eq!(refused.unwrap_err(), ProofError::Index);
    let refused = SumTree::new(3, [(OWNER, 4, leaf)]);
    assert_eq!(refused.unwrap_err(), ProofError::Index);
}

#[test]
fn overflow_is_refused_wherever_it_happens() {
    let large = reward_leaf(&naive::leaf(0), u64::MAX);
    let one = reward_leaf(&naive::leaf(1), 1);
    assert_eq!(parent(&large, &one), Err(ProofError::Overflow));
    assert_eq!(parent(&large, &SumNode::EMPTY).unwrap().sum, u64::MAX);
    let refused = SumTree::new(3, [(OWNER, 0, large), (OPERATOR, 3, one)]);
    assert_eq!(refused.unwrap_err(), ProofError::Overflow);

    // the root that a wrapping sum would have
    let root = SumNode {
        hash: naive::sum_hash(&large, &one),
        sum: 0,
    };
    let refused = verify_sum(root, 1, OWNER, 0, large, &path(&[one]));
    assert_eq!(refused, Err(ProofError::Overflow));
}

#[test]
fn a_node_is_no_leaf() {
    let leaves: BTreeMap<_, _> = (0..8)
        .map(|n| {
            (
                (n as u8 / 4, n % 4),
                reward_leaf(&naive::leaf(n.into()), 10),
            )
        })
        .collect();
    let tree = tree(3, &leaves).unwrap();
    let siblings = tree.path(OWNER, 0).unwrap();
    let node = parent(&leaves[&(OWNER, 0)], &leaves[&(OWNER, 1)]).unwrap();
    let shorter = verify_sum(tree.root(), 3, OWNER, 0, node, &siblings[40..]);
    assert_eq!(shorter, Err(ProofError::Length));
    let full = verify_sum(tree.root(), 3, OWNER, 0, node, &siblings);
    assert_eq!(full, Err(ProofError::Mismatch));
    // of a score leaf is no reward leaf
    assert_ne!(
        score_leaf(&naive::leaf(0), 10),
        reward_leaf(&naive::leaf(0), 10)
    );
}

proptest! {
    #[test]
    fn the_builder_is_the_naive_tree((depth, leaves) in sparse(u64::MAX / 16)) {
        let naive_root = naive::sum_node(&by_position(depth, &leaves), depth, 0);
        match tree(depth, &leaves) {
            Ok(tree) => {
                prop_assert_eq!(Some(tree.root()), naive_root);
                for kind in [OWNER, OPERATOR] {
                    for index in 0..1 << (depth - 1) {
                        let leaf = leaves.get(&(kind, index)).copied().unwrap_or_default();
                        let path = tree.path(kind, index).unwrap();
                        prop_assert_eq!(verify_sum(tree.root(), depth, kind, index, leaf, &path), Ok(()));
                    }
                }
            }
            Err(error) => {
                prop_assert_eq!(error, ProofError::Overflow);
                prop_assert_eq!(naive_root, None);
            }
        }
    }

    #[test]
    fn anything_tampered_is_refused(
        (depth, leaves) in sparse(1 << 40),
        chosen in any::<prop::sample::Index>(),
        byte in any::<prop::sample::Index>(),
        bit in 0u8..8,
    ) {
        prop_assume!(!leaves.is_empty());
        let tree = tree(depth, &leaves).unwrap();
        let (&(kind, index), &leaf) = leaves.iter().nth(chosen.index(leaves.len())).unwrap();
        let (root, path) = (tree.root(), tree.path(kind, index).unwrap());
        let verify = |root, leaf, path: &[u8]| verify_sum(root, depth, kind, index, leaf, path);
        prop_assert_eq!(verify(root, leaf, &path), Ok(()));

        // every bit of the path counts: hashes and sums
        let mut wrong = path.clone();
        wrong[byte.index(path.len())] ^= 1 << bit;
        prop_assert!(matches!(verify(root, leaf, &wrong), Err(ProofError::Mismatch | ProofError::Overflow)));

        let mut hash = leaf.hash;
        hash[byte.index(32)] ^= 1 << bit;
        prop_assert_eq!(verify(root, SumNode { hash, ..leaf }, &path), Err(ProofError::Mismatch));
        prop_assert_eq!(verify(root, SumNode { sum: leaf.sum + 1, ..leaf }, &path), Err(ProofError::Mismatch));
        prop_assert_eq!(verify(SumNode { sum: root.sum + 1, ..root }, leaf, &path), Err(ProofError::Mismatch));
        prop_assert_eq!(verify_sum(root, depth, kind ^ 1, index, leaf, &path), Err(ProofError::Mismatch));
        prop_assert_eq!(verify_sum(root, depth, kind, index | 1 << (depth - 1), leaf, &path), Err(ProofError::Index));
        prop_assert_eq!(verify(root, leaf, &path[1..]), Err(ProofError::Length));
        prop_assert_eq!(verify(root, leaf, &path[40..]), Err(ProofError::Length));
    }

    /// Whoever builds the tree may claim any sum for any node. However it is built, and whatever path is tried, the
    /// leaves that verify never sum to more than the root says.
    #[test]
    fn leaves_that_verify_never_sum_over_the_root(
        depth in 1u32..7,
        sums in prop::collection::vec(0u64..1_000, 64),
        lies in prop::collection::vec(prop::option::weighted(0.15, 0u64..4_000), 128),
    ) {
        // levels[h] are the nodes at height h, with the sums that the liar claims
        let leaves: Vec<_> = (0..1usize << depth)
            .map(|place| reward_leaf(&naive::leaf(place as u64), sums[place]))
            .collect();
        let mut levels = vec![leaves];
        let mut lies = lies.into_iter();
        for height in 0..depth as usize {
            let level = levels[height]
                .chunks(2)
                .map(|pair| SumNode {
                    hash: naive::sum_hash(&pair[0], &pair[1]),
                    sum: lies.next().flatten().unwrap_or(pair[0].sum + pair[1].sum),
                })
                .collect();
            levels.push(level);
        }
        let root = levels[depth as usize][0];
        let honest = |height: usize, place: usize| {
            let node = levels[height][place];
            let (left, right) = (levels[height - 1][2 * place], levels[height - 1][2 * place + 1]);
            node.sum == left.sum + right.sum
        };

        let mut verified = 0;
        for place in 0..1usize << depth {
            let siblings: Vec<_> = (0..depth as usize)
                .map(|height| levels[height][place >> height ^ 1])
                .collect();
            let (kind, index) = ((place >> (depth - 1)) as u8, place as u32 & ((1 << (depth - 1)) - 1));
            let result = verify_sum(root, depth, kind, index, levels[0][place], &path(&siblings));
            let all_honest = (1..=depth as usize).all(|height| honest(height, place >> height));
            prop_assert_eq!(result, if all_honest { Ok(()) } else { Err(ProofError::Mismatch) });
            if result.is_ok() {
                verified += levels[0][place].sum;
            }
        }
        prop_assert!(verified <= root.sum);
    }

    #[test]
    fn arbitrary_proofs_never_panic(
        depth in any::<u32>(),
        kind in any::<u8>(),
        index in any::<u32>(),
        path in prop::collection::vec(any::<u8>(), 0..900),
    ) {
        let root = SumNode { hash: [1; 32], sum: u64::MAX };
        prop_assert!(verify_sum(root, depth, kind, index, SumNode::EMPTY, &path).is_err());
    }
}
