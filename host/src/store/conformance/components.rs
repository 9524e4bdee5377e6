//! Components: kept once, by whoever is first, and never removed.

use bytes::Bytes;
use futures::future::join_all;

use super::{TestDatabase, open, prepared};
use crate::{
    store::{Keep, NewComponent},
    workflow::{Digest, Timestamp},
};

/// As large as that of a phase with an interpreter in it; pages and packets are smaller.
const BYTES: usize = 5 << 20;

fn component(version: &str, data: Vec<u8>) -> NewComponent {
    NewComponent {
        digest: Digest::of(&data),
        name: "edition".parse().unwrap(),
        version: version.to_owned(),
        data: Bytes::from(data),
    }
}

/// Bytes that do not repeat themselves soon.
fn large() -> Vec<u8> {
    (0..BYTES)
        .map(|at| ((at * at) >> 7).to_le_bytes()[0])
        .collect()
}

pub async fn a_component_is_kept_for_good(database: &dyn TestDatabase) {
    let store = prepared(database).await;
    let (first, second) = (
        component("1.0.0", large()),
        component("2.0.0", b"\0asm".to_vec()),
    );
    let absent = Digest::of(b"never seen");
    let all = [first.digest, absent, second.digest];
    assert_eq!(store.absent_components(&all).await.unwrap().len(), 3);
    assert_eq!(store.absent_components(&[]).await, Ok(Vec::new()));
    for component in [&first, &second, &first] {
        store.keep_component(component).await.unwrap();
    }
    // What is there stays as it is, whatever comes under its digest.
    let mut other = second.clone();
    other.data = Bytes::from_static(b"other");
    store.keep_component(&other).await.unwrap();

    let now = Timestamp(i64::MAX / 2);
    store.expire(now, Keep::Days(0), 100).await.unwrap();
    drop(store);
    let store = open(database).await;
    assert_eq!(store.absent_components(&all).await, Ok(vec![absent]));
    assert_eq!(store.component(absent).await, Ok(None));
    for component in [first, second] {
        let found = store.component(component.digest).await.unwrap();
        assert!(found == Some(component.data), "{}", component.version);
    }
    let sizes = crate::store::sizes(&database.url()).await.unwrap();
    let table = sizes.tables.iter().find(|table| table.name == "components");
    assert!(table.unwrap().bytes > 4096, "{table:?}");
}

pub async fn many_hosts_keep_the_same_at_once(database: &dyn TestDatabase) {
    let store = open(database).await;
    let components: Vec<_> = (0..4)
        .map(|number| component("1.0.0", vec![number; 100_000]))
        .collect();
    let hosts = (0..4).map(|_| async {
        for component in &components {
            store.keep_component(component).await?;
        }
        Ok(())
    });
    let kept: Result<Vec<()>, crate::store::StoreError> =
        join_all(hosts).await.into_iter().collect();
    kept.unwrap();
    let digests: Vec<_> = components.iter().map(|one| one.digest).collect();
    assert_eq!(store.absent_components(&digests).await, Ok(Vec::new()));
}
