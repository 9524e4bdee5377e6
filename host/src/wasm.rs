//! The one wasmtime engine of the process, shared by phases, expressions and endpoints.
//!
//! **Invariant:** guests of one kind never starve those of another: the pool holds the
//! largest number of each kind at once, and each kind keeps to its number: attempts by the
//! places that the executor has for them, the others with a semaphore of their own.
//! **Invariant:** no guest runs for longer than a [`TICK`] without giving its thread back,
//! as long as whoever polls it holds a [`Ticking`].

mod compiler;

use std::{
    env,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst},
    },
    thread::{self, Thread},
    time::Duration,
};

use wasmtime::{Config, Enabled, Engine, PoolingAllocationConfig, Store};

pub use compiler::Compiler;

/// Attempts of phases at once. A phase that waits for an answer from somewhere holds its place, so
/// this is far more than there are processors; one that waits costs about 150 KB.
pub const ATTEMPTS_MAX: u32 = 1_024;

/// Expression evaluations at once. They only compute, so a few per processor are enough.
pub const EXPRESSIONS_MAX: u32 = 32;

/// Phases from the store that are loaded at once, and asked what they are: each may be as
/// large as components may be.
pub const LOADS_MAX: u32 = 2;

/// Instances of endpoint components at once. Each serves many requests, one after another
/// and [`ENDPOINT_CALLS_MAX`] side by side.
pub const ENDPOINT_INSTANCES_MAX: u32 = 128;

/// Requests that one endpoint instance serves side by side.
pub const ENDPOINT_CALLS_MAX: u32 = 16;

/// How long a guest computes before it has to let others run: well below what anybody
/// notices in an answer, and far above the microsecond that changing over costs.
pub const TICK: Duration = Duration::from_millis(2);

/// Ticks without a guest after which the ticker stops: long enough that under steady
/// load nobody has to wake it.
const IDLE_TICKS: u32 = 500;

/// All instances at once, of every kind.
const INSTANCES_MAX: u32 = ATTEMPTS_MAX + EXPRESSIONS_MAX + LOADS_MAX + ENDPOINT_INSTANCES_MAX;

/// Stacks: two for each attempt, evaluation and load (the one it runs on and a spare one), one for
/// each request that may be in an endpoint. Each takes two places in the kernel's list of
/// mappings, which ends at 65,530.
const STACKS_MAX: u32 =
    2 * (ATTEMPTS_MAX + EXPRESSIONS_MAX + LOADS_MAX) + ENDPOINT_INSTANCES_MAX * ENDPOINT_CALLS_MAX;

/// Memories of one component. Compilers make one; composed components have one for each part.
const MEMORIES_PER_COMPONENT_MAX: u32 = 4;

/// Tables of one component: one for each core module with indirect calls, one for the glue.
const TABLES_PER_COMPONENT_MAX: u32 = 16;

/// Core modules of one component. Python brings about twenty.
const CORE_INSTANCES_PER_COMPONENT_MAX: u32 = 64;

/// Entries of one table, 8 bytes of address space each. The largest interpreters that were
/// compiled to components have some 20,000 functions in theirs.
const TABLE_ELEMENTS_MAX: usize = 64 * 1024;

/// Largest linear memory. Being the whole 32-bit range, it needs no bounds checks: the
/// guard pages behind it do that. Only address space is reserved, 4 GiB per memory.
pub const MEMORY_BYTES_MAX: u64 = 4 << 30;

/// What a slot keeps of its memory between two guests: about what a small phase touches.
/// Clearing the pages that were touched costs less than giving them back to the kernel and
/// faulting them in again: with `PAGEMAP_SCAN` (Linux 6.7) it halves the cost of an attempt,
/// from 20 to 10 µs for the smallest.
const MEMORY_KEEP_BYTES: usize = 256 * 1024;

/// The same for tables. Without it every instance pays two system calls more.
const TABLE_KEEP_BYTES: usize = 16 * 1024;

/// Slots that stay prepared for the component that last used them. Each may keep
/// [`MEMORY_KEEP_BYTES`]; the catalog and the endpoints together are some dozens of components.
const WARM_SLOTS_MAX: u32 = 64;

/// The engine, and the thread that makes its guests give way to one another.
pub struct Wasm {
    engine: Engine,
    compiler: Compiler,
    ticker: Arc<Ticker>,
    thread: Thread,
}

/// While somebody holds one, guests are interrupted every [`TICK`].
#[must_use = "guests are interrupted only while it is held"]
pub struct Ticking(Arc<Ticker>);

struct Ticker {
    running: AtomicUsize,
    parked: AtomicBool,
    stopped: AtomicBool,
}

/// Why there is no engine.
#[derive(Debug, thiserror::Error)]
pub enum WasmError {
    /// The kernel gives too little address space, or the processor lacks what the compiler needs.
    #[error("start the WebAssembly engine: {0:#}")]
    Engine(wasmtime::Error),
    /// No thread for the ticker.
    #[error("start the ticker thread: {0}")]
    Ticker(std::io::Error),
}

impl Wasm {
    /// An engine that keeps compiled components in `cache_folder`.
    pub fn new(cache_folder: &Path) -> Result<Self, WasmError> {
        let engine = Engine::new(&config()).map_err(WasmError::Engine)?;
        let ticker = Arc::new(Ticker {
            running: AtomicUsize::new(0),
            parked: AtomicBool::new(false),
            stopped: AtomicBool::new(false),
        });
        let thread = thread::Builder::new()
            .name("ticker".into())
            .spawn({
                let (engine, ticker) = (engine.clone(), ticker.clone());
                move || ticker.run(&engine)
            })
            .map_err(WasmError::Ticker)?
            .thread()
            .clone();
        Ok(Self {
            compiler: Compiler::new(engine.clone(), cache_folder),
            engine,
            ticker,
            thread,
        })
    }

