//! Many messages over few lanes.

use std::cmp::Reverse;

use crate::{
    Backend, DIGEST_LEN, Sha256,
    backend::{backend, kernels},
    kernels::{Kernels, Run},
    state::Padding,
};

/// Appends to each state its own data. Lengths may differ and there may be any number of jobs: a lane whose data
/// ends is given to the next job, the longest first.
pub fn update_many(jobs: &mut [(&mut Sha256, &[u8])]) {
    update_many_with(backend(), jobs);
}

/// [`update_many`] by the backend given; by [`Backend::Portable`] where the processor lacks it.
pub fn update_many_with(backend: Backend, jobs: &mut [(&mut Sha256, &[u8])]) {
    match jobs {
        [] => {}
        [(state, data)] => state.update(data),
        _ => update_all(kernels(backend), jobs),
    }
}

/// The digests of many messages, in the order of `states`. Their last blocks are interleaved too.
#[must_use]
pub fn finalize_many(states: Vec<Sha256>) -> Vec<[u8; DIGEST_LEN]> {
    finalize_many_with(backend(), states)
}

/// [`finalize_many`] by the backend given; by [`Backend::Portable`] where the processor lacks it.
#[must_use]
pub fn finalize_many_with(backend: Backend, mut states: Vec<Sha256>) -> Vec<[u8; DIGEST_LEN]> {
    let paddings: Vec<Padding> = states.iter().map(Sha256::padding).collect();
    let runs = states.iter_mut().zip(&paddings).map(|(state, padding)| Run {
        words: &mut state.words,
        now: padding.blocks(),
        next: &[],
    });
    compress(kernels(backend), runs.collect());
    states.iter().map(Sha256::digest).collect()
}

/// The digests of whole messages, in their order.
#[must_use]
pub fn digest_many(messages: &[&[u8]]) -> Vec<[u8; DIGEST_LEN]> {
    digest_many_with(backend(), messages)
}

/// [`digest_many`] by the backend given; by [`Backend::Portable`] where the processor lacks it.
#[must_use]
pub fn digest_many_with(backend: Backend, messages: &[&[u8]]) -> Vec<[u8; DIGEST_LEN]> {
    digest_all(kernels(backend), messages)
}

/// [`digest_many`] by the kernels given. A message's whole blocks and its padding are one run, so its lane is
/// refilled once.
pub(crate) fn digest_all(kernels: Kernels, messages: &[&[u8]]) -> Vec<[u8; DIGEST_LEN]> {
    let mut parts = Vec::with_capacity(messages.len());
    for message in messages {
        let mut state = Sha256::new();
        let (_, body, tail) = state.absorb(message);
        state.keep(false, tail);
        parts.push((state.padding(), state, body));
    }
    let runs = parts.iter_mut().map(|(padding, state, body)| Run {
        words: &mut state.words,
        now: body,
        next: padding.blocks(),
    });
    compress(kernels, runs.collect());
    parts.iter().map(|(_, state, _)| state.digest()).collect()
}

fn update_all(kernels: Kernels, jobs: &mut [(&mut Sha256, &[u8])]) {
    let mut runs = Vec::with_capacity(jobs.len());
    let mut tails = Vec::with_capacity(jobs.len());
    for (state, data) in &mut *jobs {
        let (completed, body, tail) = state.absorb(data);
        let head = if completed { std::slice::from_ref(&state.partial) } else { &[] };
        runs.push(Run { words: &mut state.words, now: head, next: body });
        tails.push((completed, tail));
    }
    compress(kernels, runs);
    // Only now: a completed partial block was still to be read.
    for ((state, _), (completed, tail)) in jobs.iter_mut().zip(tails) {
        state.keep(completed, tail);
    }
}

/// Blocks after which lanes are dealt anew when fewer runs are left than would fill the lanes twice.
const SLICE: usize = 256;

/// Takes every block of every run.
fn compress(kernels: Kernels, mut waiting: Vec<Run<'_>>) {
    waiting.retain_mut(|run| run.advance(0));
    let lanes = kernels.width(usize::MAX);
    // Longest first, so that the lanes end close together: `pop` takes from the end.
    if waiting.len() > lanes {
        waiting.sort_by_key(Run::len);
    }
    let mut live: Vec<Run<'_>> = Vec::with_capacity(waiting.len().min(2 * lanes));
    loop {
        // The last runs are all live, more than there are lanes for: then each slice goes to those with most left,
        // and no long run is left over to end alone.
        let wanted = if live.len() + waiting.len() <= 2 * lanes { 2 * lanes } else { lanes };
        while live.len() < wanted {
            let Some(run) = waiting.pop() else { break };
            live.push(run);
        }
        if live.is_empty() {
            return;
        }
        let width = kernels.width(live.len());
        let mut limit = usize::MAX;
        if width < live.len() {
            live.sort_by_key(|run| Reverse(run.len()));
            limit = SLICE;
        }
        let group = &mut live[..width];
        let count = group.iter().map(|run| run.now.len()).min().unwrap_or(0).min(limit);
        kernels.compress(group, count);
        let mut lane = 0;
        live.retain_mut(|run| {
            lane += 1;
            lane > width || run.advance(count)
        });
    }
}
