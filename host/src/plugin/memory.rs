//! Counts the memory of guests: of each within its limit, and of all together.

use std::sync::{
    Arc,
    atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed},
};

use tokio::sync::{Mutex, Notify};
use wasmtime::ResourceLimiter;

use super::limits::{Exceeded, Limits};

/// The memory that all guests together may have, so that many of them, each within its
/// own limit, cannot use up the machine.
///
/// A guest begins when there is room for what its like took before. What it takes beyond that it
/// gets at once or never: it cannot wait for others that may wait for it.
#[derive(Debug)]
pub(super) struct MemoryPool {
    bytes_max: u64,
    used: AtomicU64,
    /// Guests that wait for room. Nobody overtakes them, or large ones would wait for ever.
    waiting: AtomicUsize,
    /// Of the one that is first in line.
    turn: Mutex<()>,
    freed: Notify,
}

/// What guests of one component usually take, learned from those that were.
#[derive(Debug, Default)]
pub(super) struct Appetite(AtomicU64);

/// Room for one guest.
#[derive(Debug)]
pub(super) struct Room {
    pool: Arc<MemoryPool>,
    appetite: Arc<Appetite>,
    /// Kept for it, and not used yet.
    spare: u64,
}

/// By how much of the difference what is expected goes down when a guest takes less: one that took
/// more than others is forgotten after some dozens.
const FORGET: u64 = 8;

impl Appetite {
    fn expected(&self) -> u64 {
        self.0.load(Relaxed)
    }

    fn learn(&self, used: u64) {
        let learned = |expected: u64| match expected.checked_sub(used) {
            Some(less) => Some(expected - less.div_ceil(FORGET)),
            None => Some(used),
        };
        let _ = self.0.fetch_update(Relaxed, Relaxed, learned);
    }
}

impl MemoryPool {
    pub(super) fn new(bytes_max: u64) -> Arc<Self> {
        Arc::new(Self {
            bytes_max,
            used: AtomicU64::new(0),
            waiting: AtomicUsize::new(0),
            turn: Mutex::default(),
            freed: Notify::new(),
        })
    }

    /// Waits until there is room for what a guest is expected to take.
    pub(super) async fn room(self: &Arc<Self>, appetite: &Arc<Appetite>) -> Room {
        // The usual case does without the lock. It is a fair one: once anybody waited for it, every
        // guest would, because it goes to the next in line and not to who asks.
        if self.waiting.load(Relaxed) == 0
            && let Some(room) = self.try_room(appetite)
        {
            return room;
        }
        let _waiting = Waiting::new(&self.waiting);
        let _turn = self.turn.lock().await;
        loop {
            if let Some(room) = self.try_room(appetite) {
                return room;
            }
            self.freed.notified().await;
        }
    }

    fn try_room(self: &Arc<Self>, appetite: &Arc<Appetite>) -> Option<Room> {
        let spare = appetite.expected().min(self.bytes_max);
        self.take(spare).ok()?;
        Some(Room {
            pool: self.clone(),
            appetite: appetite.clone(),
            spare,
        })
    }

    fn take(&self, bytes: u64) -> Result<(), Exceeded> {
        self.used
            .fetch_update(Relaxed, Relaxed, |used| {
                used.checked_add(bytes)
                    .filter(|&used| used <= self.bytes_max)
            })
            .map(drop)
            .map_err(|_| Exceeded::MemoryOfAll(self.bytes_max))
    }

    fn give_back(&self, bytes: u64) {
        self.used.fetch_sub(bytes, Relaxed);
        self.freed.notify_one();
    }
}

/// One guest in line.
struct Waiting<'p>(&'p AtomicUsize);

impl<'p> Waiting<'p> {
    fn new(line: &'p AtomicUsize) -> Self {
        line.fetch_add(1, Relaxed);
        Self(line)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Relaxed);
    }
}

/// Counts the memory of one guest. Growing beyond the limit traps, so that the failure
/// names the limit and not whatever the guest does without memory.
#[derive(Debug)]
pub(super) struct MemoryMeter {
    room: Room,
    bytes_max: u64,
    used: u64,
    /// Taken for the growth under way, in case it fails.
    growing: u64,
}

impl MemoryMeter {
    pub(super) fn new(room: Room, limits: &Limits) -> Self {
        Self {
            // With more than all may have it would wait for others though there are none.
            bytes_max: limits.memory_bytes.min(room.pool.bytes_max),
            room,
            used: 0,
            growing: 0,
        }
    }