    /// What makes components ready to run.
    pub fn compiler(&self) -> &Compiler {
        &self.compiler
    }

    /// The engine, to link with.
    pub fn engine(&self) -> &Engine {
        &self.engine
    }

    /// A store whose guests give way at every tick.
    pub fn store<T: Send + 'static>(&self, data: T) -> Store<T> {
        let mut store = Store::new(&self.engine, data);
        store.set_epoch_deadline(1);
        store.epoch_deadline_async_yield_and_update(1);
        store
    }

    /// Keeps the ticker going. Hold it for as long as a guest is polled.
    pub fn ticking(&self) -> Ticking {
        self.ticker.running.fetch_add(1, SeqCst);
        if self.ticker.parked.swap(false, SeqCst) {
            self.thread.unpark();
        }
        Ticking(self.ticker.clone())
    }
}

impl Drop for Wasm {
    fn drop(&mut self) {
        self.ticker.stopped.store(true, SeqCst);
        self.thread.unpark();
    }
}

impl Drop for Ticking {
    fn drop(&mut self) {
        self.0.running.fetch_sub(1, SeqCst);
    }
}

impl Ticker {
    fn run(&self, engine: &Engine) {
        let mut idle_ticks = 0;
        while !self.stopped.load(SeqCst) {
            thread::sleep(TICK);
            engine.increment_epoch();
            if self.running.load(SeqCst) > 0 {
                idle_ticks = 0;
            } else {
                idle_ticks += 1;
            }
            if idle_ticks == IDLE_TICKS {
                self.park();
                idle_ticks = 0;
            }
        }
    }

    /// Sleeps until the next guest. Whoever starts one counts it before it looks at
    /// `parked`, and here it is the other way round, so that one of the two sees the other.
    fn park(&self) {
        self.parked.store(true, SeqCst);
        while self.parked.load(SeqCst) && !self.stopped.load(SeqCst) {
            if self.running.load(SeqCst) > 0 {
                self.parked.store(false, SeqCst);
            } else {
                thread::park();
            }
        }
    }
}

/// The folder for compiled components: `phasewright` in the user's cache folder, or
/// `fallback` where there is no such folder.
pub fn cache_folder(fallback: &Path) -> PathBuf {
    let absolute = |name| {
        env::var_os(name)
            .map(PathBuf::from)
            .filter(|path| path.is_absolute())
    };
    absolute("XDG_CACHE_HOME")
        .or_else(|| absolute("HOME").map(|home| home.join(".cache")))
        .map_or_else(|| fallback.to_owned(), |cache| cache.join("phasewright"))
}

fn config() -> Config {
    let mut config = Config::new();
    config
        .wasm_component_model_async(true)
        .epoch_interruption(true)
        // Only debuggers and native profilers read these tables; traps do without.
        .native_unwind_info(false)
        // They lead from code to offsets in a component, which tell nobody anything: components are
        // stripped. Traps are told without them, and functions by their names.
        .generate_address_map(false)
        .memory_reservation(MEMORY_BYTES_MAX)
        .allocation_strategy(pool());
    config
}

fn pool() -> PoolingAllocationConfig {
    let mut pool = PoolingAllocationConfig::new();
    pool.total_component_instances(INSTANCES_MAX)
        .total_core_instances(INSTANCES_MAX * CORE_INSTANCES_PER_COMPONENT_MAX)
        .total_memories(INSTANCES_MAX * MEMORIES_PER_COMPONENT_MAX)
        .total_tables(INSTANCES_MAX * TABLES_PER_COMPONENT_MAX)
        .total_stacks(STACKS_MAX)
        // Nothing that compiles to components uses the garbage collector yet.
        .total_gc_heaps(1)
        .max_core_instances_per_component(CORE_INSTANCES_PER_COMPONENT_MAX)
        .max_memories_per_component(MEMORIES_PER_COMPONENT_MAX)
        .max_tables_per_component(TABLES_PER_COMPONENT_MAX)
        .max_tables_per_module(TABLES_PER_COMPONENT_MAX)
        .max_memories_per_module(MEMORIES_PER_COMPONENT_MAX)
        .table_elements(TABLE_ELEMENTS_MAX)
        .max_memory_size(usize::try_from(MEMORY_BYTES_MAX).unwrap_or(usize::MAX))
        .linear_memory_keep_resident(MEMORY_KEEP_BYTES)
        .table_keep_resident(TABLE_KEEP_BYTES)
        .pagemap_scan(Enabled::Auto)
        .max_unused_warm_slots(WARM_SLOTS_MAX);
    pool
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;

    #[test]
    fn ticks_only_while_somebody_needs_it_and_starts_again() {
        let folder = tempfile::tempdir().unwrap();
        let wasm = Wasm::new(folder.path()).unwrap();
        for _ in 0..2 {
            let deadline = Instant::now() + Duration::from_secs(30);
            while !wasm.ticker.parked.load(SeqCst) {
                assert!(Instant::now() < deadline, "the ticker never rests");
                thread::sleep(TICK);
            }
            let ticking = wasm.ticking();
            assert!(!wasm.ticker.parked.load(SeqCst));
            drop(ticking);
        }
    }
}
