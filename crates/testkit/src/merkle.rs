//! RFC 6962 Merkle tree: root and inclusion proofs, computed from all leaves (a test's tree is small).

use crate::keys::sha256;

/// The hashes of the leaves, in order.
#[derive(Default)]
pub(crate) struct Tree(Vec<[u8; 32]>);

impl Tree {
    /// Adds an entry; its index.
    pub(crate) fn add(&mut self, entry: &[u8]) -> usize {
        self.0.push(leaf(entry));
        self.0.len() - 1
    }

    pub(crate) fn size(&self) -> usize {
        self.0.len()
    }

    pub(crate) fn root(&self) -> [u8; 32] {
        root(&self.0)
    }

    /// The root when the tree had this many leaves.
    pub(crate) fn root_at(&self, size: usize) -> [u8; 32] {
        root(&self.0[..size])
    }

    /// The sibling hashes from the leaf up.
    pub(crate) fn proof(&self, index: usize) -> Vec<[u8; 32]> {
        let mut hashes = Vec::new();
        path(&self.0, index, &mut hashes);
        hashes
    }
}

/// Hash of an entry.
pub(crate) fn leaf(entry: &[u8]) -> [u8; 32] {
    sha256(&[&[0], entry].concat())
}

fn node(left: &[u8], right: &[u8]) -> [u8; 32] {
    sha256(&[&[1], left, right].concat())
}

/// The largest power of two below the number of leaves.
fn split(leaves: usize) -> usize {
    leaves.next_power_of_two() / 2
}

fn root(leaves: &[[u8; 32]]) -> [u8; 32] {
    match leaves {
        [] => sha256(b""),
        [only] => *only,
        _ => {
            let (left, right) = leaves.split_at(split(leaves.len()));
            node(&root(left), &root(right))
        }
    }
}

fn path(leaves: &[[u8; 32]], index: usize, hashes: &mut Vec<[u8; 32]>) {
    if leaves.len() < 2 {
        return;
    }
    let at = split(leaves.len());
    let (left, right) = leaves.split_at(at);
    if index < at {
        path(left, index, hashes);
        hashes.push(root(right));
    } else {
        path(right, index - at, hashes);
        hashes.push(root(left));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_leaf_is_proven_in_every_size() {
        let mut tree = Tree::default();
        for size in 1..20_u8 {
            tree.add(&[size]);
            for index in 0..usize::from(size) {
                // RFC 9162 2.1.3.2, which takes another way than the recursion above.
                let (mut hash, mut at, mut last) =
                    (leaf(&[u8::try_from(index).unwrap() + 1]), index, usize::from(size) - 1);
                for sibling in tree.proof(index) {
                    if at % 2 == 1 || at == last {
                        hash = node(&sibling, &hash);
                        while at % 2 == 0 && at != 0 {
                            (at, last) = (at / 2, last / 2);
                        }
                    } else {
                        hash = node(&hash, &sibling);
                    }
                    (at, last) = (at / 2, last / 2);
                }
                assert_eq!((hash, last), (tree.root(), 0), "leaf {index} of {size}");
            }
        }
    }
}
