//! The fs-verity digest of a file (Linux, `Documentation/filesystems/fsverity.rst`): a Merkle tree of SHA-256 over
//! blocks of 4096 bytes, without salt, under a descriptor that covers the file's length.

use modelseal_sha256::digest_many;

/// Bytes in a block, of data and of the tree.
const BLOCK: usize = 4096;
/// The same, as the descriptor writes it.
const LOG_BLOCK: u8 = 12;
/// SHA-256, as the descriptor writes it.
const SHA256: u8 = 1;
/// Bytes in a descriptor.
const DESCRIPTOR: usize = 256;

type Hash = [u8; 32];

/// A file in the making. Holds one unfinished block of each level of the tree: eight levels suffice for any file.
#[derive(Default)]
pub(crate) struct Verity {
    len: u64,
    /// Data that fills no block yet.
    rest: Vec<u8>,
    /// From the data upwards.
    levels: Vec<Level>,
}

/// Digests of the blocks of the level below.
#[derive(Default)]
struct Level {
    /// How many there were.
    count: u64,
    /// Those that fill no block yet.
    rest: Vec<u8>,
}

impl Verity {
    /// Appends bytes.
    pub(crate) fn update(&mut self, mut data: &[u8]) {
        self.len = self.len.saturating_add(data.len() as u64);
        if !self.rest.is_empty() {
            let (head, tail) = data.split_at(data.len().min(BLOCK - self.rest.len()));
            self.rest.extend_from_slice(head);
            data = tail;
            if self.rest.len() < BLOCK {
                return;
            }
            let hashes = digest_many(&[&self.rest]);
            self.rest.clear();
            self.add(&hashes);
        }
        let (blocks, rest) = data.split_at(data.len() / BLOCK * BLOCK);
        let blocks: Vec<&[u8]> = blocks.chunks_exact(BLOCK).collect();
        self.add(&digest_many(&blocks));
        self.rest.extend_from_slice(rest);
    }

    /// The digests of several files, in order.
    pub(crate) fn finish(mut files: Vec<Self>) -> Vec<Hash> {
        // Most files are small and have only this block: hashed together.
        let mut last: Vec<&mut Self> = files.iter_mut().filter(|file| !file.rest.is_empty()).collect();
        last.iter_mut().for_each(|file| file.rest.resize(BLOCK, 0));
        let hashes = digest_many(&last.iter().map(|file| file.rest.as_slice()).collect::<Vec<_>>());
        for (file, hash) in last.into_iter().zip(hashes) {
            file.add(&[hash]);
        }
        let descriptors: Vec<[u8; DESCRIPTOR]> =
            files.into_iter().map(|file| descriptor(file.len, &file.root())).collect();
        digest_many(&descriptors.iter().map(<[u8; DESCRIPTOR]>::as_slice).collect::<Vec<_>>())
    }

    /// Adds the digests of data blocks; blocks of the tree that become full are hashed into the level above.
    fn add(&mut self, hashes: &[Hash]) {
        for hash in hashes {
            let mut hash = *hash;
            for at in 0.. {
                if at == self.levels.len() {
                    self.levels.push(Level::default());
                }
                let level = &mut self.levels[at];
                level.count += 1;
                level.rest.extend_from_slice(&hash);
                if level.rest.len() < BLOCK {
                    break;
                }
                hash = hash_block(&level.rest);
                level.rest.clear();
            }
        }
    }

    /// The only digest of the topmost level. A file without data has none: zeros stand for it.
    fn root(mut self) -> Hash {
        // What a level adds to the one above, once its last block is padded.
        let mut carried: Option<Hash> = None;
        for level in &mut self.levels {
            if let Some(hash) = carried.take() {
                level.count += 1;
                level.rest.extend_from_slice(&hash);
            }
            if level.count == 1 {
                return level.rest.first_chunk().copied().unwrap_or_default();
            }
            if !level.rest.is_empty() {
                level.rest.resize(BLOCK, 0);
                carried = Some(hash_block(&level.rest));
            }
        }
        carried.unwrap_or_default()
    }
}

/// `struct fsverity_descriptor`, which the digest is over.
fn descriptor(len: u64, root: &Hash) -> [u8; DESCRIPTOR] {
    let mut descriptor = [0; DESCRIPTOR];
    // Version, hash, block size; then the sizes of salt and signature, which are not there.
    descriptor[..3].copy_from_slice(&[1, SHA256, LOG_BLOCK]);
    descriptor[8..16].copy_from_slice(&len.to_le_bytes());
    descriptor[16..48].copy_from_slice(root);
    descriptor
}

fn hash_block(block: &[u8]) -> Hash {
    digest_many(&[block]).first().copied().unwrap_or_default()
}
