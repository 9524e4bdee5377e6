//! A JSON object as a CEL map that remembers the order of its keys.

use std::any::Any;
use std::sync::{Arc, OnceLock};

use cel::common::traits::{Container, Indexer, Iterable, Iterator, Sizer, Zeroer};
use cel::common::types::{CelInt, CelMap, CelMapKey, Type};
use cel::common::value::{Builtin, BuiltinRef, StaticVal, Val};

/// An object. Copies share its contents.
///
/// It answers as a [`CelMap`] wherever CEL looks for one (for `==` with a map literal, say), built
/// when first asked for; objects that an expression only passes on stay as they are.
#[derive(Clone, Debug)]
pub struct JsonMap(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    entries: Vec<(CelMapKey<'static>, Box<dyn Val>)>,
    map: OnceLock<CelMap<'static>>,
}

impl JsonMap {
    /// From entries with distinct string keys.
    pub fn new(entries: Vec<(CelMapKey<'static>, Box<dyn Val>)>) -> Self {
        Self(Arc::new(Inner {
            entries,
            map: OnceLock::new(),
        }))
    }

    /// The entries, in order.
    pub fn entries(&self) -> &[(CelMapKey<'static>, Box<dyn Val>)] {
        &self.0.entries
    }

    fn map(&self) -> &CelMap<'static> {
        self.0.map.get_or_init(|| {
            let entries = self.0.entries.iter().cloned();
            entries.collect::<std::collections::HashMap<_, _>>().into()
        })
    }
}

impl StaticVal for JsonMap {}

impl Val for JsonMap {
    fn get_type(&self) -> &Type {
        Self::cel_type()
    }

    fn cel_type() -> &'static Type {
        CelMap::cel_type()
    }

    fn as_container(&self) -> Option<&dyn Container> {
        Some(self.map())
    }

    fn as_indexer<'b, 'v>(&'b self) -> Option<&'b (dyn Indexer + 'v)>
    where
        Self: 'v,
    {
        Some(self.map())
    }

    fn into_indexer<'v>(self: Box<Self>) -> Option<Box<dyn Indexer + 'v>>
    where
        Self: 'v,
    {
        Some(Box::new(self.map().clone()))
    }

    fn as_iterable<'b, 'v>(&'b self) -> Option<&'b (dyn Iterable + 'v)>
    where
        Self: 'v,
    {
        Some(self)
    }

    fn as_sizer(&self) -> Option<&dyn Sizer> {
        Some(self)
    }

    fn as_zeroer(&self) -> Option<&dyn Zeroer> {
        Some(self)
    }

    fn equals(&self, other: &dyn Val) -> bool {
        self.map().equals(other)
    }

    fn clone_as_boxed<'v>(&self) -> Box<dyn Val + 'v>
    where
        Self: 'v,
    {
        Box::new(self.clone())
    }

    fn as_any(&self) -> Option<&dyn Any> {
        Some(self)
    }

    fn as_builtin<'b, 'v>(&'b self) -> BuiltinRef<'b, 'v>
    where
        Self: 'v,
    {
        BuiltinRef::Map(self.map())
    }

    fn into_builtin<'v>(self: Box<Self>) -> Option<Builtin<'v>>
    where
        Self: 'v,
    {
        Some(Builtin::Map(self.map().clone()))
    }
}

impl Iterable for JsonMap {
    fn iter<'b, 'v>(&'b self) -> Box<dyn Iterator<'b, 'v> + 'b>
    where
        Self: 'v,
    {
        Box::new(Keys(self.entries().iter()))
    }
}

/// The keys, in the order of the object.
struct Keys<'b>(std::slice::Iter<'b, (CelMapKey<'static>, Box<dyn Val>)>);

impl<'b, 'v> Iterator<'b, 'v> for Keys<'b> {
    fn next(&mut self) -> Option<&'b (dyn Val + 'v)> {
        self.0.next().map(|(key, _)| key.inner() as &(dyn Val + 'v))
    }
}

impl Sizer for JsonMap {
    fn size(&self) -> CelInt {
        i64::try_from(self.entries().len())
            .unwrap_or(i64::MAX)
            .into()
    }
}

impl Zeroer for JsonMap {
    fn is_zero_value(&self) -> bool {
        self.entries().is_empty()
    }
}
