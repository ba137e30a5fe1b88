//! [`MultiKernel`]: several digests of the same bytes, which are read once and are still in the cache for each.

use crate::{
    also::FileHash,
    kernel::{Blake2bKernel, Blake3Kernel, Kernel, Sha256Kernel},
    verity::Verity,
};
use modelseal_core::digest::{Algorithm, Digest};
use std::collections::BTreeSet;

/// The hash functions of a set, side by side. Messages are hashed whole: no kernel's tree is split.
pub(crate) struct MultiKernel {
    pub(crate) hashes: BTreeSet<FileHash>,
}

/// A message in the making, for each hash of the set.
#[derive(Default)]
pub(crate) struct States {
    sha256: Option<<Sha256Kernel as Kernel>::State>,
    blake2b: Option<<Blake2bKernel as Kernel>::State>,
    blake3: Option<<Blake3Kernel as Kernel>::State>,
    verity: Option<Verity>,
}

impl Kernel for MultiKernel {
    /// Together they are large, and streams move between threads.
    type State = Box<States>;
    /// In the order of the set.
    type Output = Vec<Digest>;

    fn lanes(&self) -> usize {
        let lanes = |hash: &FileHash| match hash {
            FileHash::Oms(Algorithm::Sha256) => Sha256Kernel.lanes(),
            FileHash::Oms(Algorithm::Blake2b) => Blake2bKernel.lanes(),
            FileHash::Oms(Algorithm::Blake3) => Blake3Kernel.lanes(),
            // Several blocks of one message fill the lanes.
            FileHash::FsVerity => 1,
        };
        self.hashes.iter().map(lanes).max().unwrap_or(1)
    }

    fn start(&self) -> Box<States> {
        let mut states = States::default();
        for hash in &self.hashes {
            match hash {
                FileHash::Oms(Algorithm::Sha256) => states.sha256 = Some(Sha256Kernel.start()),
                FileHash::Oms(Algorithm::Blake2b) => states.blake2b = Some(Blake2bKernel.start()),
                FileHash::Oms(Algorithm::Blake3) => states.blake3 = Some(Blake3Kernel.start()),
                FileHash::FsVerity => states.verity = Some(Verity::default()),
            }
        }
        Box::new(states)
    }

    fn update(jobs: &mut [(&mut Box<States>, &[u8])]) {
        update::<Sha256Kernel>(jobs, |states| states.sha256.as_mut());
        update::<Blake2bKernel>(jobs, |states| states.blake2b.as_mut());
        update::<Blake3Kernel>(jobs, |states| states.blake3.as_mut());
        for (states, data) in jobs {
            if let Some(verity) = &mut states.verity {
                verity.update(data);
            }
        }
    }

    fn finish(mut states: Vec<Box<States>>) -> Vec<Vec<Digest>> {
        let mut verity: Vec<Verity> = Vec::new();
        verity.extend(states.iter_mut().filter_map(|states| states.verity.take()));
        let columns = [
            finish::<Sha256Kernel>(&mut states, |states| states.sha256.take()),
            finish::<Blake2bKernel>(&mut states, |states| states.blake2b.take()),
            finish::<Blake3Kernel>(&mut states, |states| states.blake3.take()),
            Verity::finish(verity).into_iter().map(Digest::sha256).collect(),
        ];
        // A hash has a digest of every message or of none.
        (0..states.len())
            .map(|at| columns.iter().filter_map(|column| column.get(at).copied()).collect())
            .collect()
    }
}

fn update<K: Kernel>(
    jobs: &mut [(&mut Box<States>, &[u8])],
    state: impl Fn(&mut States) -> Option<&mut K::State>,
) {
    let mut some: Vec<(&mut K::State, &[u8])> = Vec::with_capacity(jobs.len());
    some.extend(jobs.iter_mut().filter_map(|(states, data)| state(states).map(|state| (state, *data))));
    if !some.is_empty() {
        K::update(&mut some);
    }
}

fn finish<K: Kernel<Output = Digest>>(
    states: &mut [Box<States>],
    state: impl Fn(&mut States) -> Option<K::State>,
) -> Vec<Digest> {
    let states: Vec<K::State> = states.iter_mut().filter_map(|states| state(states)).collect();
    if states.is_empty() { Vec::new() } else { K::finish(states) }
}