    fn grow(&mut self, bytes: usize) -> Result<(), Exceeded> {
        let bytes = u64::try_from(bytes).unwrap_or(u64::MAX);
        if bytes > self.bytes_max - self.used {
            return Err(Exceeded::Memory(self.bytes_max));
        }
        let kept = bytes.min(self.room.spare);
        self.room.pool.take(bytes - kept)?;
        self.room.spare -= kept;
        self.used += bytes;
        self.growing = bytes;
        Ok(())
    }

    fn undo(&mut self) {
        self.used -= self.growing;
        self.room.spare += self.growing;
        self.growing = 0;
    }
}

impl Drop for MemoryMeter {
    fn drop(&mut self) {
        self.room.appetite.learn(self.used);
        self.room.spare += self.used;
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        self.pool.give_back(self.spare);
    }
}

impl ResourceLimiter for MemoryMeter {
    fn memory_growing(
        &mut self,
        current: usize,
        desired: usize,
        _maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        self.grow(desired.saturating_sub(current))?;
        Ok(true)
    }

    fn memory_grow_failed(&mut self, _error: wasmtime::Error) -> wasmtime::Result<()> {
        self.undo();
        Ok(())
    }

    fn table_growing(
        &mut self,
        current: usize,
        desired: usize,
        _maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        let elements = desired.saturating_sub(current);
        self.grow(elements.saturating_mul(size_of::<usize>()))?;
        Ok(true)
    }

    fn table_grow_failed(&mut self, _error: wasmtime::Error) -> wasmtime::Result<()> {
        self.undo();
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt;

    use super::*;

    fn meter(pool: &Arc<MemoryPool>, appetite: &Arc<Appetite>) -> Option<MemoryMeter> {
        let limits = Limits {
            memory_bytes: 200,
            ..Limits::default()
        };
        let room = pool.room(appetite).now_or_never()?;
        Some(MemoryMeter::new(room, &limits))
    }

    #[test]
    fn memory_is_counted_over_all_and_given_back() {
        let pool = MemoryPool::new(300);
        let new = || meter(&pool, &Arc::default()).unwrap();
        let mut first = new();
        assert!(first.memory_growing(0, 150, None).unwrap());
        assert!(first.table_growing(0, 6, None).unwrap());
        let error = first.memory_growing(150, 160, None).unwrap_err();
        assert_eq!(error.downcast_ref(), Some(&Exceeded::Memory(200)));

        let mut second = new();
        let error = second.memory_growing(0, 150, None).unwrap_err();
        assert_eq!(error.downcast_ref(), Some(&Exceeded::MemoryOfAll(300)));
        drop(first);
        assert!(second.memory_growing(0, 150, None).unwrap());
        second
            .memory_grow_failed(wasmtime::Error::msg("no"))
            .unwrap();
        drop(second);
        assert_eq!(pool.used.load(Relaxed), 0);
    }

    #[test]
    fn a_guest_waits_for_what_its_like_took() {
        let pool = MemoryPool::new(300);
        let (appetite, none) = (Arc::default(), Arc::default());
        let mut first = meter(&pool, &appetite).unwrap();
        assert!(first.memory_growing(0, 120, None).unwrap());
        drop(first);
        let mut first = meter(&pool, &appetite).unwrap();
        assert!(first.memory_growing(0, 120, None).unwrap());
        let mut second = meter(&pool, &appetite).unwrap();
        let mut third = Box::pin(pool.room(&appetite));
        assert!(third.as_mut().now_or_never().is_none());
        // Others wait behind it, even if they need nothing.
        let mut small = Box::pin(pool.room(&none));
        assert!(small.as_mut().now_or_never().is_none());
        // One that gives up is in nobody's way.
        let mut tired = Box::pin(pool.room(&appetite));
        assert!(tired.as_mut().now_or_never().is_none());
        drop(tired);
        // What is kept for a guest it gets, and beyond it what is left.
        assert!(second.memory_growing(0, 170, None).unwrap());
        let error = second.memory_growing(170, 190, None).unwrap_err();
        assert_eq!(error.downcast_ref(), Some(&Exceeded::MemoryOfAll(300)));
        drop(first);
        let third = third.now_or_never().unwrap();
        assert_eq!(third.spare, 120);
        assert!(small.now_or_never().is_some());
        assert!(pool.room(&none).now_or_never().is_some());
        drop((second, third));
        assert_eq!(pool.used.load(Relaxed), 0);
    }

    #[test]
    fn one_that_took_much_is_forgotten() {
        let appetite = Appetite::default();
        appetite.learn(1_000_000);
        assert_eq!(appetite.expected(), 1_000_000);
        for _ in 0..100 {
            appetite.learn(1_000);
        }
        assert_eq!(appetite.expected(), 1_000);
    }
}
