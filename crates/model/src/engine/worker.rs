//! A worker: fills its lanes, reads a buffer for each, hashes them together.

use crate::{
    engine::{
        Engine, STAGGER, Shape,
        lane::{Lane, Message, Stream},
        opener::{Failed, Opener},
        pipe::{self, BUFFERS},
        pool::{Given, Offer, Pool, Wait},
        units::{Unit, Units},
    },
    error::MeasureError,
    kernel::Kernel,
    plan::Plan,
    read::ReadAt,
    walk::FoundFile,
};
use std::fs::File;

/// Bytes that a worker hashes of its large messages, together, before they are dealt anew.
const SLICE: usize = 8 * 1024 * 1024;
/// A reader of its own pays from so many bytes on: not for what one slice leaves over at the end.
const PIPED: u64 = 2 * SLICE as u64;

pub(super) struct Worker<'a, K: Kernel, R, W> {
    engine: &'a Engine<'a>,
    kernel: &'a K,
    pool: &'a Pool<'a, K, R>,
    wrap: &'a W,
    units: Units<'a>,
    opener: Opener<'a>,
    buffer: usize,
    buffers: Vec<u8>,
    /// For each lane, where its bytes of this round are when they are not in its buffer.
    placed: Vec<Option<&'a [u8]>>,
    /// Bytes of each buffer when it reads for another.
    piped: usize,
    lanes: Vec<Lane<K::State, R>>,
    /// Bytes of large messages until they are dealt anew.
    slice: usize,
    digests: Vec<(usize, K::Output)>,
}

impl<'a, K: Kernel, R: ReadAt, W: Fn(&FoundFile, File) -> R> Worker<'a, K, R, W> {
    pub(super) fn new(
        engine: &'a Engine<'a>,
        kernel: &'a K,
        pool: &'a Pool<'a, K, R>,
        wrap: &'a W,
        shape: &Shape,
    ) -> Self {
        Self {
            engine,
            kernel,
            pool,
            wrap,
            units: Units::new::<K>(engine.plan, engine.walked),
            opener: Opener::new(engine.source, engine.walked),
            buffer: shape.buffer,
            buffers: vec![0; shape.lanes * (shape.buffer + STAGGER)],
            placed: vec![None; shape.lanes],
            piped: shape.piped,
            lanes: (0..shape.lanes).map(|_| Lane { open: None, message: None }).collect(),
            slice: 0,
            digests: Vec::new(),
        }
    }

    pub(super) fn run(mut self) -> Vec<(usize, K::Output)> {
        let _guard = HaltOnPanic(self.pool);
        while !self.pool.stopped() {
            if self.is_cancelled() {
                break;
            }
            match self.round() {
                Ok(true) => {}
                Ok(false) => break,
                Err((file, error)) => {
                    self.pool.fail(Some(file), error);
                    break;
                }
            }
        }
        self.digests
    }

    fn is_cancelled(&self) -> bool {
        let cancelled = self.engine.progress.cancelled();
        if cancelled {
            self.pool.fail(None, MeasureError::Cancelled);
        }
        cancelled
    }

    /// One buffer for each lane. Says whether there was anything to do.
    fn round(&mut self) -> Result<bool, Failed> {
        if self.slice == 0 {
            self.deal()?;
        }
        self.refill()?;
        match self.lanes.iter().filter(|lane| lane.message.is_some()).count() {
            0 => match self.pool.wait() {
                Wait::Again => self.slice = 0,
                Wait::Read(offer) => self.read_for_another(offer)?,
                Wait::Done => return Ok(false),
            },
            1 if self.hash_piped() => {}
            _ => {
                self.read()?;
                self.hash();
            }
        }
        Ok(true)
    }

