//! Counts the memory of guests: of each within its limit, and of all together.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering::Relaxed},
};

use wasmtime::ResourceLimiter;

use super::limits::{Exceeded, Limits};

/// The memory that all guests together may have, so that many of them, each within its
/// own limit, cannot use up the machine.
#[derive(Debug)]
pub(super) struct MemoryPool {
    bytes_max: u64,
    used: AtomicU64,
}

impl MemoryPool {
    pub(super) fn new(bytes_max: u64) -> Arc<Self> {
        Arc::new(Self {
            bytes_max,
            used: AtomicU64::new(0),
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
    }
}

/// Counts the memory of one guest. Growing beyond the limit traps, so that the failure
/// names the limit and not whatever the guest does without memory.
#[derive(Debug)]
pub(super) struct MemoryMeter {
    pool: Arc<MemoryPool>,
    bytes_max: u64,
    used: u64,
    /// Taken for the growth under way, in case it fails.
    growing: u64,
}

impl MemoryMeter {
    pub(super) fn new(pool: Arc<MemoryPool>, limits: &Limits) -> Self {
        Self {
            pool,
            bytes_max: limits.memory_bytes,
            used: 0,
            growing: 0,
        }
    }

    fn grow(&mut self, bytes: usize) -> Result<(), Exceeded> {
        let bytes = u64::try_from(bytes).unwrap_or(u64::MAX);
        if bytes > self.bytes_max - self.used {
            return Err(Exceeded::Memory(self.bytes_max));
        }
        self.pool.take(bytes)?;
        self.used += bytes;
        self.growing = bytes;
        Ok(())
    }

    fn undo(&mut self) {
        self.used -= self.growing;
        self.pool.give_back(self.growing);
        self.growing = 0;
    }
}

impl Drop for MemoryMeter {
    fn drop(&mut self) {
        self.pool.give_back(self.used);
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
    use super::*;

    #[test]
    fn memory_is_counted_over_all_and_given_back() {
        let pool = MemoryPool::new(300);
        let limits = Limits {
            memory_bytes: 200,
            ..Limits::default()
        };
        let mut first = MemoryMeter::new(pool.clone(), &limits);
        assert!(first.memory_growing(0, 150, None).unwrap());
        assert!(first.table_growing(0, 6, None).unwrap());
        let error = first.memory_growing(150, 160, None).unwrap_err();
        assert_eq!(error.downcast_ref(), Some(&Exceeded::Memory(200)));

        let mut second = MemoryMeter::new(pool.clone(), &limits);
        let error = second.memory_growing(0, 150, None).unwrap_err();
        assert_eq!(error.downcast_ref(), Some(&Exceeded::MemoryOfAll(300)));
        drop(first);
        assert!(second.memory_growing(0, 150, None).unwrap());
        second
            .memory_grow_failed(wasmtime::Error::msg("no"))
            .unwrap();
        assert_eq!(pool.used.load(Relaxed), 0);
    }
}
