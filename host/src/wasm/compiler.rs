//! Components made ready to run, and kept so in files.
//!
//! Code is mapped from its file: what of it a component does not use takes no memory, and hosts on
//! one machine share what they use. Files are written beside and renamed, never changed.

use std::{
    fs::{self, DirBuilder, File},
    hash::{DefaultHasher, Hash, Hasher},
    io::{self, Write},
    os::unix::fs::DirBuilderExt,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, SystemTime},
};

use rayon::ThreadPoolBuilder;
use tempfile::NamedTempFile;
use wasmtime::{Engine, InstanceAllocationStrategy, component::Component};

use crate::workflow::Digest;

/// How long a file is kept that no host has opened: longer than a machine is usually left alone.
const KEEP: Duration = Duration::from_hours(30 * 24);

/// How exact the time of the last opening is.
const KEEP_EXACTNESS: Duration = Duration::from_hours(24);

/// Compiles components, or takes them from the cache. Cheap to clone.
#[derive(Clone)]
pub struct Compiler {
    engine: Engine,
    /// Held by who compiles: one component at a time keeps all processors busy.
    turn: Arc<Mutex<()>>,
    /// The cache for this engine; none where there can be none.
    folder: Option<Arc<Path>>,
}

impl Compiler {
    /// With a cache in this folder, which any number of hosts may share. Whoever can write there can
    /// have a host run anything, so it is made for this user alone. Without one, components are
    /// compiled at every start.
    pub fn new(engine: Engine, cache: &Path) -> Self {
        let mut hasher = DefaultHasher::new();
        engine.precompile_compatibility_hash().hash(&mut hasher);
        let folder = cache.join(format!("{:016x}", hasher.finish()));
        let made = std::path::absolute(folder).and_then(|folder| {
            (DirBuilder::new().recursive(true).mode(0o700)).create(&folder)?;
            Ok(folder.into())
        });
        let folder = made.inspect_err(|error| {
            tracing::warn!(folder = %cache.display(), "no cache of compiled components: {error}");
        });
        Self {
            engine,
            turn: Arc::default(),
            folder: folder.ok(),
        }
    }

    /// The component of these bytes, which have this digest. Blocks: the first time for seconds.
    pub fn component(&self, digest: Digest, bytes: &[u8]) -> wasmtime::Result<Component> {
        let Some(folder) = &self.folder else {
            return self.load(&self.compile(bytes)?);
        };
        let file = folder.join(format!("{digest}.cwasm"));
        if let Some(component) = self.open(&file) {
            return Ok(component);
        }
        let code = self.compile(bytes)?;
        if let Err(error) = write(&file, &code) {
            tracing::warn!(file = %file.display(), "failed to keep a compiled component: {error}");
        }
        self.open(&file).map_or_else(|| self.load(&code), Ok)
    }

    /// By an engine and on threads that end with it: for the next function they would keep what
    /// memory the largest one took, some 100 MB.
    fn compile(&self, bytes: &[u8]) -> wasmtime::Result<Vec<u8>> {
        let _turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
        let threads = ThreadPoolBuilder::new().build()?;
        let mut config = self.engine.config().clone();
        // Nothing runs there, and a pool of instances would be made at once.
        config.allocation_strategy(InstanceAllocationStrategy::OnDemand);
        threads.install(|| Engine::new(&config)?.precompile_component(bytes))
    }

    /// What is in a file; none when it is not there or not whole.
    fn open(&self, file: &Path) -> Option<Component> {
        let component = self.map(file).or_else(|_| {
            // There are file systems from which no code may be mapped.
            let code = fs::read(file)?;
            self.load(&code)
        });
        let component = component.ok()?;
        touch(file);
        Some(component)
    }