    fn plan(&self) -> &'a Plan {
        self.engine.plan
    }

    /// Gives back the large messages and takes this worker's share of them.
    fn deal(&mut self) -> Result<(), Failed> {
        self.slice = SLICE;
        let large = self.plan().large;
        let mut back = Vec::new();
        let mut room = 0;
        for lane in &mut self.lanes {
            if let Some(message) = lane.message.take_if(|message| message.unit.job < large) {
                match lane.open.take() {
                    Some((file, open)) => back.push(Stream { file, open, message }),
                    None => lane.message = Some(message),
                }
            }
            room += usize::from(lane.message.is_none());
        }
        for given in self.pool.deal(back, room) {
            match given {
                Given::Begin(unit) => {
                    let file = self.plan().jobs[unit.job].file as usize;
                    let of_it = |lane: &Lane<_, R>| lane.open.as_ref().is_some_and(|(open, _)| *open == file);
                    if let Some(at) = self.free_lane(of_it) {
                        self.begin(at, unit)?;
                    }
                }
                Given::GoOn(Stream { file, open, message }) => {
                    if let Some(at) = self.free_lane(|lane| lane.open.is_none()) {
                        self.release(at)?;
                        self.lanes[at] = Lane { open: Some((file, open)), message: Some(message) };
                    }
                }
            }
        }
        Ok(())
    }

    /// A lane without a message, one that is `better` if there is such a one. There are as many as were asked for.
    fn free_lane(&self, better: impl Fn(&Lane<K::State, R>) -> bool) -> Option<usize> {
        let free = |lane: &Lane<_, _>| lane.message.is_none();
        let best = self.lanes.iter().position(|lane| free(lane) && better(lane));
        best.or_else(|| self.lanes.iter().position(free))
    }

    /// Gives small jobs to the lanes that are left, and closes the files of those that get none.
    fn refill(&mut self) -> Result<(), Failed> {
        for at in 0..self.lanes.len() {
            if self.lanes[at].message.is_none() {
                match self.pool.take_small() {
                    Some(job) => self.begin(at, Unit { job, piece: 0 })?,
                    None => self.release(at)?,
                }
            }
        }
        Ok(())
    }

    fn begin(&mut self, at: usize, unit: Unit) -> Result<(), Failed> {
        let Engine { plan, walked, .. } = *self.engine;
        let file = plan.jobs[unit.job].file as usize;
        let found = &walked.files[file];
        let range = self.units.range(unit);
        if self.lanes[at].open.as_ref().is_none_or(|(open, _)| *open != file) {
            self.release(at)?;
            let opened = self.opener.open(found);
            let opened = opened.map_err(|e| (file, self.opener.failed("open", file, e)))?;
            let opened = (self.wrap)(found, opened);
            if unit.job < plan.large {
                opened.will_read();
            }
            self.lanes[at].open = Some((file, opened));
        }
        let state = match K::tree() {
            Some(tree) if self.units.pieces(unit.job) > 1 => {
                (tree.start)(range.start - plan.range(plan.jobs[unit.job], found).start)
            }
            _ => self.kernel.start(),
        };
        self.lanes[at].message = Some(Message { unit, state, next: range.start, end: range.end, read: 0 });
        Ok(())
    }

    /// Closes a lane's file, after a last look at it.
    fn release(&mut self, at: usize) -> Result<(), Failed> {
        match self.lanes[at].open.take() {
            Some((file, open)) => self.opener.examine(file, &open),
            None => Ok(()),
        }
    }

    fn read(&mut self) -> Result<(), Failed> {
        let lanes = self.lanes.iter_mut().zip(&mut self.placed);
        for ((lane, placed), buffer) in lanes.zip(self.buffers.chunks_mut(self.buffer + STAGGER)) {
            let (Some((file, open)), Some(message)) = (&lane.open, &mut lane.message) else { continue };
            let len = usize::try_from(message.left()).map_or(self.buffer, |left| left.min(self.buffer));
            *placed = None;
            if let Some(memory) = self.engine.into.and_then(|into| into.place(*file, message.next, len)) {
                message.read = self.opener.read_placed((*file, open), memory, message.next)?;
                *placed = Some(memory);
            } else {
                let buffer = &mut buffer[..=self.buffer];
                message.read = self.opener.read((*file, open), buffer, (message.next, message.end))?;
            }
        }
        Ok(())
    }

    fn hash(&mut self) {
        let mut jobs: Vec<(&mut K::State, &[u8])> = Vec::with_capacity(self.lanes.len());
        let mut total = 0;
        let lanes = self.lanes.iter_mut().zip(&self.placed);
        for ((lane, placed), buffer) in lanes.zip(self.buffers.chunks(self.buffer + STAGGER)) {
            let Some(message) = &mut lane.message else { continue };
            message.next += message.read as u64;
            total += message.read;
            jobs.push((&mut message.state, placed.unwrap_or(&buffer[..message.read])));
        }
        K::update(&mut jobs);
        self.slice = self.slice.saturating_sub(total);
        self.advance(total);
        self.finish();
    }

    fn advance(&self, bytes: usize) {
        if bytes > 0 {
            self.engine.progress.advance(bytes as u64);
        }
    }

    /// Takes the digests of the messages that are complete.
    fn finish(&mut self) {
        let plan = self.plan();
        let mut ended = Vec::with_capacity(self.lanes.len());
        let mut states = Vec::with_capacity(self.lanes.len());
        let mut large = 0;
        for lane in &mut self.lanes {
            let Some(message) = lane.message.take_if(|message| message.next == message.end) else { continue };
            let Message { unit, state, .. } = message;
            large += usize::from(unit.job < plan.large);
            match K::tree() {
                Some(tree) if self.units.pieces(unit.job) > 1 => {
                    let digest = self.pool.part(unit, (tree.part)(state), tree.join);
                    self.digests.extend(digest.map(|digest| (unit.job, digest)));
                }
                _ => {
                    ended.push(unit.job);
                    states.push(state);
                }
            }
        }
        self.digests.extend(ended.into_iter().zip(K::finish(states)));
        if large > 0 {
            self.pool.ended(large);
            self.slice = 0;
        }
    }

    /// Hashes the only message while another worker that has nothing to do reads it. False when that cannot be.
    fn hash_piped(&mut self) -> bool {
        let large = self.plan().large;
        let pays = |message: &Message<_>| message.unit.job < large && message.left() >= PIPED;
        let is_it = |lane: &Lane<_, R>| lane.open.is_some() && lane.message.as_ref().is_some_and(pays);
        let Some(at) = self.lanes.iter().position(is_it) else { return false };
        let lane = &mut self.lanes[at];
        if !self.pool.may_offer() {
            return false;
        }
        let (Some((file, open)), Some(mut message)) = (lane.open.take(), lane.message.take()) else {
            return false;
        };
        let (read_end, hash_end) = pipe::pipe();
        let offer = Offer { file, open, next: message.next, end: message.end, pipe: read_end };
        if let Err(Offer { file, open, .. }) = self.pool.offer(offer) {
            *lane = Lane { open: Some((file, open)), message: Some(message) };
            return false;
        }
        while let Some((buffer, len)) = hash_end.next() {
            K::update(&mut [(&mut message.state, &buffer[..len])]);
            message.next += len as u64;
            hash_end.give_back(buffer);
            self.advance(len);
            if self.pool.stopped() || self.is_cancelled() {
                break;
            }
        }
        // Otherwise the reader has failed, and says how, or there is a wish to stop.
        if message.next == message.end {
            self.lanes[at].message = Some(message);
            self.finish();
        }
        true
    }

    /// Reads what another worker hashes, to its end.
    fn read_for_another(&mut self, offer: Offer<R>) -> Result<(), Failed> {
        let Offer { file, open, mut next, end, pipe } = offer;
        // These take the place of this worker's buffers, which it does not use now.
        let len = std::mem::take(&mut self.buffers).len();
        let mut unused = BUFFERS;
        while next < end {
            let buffer = if unused > 0 {
                unused -= 1;
                Some(vec![0; self.piped + 1])
            } else {
                pipe.emptied()
            };
            let Some(mut buffer) = buffer else { break };
            let read = self.opener.read((file, &open), &mut buffer, (next, end))?;
            next += read as u64;
            if self.pool.stopped() || !pipe.pass(buffer, read) {
                break;
            }
        }
        // What was passed on counts only when this, too, is well.
        self.opener.examine(file, &open)?;
        drop(pipe);
        self.buffers = vec![0; len];
        Ok(())
    }
}

/// The others do not wait for one that panics.
struct HaltOnPanic<'a, 'b, K: Kernel, R>(&'a Pool<'b, K, R>);

impl<K: Kernel, R> Drop for HaltOnPanic<'_, '_, K, R> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.halt();
        }
    }
}
