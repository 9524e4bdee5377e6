//! What hosts tell each other by NOTIFY, on one channel.

use futures::{StreamExt, stream, stream::BoxStream};
use sqlx::{
    PgPool,
    postgres::{PgConnectOptions, PgListener, PgPoolOptions},
};

use super::{error::unavailable, open::CONNECT_TIMEOUT};
use crate::{
    events::Progress,
    store::{HostId, Notice, SignalId, StoreError},
    workflow::ExecutionId,
};

/// As the statements name it.
const CHANNEL: &str = "phasewright";

/// Executions in one notice, which has fewer than 8000 bytes: an id takes 36, a version 20
/// and what is between them 3.
pub(super) const PROGRESS_MAX: usize = 120;

/// Notices until the connection breaks.
pub(super) async fn listen(
    options: &PgConnectOptions,
) -> Result<BoxStream<'static, Notice>, StoreError> {
    // Listening takes a connection for good, so it is none of the others' pool.
    let pool = PgPoolOptions::new()
        .max_connections(1)
        .acquire_timeout(CONNECT_TIMEOUT)
        .connect_with(options.clone())
        .await
        .map_err(unavailable)?;
    let mut listener = PgListener::connect_with(&pool).await.map_err(unavailable)?;
    listener.eager_reconnect(false);
    listener.listen(CHANNEL).await.map_err(unavailable)?;
    let notices = stream::unfold((pool, listener), next).flat_map(stream::iter);
    Ok(notices.boxed())
}

type Listening = (PgPool, PgListener);

/// None ends the stream: what was told while the connection was broken is lost.
async fn next((pool, mut listener): Listening) -> Option<(Vec<Notice>, Listening)> {
    let told = listener.try_recv().await.ok()??;
    let notices = parse(told.payload());
    Some((notices, (pool, listener)))
}

/// How far executions are, as `parse` reads it.
pub(super) fn write(progress: &[(ExecutionId, Progress)]) -> String {
    let one = |(execution, progress): &(ExecutionId, Progress)| {
        let end = if progress.is_over { "!" } else { "" };
        format!("{execution} {}{end}", progress.version)
    };
    let all: Vec<_> = progress.iter().map(one).collect();
    format!("progress {}", all.join(","))
}

/// The notices in a payload; what a newer version says is not understood and left out.
fn parse(payload: &str) -> Vec<Notice> {
    match payload.split_once(' ').unwrap_or((payload, "")) {
        ("progress", list) => list.split(',').filter_map(progress).collect(),
        ("signal", host) => id(host)
            .map(HostId)
            .map(Notice::Signal)
            .into_iter()
            .collect(),
        ("answered", signal) => (id(signal).map(SignalId).map(Notice::Answered))
            .into_iter()
            .collect(),
        ("work", _) => vec![Notice::Work],
        _ => Vec::new(),
    }
}

/// `ID VERSION`, with `!` when it is over.
fn progress(text: &str) -> Option<Notice> {
    let (execution, version) = text.split_once(' ')?;
    let is_over = version.ends_with('!');
    let version = version.trim_end_matches('!').parse().ok()?;
    Some(Notice::Progress(
        ExecutionId(id(execution)?),
        Progress { version, is_over },
    ))
}

fn id(text: &str) -> Option<uuid::Uuid> {
    text.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn progress_that_is_written_is_read() {
        let all: Vec<_> = (0..PROGRESS_MAX)
            .map(|number| {
                let progress = Progress {
                    version: u64::MAX,
                    is_over: number % 2 == 0,
                };
                (ExecutionId(uuid::Uuid::from_u128(number as u128)), progress)
            })
            .collect();
        let notice = write(&all);
        assert!(notice.len() < 8000, "{}", notice.len());
        let read: Vec<_> = (all.into_iter())
            .map(|(execution, progress)| Notice::Progress(execution, progress))
            .collect();
        assert_eq!(parse(&notice), read);
    }

    #[test]
    fn notices_are_read() {
        let id = uuid::Uuid::from_u128(7);
        let progress =
            |version, is_over| Notice::Progress(ExecutionId(id), Progress { version, is_over });
        for (payload, notices) in [
            (
                format!("progress {id} 3,{id} 12!"),
                vec![progress(3, false), progress(12, true)],
            ),
            (format!("signal {id}"), vec![Notice::Signal(HostId(id))]),
            (
                format!("answered {id}"),
                vec![Notice::Answered(SignalId(id))],
            ),
            ("work".to_owned(), vec![Notice::Work]),
            ("later things".to_owned(), vec![]),
            ("progress".to_owned(), vec![]),
            ("progress 7 7".to_owned(), vec![]),
            (String::new(), vec![]),
        ] {
            assert_eq!(parse(&payload), notices, "{payload}");
        }
    }
}
