//! Every component is one that stock Spin can run: a WASI 0.3 component whose imports Spin provides, or
//! the manifest satisfies.

use std::{collections::BTreeSet, fs, path::Path};

use anyhow::{Context, Result};
use wit_parser::{
    WorldItem,
    decoding::{DecodedWasm, decode},
};

use phasewright::endpoints::Manifest;
use phasewright_tests::edge::compose::PACKAGE;

use crate::app::binaries;

/// Interfaces that Spin 4.1 provides, one a line.
const SPIN: &str = include_str!("spin-4.1.txt");

/// What an HTTP component exports.
const HANDLER: &str = "wasi:http/handler@0.3.0";

/// Names of interfaces with their versions.
struct World {
    imports: BTreeSet<String>,
    exports: BTreeSet<String>,
}

fn world(path: &Path) -> Result<World> {
    let bytes = fs::read(path).with_context(|| format!("read {}", path.display()))?;
    let DecodedWasm::Component(resolve, world) = decode(&bytes)? else {
        anyhow::bail!("{} is no component", path.display());
    };
    let names = |items: &mut dyn Iterator<Item = &WorldItem>| {
        let names = items.map(|item| match item {
            WorldItem::Interface { id, .. } => resolve.id_of(*id).unwrap_or_default(),
            other => format!("{other:?}"),
        });
        names.collect()
    };
    let world = &resolve.worlds[world];
    Ok(World {
        imports: names(&mut world.imports.values()),
        exports: names(&mut world.exports.values()),
    })
}

/// Spin provides a version for whoever asks for an older compatible one.
fn is_provided(import: &str) -> bool {
    let provided = |known: &str| match (known.split_once('@'), import.split_once('@')) {
        (Some((name, has)), Some((wanted, asks))) => {
            name == wanted && (has == asks || is_later(has, asks))
        }
        _ => known == import,
    };
    SPIN.lines()
        .filter(|line| !line.starts_with('#') && !line.is_empty())
        .any(provided)
}

/// Of the same minor version, and a later patch.
fn is_later(has: &str, asks: &str) -> bool {
    let split = |version: &str| {
        let (minor, patch) = version.rsplit_once('.')?;
        Some((minor.to_owned(), patch.parse::<u32>().ok()?))
    };
    match (split(has), split(asks)) {
        (Some((minor, patch)), Some((other, wanted))) => minor == other && patch >= wanted,
        _ => false,
    }
}

fn is_ours(import: &str) -> bool {
    import.split('/').next() == Some(PACKAGE)
}

/// Everything of the application that ships.
struct Shipped {
    endpoints: Vec<(String, World, phasewright::endpoints::Source)>,
    link: World,
}

fn shipped() -> Result<Shipped> {
    let manifest = Manifest::read(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../spin.toml"))?;
    let folder = binaries()?;
    let endpoints = manifest.components.into_iter().map(|(name, source)| {
        let file = source.path.file_name().context("a file")?;
        Ok((name, world(&folder.join(file))?, source))
    });
    Ok(Shipped {
        endpoints: endpoints.collect::<Result<_>>()?,
        link: world(&folder.join("engine_link.wasm"))?,
    })
}

#[test]
fn endpoints_import_what_spin_provides_and_what_the_manifest_satisfies() -> Result<()> {
    for (name, world, source) in shipped()?.endpoints {
        assert!(
            world.exports.contains(HANDLER),
            "{name}: {:?}",
            world.exports
        );
        let (ours, others): (Vec<_>, Vec<_>) = world.imports.iter().partition(|it| is_ours(it));
        let strange: Vec<_> = others.iter().filter(|it| !is_provided(it)).collect();
        assert!(strange.is_empty(), "{name} imports {strange:?}");
        // Spin refuses a dependency that nothing imports, as well as an import that nothing satisfies.
        let satisfied = source.dependencies.get("phasewright:workflow@0.1.0");
        let expected = (!ours.is_empty()).then_some("engine-link");
        assert_eq!(satisfied.map(String::as_str), expected, "{name}: {ours:?}");
        assert!(source.dependencies.len() <= 1, "{name}");
    }
    Ok(())
}

#[test]
fn the_link_imports_what_spin_provides_and_exports_what_endpoints_import() -> Result<()> {
    let Shipped { endpoints, link } = shipped()?;
    let strange: Vec<_> = link.imports.iter().filter(|it| !is_provided(it)).collect();
    assert!(strange.is_empty(), "the link imports {strange:?}");
    assert!(link.exports.iter().all(|export| is_ours(export)));
    let imports = endpoints.iter().flat_map(|(_, world, _)| &world.imports);
    for import in imports.filter(|import| is_ours(import)) {
        // The version too: Spin wants it to be the same.
        assert!(link.exports.contains(import), "the link has no {import}");
    }
    Ok(())
}

#[test]
fn versions_are_compared_as_spin_does() {
    for (import, provided) in [
        ("wasi:cli/environment@0.2.0", true),
        ("wasi:cli/environment@0.2.6", true),
        ("wasi:cli/environment@0.2.99", false),
        ("wasi:cli/environment@0.3.1", false),
        ("wasi:cli/environments@0.2.0", false),
        ("wasi:http/handler@0.3.0-rc-2026-01-06", false),
        ("spin:variables/variables@3.0.0", true),
        ("phasewright:workflow/types@0.1.0", false),
    ] {
        assert_eq!(is_provided(import), provided, "{import}");
    }
}
