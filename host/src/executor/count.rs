//! Counting what a host that stops waits for.

use tokio::sync::watch;

/// How many there are of something.
#[derive(Clone, Default)]
pub(super) struct Count(watch::Sender<u64>);

/// One of them, as long as it lives.
pub(super) struct One(Count);

impl Count {
    /// One more.
    pub(super) fn one(&self) -> One {
        self.change(|count| *count += 1);
        One(self.clone())
    }

    pub(super) fn now(&self) -> u64 {
        *self.0.borrow()
    }

    /// Waits until there is none.
    pub(super) async fn none(&self) {
        let mut counts = self.0.subscribe();
        // It cannot be closed while this has a sender.
        let _ = counts.wait_for(|count| *count == 0).await;
    }

    /// Tells only when there is none left: that is all anybody waits for, and telling costs more
    /// than counting.
    fn change(&self, change: impl FnOnce(&mut u64)) {
        self.0.send_if_modified(|count| {
            change(count);
            *count == 0
        });
    }
}

impl Drop for One {
    fn drop(&mut self) {
        self.0.change(|count| *count -= 1);
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt;

    use super::*;

    #[test]
    fn none_is_told_when_the_last_one_goes() {
        let count = Count::default();
        assert_eq!(count.none().now_or_never(), Some(()));
        let (first, second) = (count.one(), count.one());
        let mut none = Box::pin(count.none());
        assert_eq!((count.now(), none.as_mut().now_or_never()), (2, None));
        drop(first);
        assert_eq!((count.now(), none.as_mut().now_or_never()), (1, None));
        drop(second);
        assert_eq!((count.now(), none.now_or_never()), (0, Some(())));
    }
}