    #[expect(
        unsafe_code,
        reason = "compiled code is run without a check, wherever it comes from"
    )]
    fn map(&self, file: &Path) -> wasmtime::Result<Component> {
        // SAFETY: only hosts of this user write here, and nothing that this engine did not compile;
        // files that are there are never changed.
        unsafe { Component::deserialize_file(&self.engine, file) }
    }

    #[expect(unsafe_code, reason = "the same")]
    fn load(&self, code: &[u8]) -> wasmtime::Result<Component> {
        // SAFETY: as for files; or it has just been compiled here.
        unsafe { Component::deserialize(&self.engine, code) }
    }
}

/// Writes a file as a whole, and removes those that nobody has opened for long.
fn write(file: &Path, code: &[u8]) -> io::Result<()> {
    let folder = file.parent().unwrap_or(file);
    let mut beside = NamedTempFile::new_in(folder)?;
    beside.write_all(code)?;
    beside.persist(file)?;
    // Those of other engines, too: nobody else would.
    for folder in entries(folder.parent().unwrap_or(folder)) {
        for file in entries(&folder) {
            if age(&file).is_some_and(|age| age > KEEP) {
                // Another host may have done it.
                let _ = fs::remove_file(file);
            }
        }
    }
    Ok(())
}

/// What is in a folder; nothing when it is none.
fn entries(folder: &Path) -> impl Iterator<Item = PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten();
    entries.filter_map(|entry| Some(entry.ok()?.path()))
}

/// How long ago a file was opened or written.
fn age(file: &Path) -> Option<Duration> {
    let metadata = fs::metadata(file).ok().filter(fs::Metadata::is_file)?;
    metadata.modified().ok()?.elapsed().ok()
}

/// Says that a file is in use. If that fails it is compiled again some day.
fn touch(file: &Path) {
    if age(file).is_some_and(|age| age > KEEP_EXACTNESS) {
        let file = File::options().append(true).open(file);
        let _ = file.and_then(|file| file.set_modified(SystemTime::now()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const COMPONENT: &str = "(component)";

    fn compiler(cache: &Path) -> Compiler {
        Compiler::new(Engine::default(), cache)
    }

    /// Has the smallest component compiled; gives the file that it is kept in.
    fn compile(compiler: &Compiler) -> PathBuf {
        let bytes = wat::parse_str(COMPONENT).unwrap();
        let digest = Digest::of(&bytes);
        compiler.component(digest, &bytes).unwrap();
        let folder = compiler.folder.as_ref().unwrap();
        folder.join(format!("{digest}.cwasm"))
    }

    #[test]
    fn what_is_kept_is_not_compiled_again_and_what_is_broken_is() {
        let cache = tempfile::tempdir().unwrap();
        let compiler = compiler(cache.path());
        let file = compile(&compiler);
        let kept = fs::read(&file).unwrap();
        let digest = Digest::of(b"another");
        // What is not even a component is not looked at when there is code for it.
        fs::copy(&file, file.with_file_name(format!("{digest}.cwasm"))).unwrap();
        compiler.component(digest, b"another").unwrap();
        fs::write(&file, "broken").unwrap();
        compile(&compiler);
        assert_eq!(fs::read(&file).unwrap().len(), kept.len());
    }

    #[test]
    fn what_nobody_opens_goes() {
        let cache = tempfile::tempdir().unwrap();
        let compiler = compiler(cache.path());
        let other = cache.path().join("other");
        fs::create_dir(&other).unwrap();
        let old = SystemTime::now() - KEEP - KEEP_EXACTNESS;
        let leave = |name: &str| {
            let file = other.join(name);
            File::create(&file).unwrap().set_modified(old).unwrap();
            file
        };
        let (used, unused) = (leave("used"), leave("unused"));
        touch(&used);
        compile(&compiler);
        assert!(used.exists() && !unused.exists());
    }

    #[test]
    fn without_a_folder_it_compiles_all_the_same() {
        let file = NamedTempFile::new().unwrap();
        let compiler = compiler(&file.path().join("cache"));
        assert!(compiler.folder.is_none());
        let bytes = wat::parse_str(COMPONENT).unwrap();
        assert!(compiler.component(Digest::of(&bytes), &bytes).is_ok());
    }
}
