//! Puts the files of `document/` together: one `OpenAPI` document, as text without spaces.
//!
//! Each file is a part of the document, with whatever it has to say under `paths`, `components` and
//! `tags`. Files are found by themselves; what two of them say differently is an error of the build.

use std::{
    env, fs,
    hash::{DefaultHasher, Hash, Hasher},
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, bail, ensure};
use serde_json::{Value, json};

/// Where the parts are.
const PARTS: &str = "document";

/// The part that the others are added to: what there is once.
const FIRST: &str = "interface.json";

fn main() -> Result<()> {
    println!("cargo::rerun-if-changed={PARTS}");
    let mut document = read(&Path::new(PARTS).join(FIRST))?;
    for part in others()? {
        merge("", &mut document, read(&part)?)
            .with_context(|| format!("{} does not fit the files before it", part.display()))?;
    }
    document["info"]["version"] = json!(env::var("CARGO_PKG_VERSION")?);
    let text = document.to_string();
    // Another document, another tag; that one stays the same from compiler to compiler matters to
    // nobody.
    let mut hasher = DefaultHasher::new();
    text.hash(&mut hasher);
    let tag = format!("\"{:016x}\"", hasher.finish());
    let out = PathBuf::from(env::var_os("OUT_DIR").context("cargo gives an OUT_DIR")?);
    fs::write(out.join("openapi.json"), text)?;
    fs::write(out.join("openapi.tag"), tag)?;
    Ok(())
}

/// All parts but the first, in the order of their names.
fn others() -> Result<Vec<PathBuf>> {
    let mut parts = Vec::new();
    for entry in fs::read_dir(PARTS)? {
        let path = entry?.path();
        ensure!(
            path.extension().is_some_and(|end| end == "json"),
            "{} is no .json",
            path.display()
        );
        if !path.ends_with(FIRST) {
            parts.push(path);
        }
    }
    parts.sort();
    Ok(parts)
}

fn read(path: &Path) -> Result<Value> {
    let place = || format!("read {}", path.display());
    let text = fs::read_to_string(path).with_context(place)?;
    serde_json::from_str(&text).with_context(place)
}

/// Adds objects to objects and arrays to arrays.
fn merge(pointer: &str, whole: &mut Value, part: Value) -> Result<()> {
    match (whole, part) {
        (Value::Object(whole), Value::Object(part)) => {
            for (key, value) in part {
                let below = format!("{pointer}/{key}");
                match whole.get_mut(&key) {
                    Some(known) => merge(&below, known, value)?,
                    None => drop(whole.insert(key, value)),
                }
            }
        }
        (Value::Array(whole), Value::Array(part)) => whole.extend(part),
        _ => bail!("{pointer} is there twice"),
    }
    Ok(())
}
