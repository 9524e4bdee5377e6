//! From CEL values to JSON.

use base64::display::Base64Display;
use base64::engine::general_purpose::STANDARD;
use cel::common::types::{
    CelBool, CelBytes, CelDouble, CelDuration, CelInt, CelList, CelMap, CelMapKey, CelNull,
    CelOptional, CelString, CelTimestamp, CelType, CelUInt,
};
use cel::common::value::Val;
use serde::ser::{Error, Serialize, Serializer};

use crate::json_map::JsonMap;

/// Writes a CEL value as JSON, as the crate's documentation says.
pub struct ToJson<'a, 'v>(pub &'a (dyn Val + 'v));

impl Serialize for ToJson<'_, '_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let value = self.0;
        // Before `CelMap`: it answers as one too, but knows the order of its keys.
        if let Some(map) = value.downcast_ref::<JsonMap>() {
            let entries = map.entries().iter();
            let entries = entries.map(|(key, value)| (text(key), ToJson(value.as_ref())));
            serializer.collect_map(entries)
        } else if let Some(value) = value.downcast_ref::<CelString>() {
            serializer.serialize_str(value.inner())
        } else if let Some(value) = value.downcast_ref::<CelInt>() {
            serializer.serialize_i64(*value.inner())
        } else if let Some(value) = value.downcast_ref::<CelUInt>() {
            serializer.serialize_u64(*value.inner())
        } else if let Some(value) = value.downcast_ref::<CelDouble>() {
            double(*value.inner(), serializer)
        } else if let Some(value) = value.downcast_ref::<CelBool>() {
            serializer.serialize_bool(*value.inner())
        } else if value.downcast_ref::<CelNull>().is_some() {
            serializer.serialize_unit()
        } else if let Some(list) = value.downcast_ref::<CelList>() {
            serializer.collect_seq(list.inner().iter().map(|item| ToJson(item.as_ref())))
        } else if let Some(map) = value.downcast_ref::<CelMap>() {
            built_map(map, serializer)
        } else {
            in_words(value, serializer)
        }
    }
}

/// What JSON has no form for.
fn in_words<S: Serializer>(value: &dyn Val, serializer: S) -> Result<S::Ok, S::Error> {
    if let Some(optional) = value.downcast_ref::<CelOptional>() {
        match optional.option() {
            Some(value) => ToJson(value).serialize(serializer),
            None => serializer.serialize_unit(),
        }
    } else if let Some(bytes) = value.downcast_ref::<CelBytes>() {
        serializer.collect_str(&Base64Display::new(bytes.inner(), &STANDARD))
    } else if let Some(timestamp) = value.downcast_ref::<CelTimestamp>() {
        let text = timestamp.inner().to_rfc3339();
        match text.strip_suffix("+00:00") {
            Some(utc) => serializer.collect_str(&format_args!("{utc}Z")),
            None => serializer.serialize_str(&text),
        }
    } else if let Some(duration) = value.downcast_ref::<CelDuration>() {
        let (seconds, nanos) = (
            duration.inner().num_seconds(),
            duration.inner().subsec_nanos(),
        );
        let sign = if seconds < 0 || nanos < 0 { "-" } else { "" };
        let text = format!(
            "{sign}{}.{:09}",
            seconds.unsigned_abs(),
            nanos.unsigned_abs()
        );
        let text = text.trim_end_matches('0').trim_end_matches('.');
        serializer.collect_str(&format_args!("{text}s"))
    } else if let Some(kind) = value.downcast_ref::<CelType>() {
        serializer.serialize_str(kind.name())
    } else {
        let kind = value.get_type().name();
        Err(S::Error::custom(format_args!(
            "a value of type {kind} has no JSON form"
        )))
    }
}

fn double<S: Serializer>(value: f64, serializer: S) -> Result<S::Ok, S::Error> {
    if value.is_finite() {
        serializer.serialize_f64(value)
    } else {
        Err(S::Error::custom(format_args!("{value} has no JSON form")))
    }
}

/// Sorted, because the map itself is in no order, and a different one each time.
fn built_map<S: Serializer>(map: &CelMap<'_>, serializer: S) -> Result<S::Ok, S::Error> {
    let mut entries = Vec::with_capacity(map.len());
    for (key, value) in map.inner() {
        let CelMapKey::String(text) = key else {
            let kind = key.inner().get_type().name();
            return Err(S::Error::custom(format_args!(
                "a key of type {kind} has no JSON form"
            )));
        };
        entries.push((text.inner(), ToJson(value.as_ref())));
    }
    entries.sort_unstable_by_key(|(key, _)| *key);
    serializer.collect_map(entries)
}

fn text<'a>(key: &'a CelMapKey<'static>) -> &'a str {
    match key {
        CelMapKey::String(text) => text.inner(),
        CelMapKey::Bool(_) | CelMapKey::Int(_) | CelMapKey::UInt(_) => {
            unreachable!("the keys of a JSON object are strings")
        }
    }
}
