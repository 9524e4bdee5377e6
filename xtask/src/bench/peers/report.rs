//! What was measured, as a table for people and as JSON.

use std::{fmt::Write, time::Duration};

use serde_json::{Value, json};

use super::{
    super::load::{Measured, rounded_ms},
    catalog,
    turns::{Cell, Parked, Participant, Results, Sample},
    usage::{Memory, Usage},
    workload::{PARKED, RUNNING},
};

/// The JSON has all of an error.
const ERROR_CHARS_MAX: usize = 120;

/// What all rounds of a cell say together.
struct Summary {
    times: Measured,
    executions: f64,
    per_second: f64,
    usage: Usage,
}

impl Summary {
    /// None when nothing was measured.
    fn of(cell: &Cell) -> Option<Self> {
        let samples = cell.samples.as_ref().ok()?;
        let first = samples.first()?;
        let times: Vec<_> = samples
            .iter()
            .flat_map(|sample| sample.run.times.clone())
            .collect();
        let usages = samples[1..].iter().map(|sample| &sample.usage);
        Some(Self {
            executions: count(&times),
            times: Measured::of(times),
            per_second: median(
                samples
                    .iter()
                    .map(|sample| sample.run.per_second())
                    .collect(),
            ),
            usage: usages.fold(first.usage, |sum, usage| sum.plus(usage)),
        })
    }

    fn document(&self) -> Value {
        let each = |sum: f64| sum / self.executions;
        let usage = &self.usage;
        json!({
            "executions": self.executions,
            "median_ms": rounded_ms(self.times.median()),
            "p99_ms": rounded_ms(self.times.at(0.99)),
            "executions_per_second": self.per_second,
            "engine_cpu_ms_per_execution": each(usage.engine_seconds * 1000.0),
            "database_cpu_ms_per_execution": usage.database_seconds.map(|sum| each(sum * 1000.0)),
            "driver_cpu_ms_per_execution": usage.driver_seconds.map(|sum| each(sum * 1000.0)),
            "bytes_written_per_execution": usage.bytes_written.map(each),
            "flushes_per_execution": usage.flushes.map(each),
            "commits_per_execution": usage.commits.map(each),
        })
    }
}

impl Results {
    /// Everything, for programs.
    pub fn document(&self) -> Value {
        let syncs = Measured::of(self.syncs.clone());
        json!({
            "machine": self.machine.document(),
            "fsync": {"median_ms": rounded_ms(syncs.median()), "p99_ms": rounded_ms(syncs.at(0.99))},
            "seconds": self.time.as_secs_f64(), "rounds": self.rounds,
            "engines": self.engines.iter().map(Participant::document).collect::<Vec<_>>(),
            "measurements": self.cells.iter().map(|cell| self.cell(cell)).collect::<Vec<_>>(),
        })
    }

    fn cell(&self, cell: &Cell) -> Value {
        let mut document = json!({
            "engine": self.engines[cell.engine].kind.name,
            "workload": cell.workload.name(), "clients": cell.clients,
        });
        let fields = document.as_object_mut().expect("it is one");
        if let Some(Value::Object(summary)) = Summary::of(cell).map(|summary| summary.document()) {
            fields.extend(summary);
        }
        for (name, ratio) in BASES.iter().zip(self.ratios(cell)) {
            fields.insert(format!("{name}_is_times_as_fast"), json!(ratio));
        }
        match &cell.samples {
            Ok(samples) => {
                let rounds: Vec<_> = samples.iter().map(Sample::document).collect();
                fields.insert("rounds".to_owned(), rounds.into());
            }
            Err(why) => {
                fields.insert("failure".to_owned(), why.as_str().into());
            }
        }
        document
    }

    /// Executions a second of Phasewright, on `SQLite` and on PostgreSQL, over those of this cell.
    fn ratios(&self, cell: &Cell) -> [Option<f64>; 2] {
        let own = Summary::of(cell).map(|summary| summary.per_second);
        BASES.map(|name| {
            let same = |other: &&Cell| {
                let is_base = self.engines[other.engine].kind.name == name;
                is_base && (other.workload, other.clients) == (cell.workload, cell.clients)
            };
            let base = self.cells.iter().find(same).and_then(Summary::of)?;
            Some(base.per_second / own?)
        })
    }

    /// Everything that fits, for people, in Markdown.
    pub fn table(&self) -> String {
        let syncs = Measured::of(self.syncs.clone());
        let mut text = format!(
            "\n{}; fsync: {syncs}; {} rounds of {} s\n\n",
            self.machine.title(),
            self.rounds,
            self.time.as_secs_f64()
        );
        text += "| engine | version | MB when started | MB at most | MB of its PostgreSQL \
                 | s to park 10,000 | MB more with them | s for 1,000 | s with kill -9 |\n\
                 |---|---|--:|--:|--:|--:|--:|--:|--:|\n";
        for engine in &self.engines {
            text += &engine.row();
        }
        text += "\n| workload | clients | engine | median ms | 99 % ms | /s \
                 | Phasewright, SQLite: times as fast | PostgreSQL | CPU ms: engine | database \
                 | clients | KB written | flushes | commits |\n\
                 |---|--:|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|\n";
        // The table above says why others take no part.
        let took_part = |cell: &&Cell| self.engines[cell.engine].version.is_ok();
        for cell in self.cells.iter().filter(took_part) {
            text += &self.row(cell);
        }
        text
    }

    fn row(&self, cell: &Cell) -> String {
        let engine = &self.engines[cell.engine];
        let (workload, clients) = (cell.workload.title(), cell.clients);
        let mut row = format!("| {workload} | {clients} | {} |", engine.kind.title);
        match (Summary::of(cell), &cell.samples) {
            (Some(summary), _) => {
                let each = |sum: Option<f64>| sum.map(|sum| sum / summary.executions);
                let ms = |time: Duration| Some(rounded_ms(time));
                let usage = &summary.usage;
                let [sqlite, postgres] = self.ratios(cell);
                let numbers = [
                    ms(summary.times.median()),
                    ms(summary.times.at(0.99)),
                    Some(summary.per_second),
                    sqlite,
                    postgres,
                    each(Some(usage.engine_seconds * 1000.0)),
                    each(usage.database_seconds.map(|seconds| seconds * 1000.0)),
                    each(usage.driver_seconds.map(|seconds| seconds * 1000.0)),
                    each(usage.bytes_written.map(|bytes| bytes / 1000.0)),
                    each(usage.flushes),
                    each(usage.commits),
                ];
                for number in numbers {
                    let _ = write!(row, " {} |", digits(number));
                }
            }
            (None, Err(why)) => {
                let _ = write!(row, " –, {} |", in_a_line(why));
            }
            (None, Ok(_)) => row += " – |",
        }
        row + "\n"
    }
}

/// What the ratios refer to.
const BASES: [&str; 2] = [catalog::ALL[0].name, catalog::ALL[1].name];

impl Participant {
    fn document(&self) -> Value {
        let [at_rest, at_end, database] = self.memory();
        json!({
            "engine": self.kind.name, "title": self.kind.title,
            "version": self.version.as_ref().ok(), "failure": self.version.as_ref().err(),
            "resident_bytes_at_rest": at_rest, "resident_bytes_at_most": at_end,
            "database_bytes": database, "parked": self.parked.as_ref().map(Parked::document),
            "recovery": self.recovery.as_ref().map(|recovery| match recovery {
                Ok(recovery) => json!({
                    "executions": RUNNING,
                    "undisturbed_ms": rounded_ms(recovery.undisturbed),
                    "killed_ms": rounded_ms(recovery.killed),
                }),
                Err(why) => json!({ "failure": why }),
            }),
        })
    }

    fn row(&self) -> String {
        let version = match &self.version {
            Ok(version) => version.clone(),
            Err(why) => format!("–, {}", in_a_line(why)),
        };
        let mut row = format!("| {} | {version} |", self.kind.title);
        let parked = self.parked.as_ref();
        let mut numbers = self
            .memory()
            .map(|bytes| bytes.map(|bytes| bytes / 1e6))
            .to_vec();
        numbers.push(parked.map(|parked| parked.took.as_secs_f64()));
        numbers.push(parked.map(|parked| parked.bytes_more / 1e6));
        for number in numbers {
            let _ = write!(row, " {} |", digits(number));
        }
        let seconds = |time: Duration| digits(Some(time.as_secs_f64()));
        row += &match &self.recovery {
            None => " – | – |".to_owned(),
            Some(Err(why)) => format!(" – | –, {} |", in_a_line(why)),
            Some(Ok(recovery)) => {
                let (undisturbed, killed) = (recovery.undisturbed, recovery.killed);
                format!(" {} | {} |", seconds(undisturbed), seconds(killed))
            }
        };
        row + "\n"
    }

    /// At rest, at most, and of the database: the most of all rounds.
    fn memory(&self) -> [Option<f64>; 3] {
        let most = |of: &[Memory], which: fn(&Memory) -> Option<f64>| {
            of.iter().filter_map(which).max_by(f64::total_cmp)
        };
        [
            most(&self.at_rest, |memory| Some(memory.engine)),
            most(&self.at_end, |memory| Some(memory.engine_peak)),
            most(&self.at_end, |memory| memory.database),
        ]
    }
}

impl Parked {
    fn document(&self) -> Value {
        json!({
            "executions": PARKED, "took_ms": rounded_ms(self.took),
            "resident_bytes_more": self.bytes_more,
        })
    }
}

impl Sample {
    fn document(&self) -> Value {
        let times = Measured::of(self.run.times.clone());
        json!({
            "executions": self.run.times.len(), "took_ms": rounded_ms(self.run.took),
            "executions_per_second": self.run.per_second(),
            "median_ms": rounded_ms(times.median()), "p99_ms": rounded_ms(times.at(0.99)),
            "engine_cpu_seconds": self.usage.engine_seconds,
            "database_cpu_seconds": self.usage.database_seconds,
            "driver_cpu_seconds": self.usage.driver_seconds,
            "bytes_written": self.usage.bytes_written, "flushes": self.usage.flushes,
            "commits": self.usage.commits,
        })
    }
}

/// Three digits are more than two runs have in common.
fn digits(number: Option<f64>) -> String {
    match number {
        None => "–".to_owned(),
        Some(number) if number < 10.0 => format!("{number:.2}"),
        Some(number) if number < 100.0 => format!("{number:.1}"),
        Some(number) => format!("{number:.0}"),
    }
}

/// An error, where a table has room for one.
fn in_a_line(why: &str) -> String {
    let line = why.lines().next().unwrap_or_default().replace('|', "/");
    line.chars().take(ERROR_CHARS_MAX).collect()
}

fn median(mut numbers: Vec<f64>) -> f64 {
    numbers.sort_by(f64::total_cmp);
    numbers[numbers.len() / 2]
}

#[expect(
    clippy::cast_precision_loss,
    reason = "a count of executions is far below 2^52"
)]
fn count(times: &[Duration]) -> f64 {
    times.len() as f64
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{digits, in_a_line};
    use crate::bench::{
        load::Run,
        peers::{
            catalog,
            machine::Machine,
            turns::{Cell, Participant, Results, Sample},
            usage::Usage,
            workload::Workload,
        },
    };

    fn participant(engine: usize, version: Result<String, String>) -> Participant {
        Participant {
            kind: &catalog::ALL[engine],
            version,
            at_rest: Vec::new(),
            at_end: Vec::new(),
            parked: None,
            recovery: None,
        }
    }

    fn cell(engine: usize, samples: Result<Vec<Sample>, String>) -> Cell {
        Cell {
            workload: Workload::Chain3,
            clients: 1,
            engine,
            samples,
        }
    }

    /// `count` executions in a second.
    fn sample(count: u32) -> Sample {
        Sample {
            run: Run {
                times: vec![Duration::from_secs(1) / count; count as usize],
                took: Duration::from_secs(1),
            },
            usage: Usage {
                engine_seconds: 0.5,
                ..Usage::default()
            },
        }
    }

    fn results() -> Results {
        let missing = || Err("npm is not there | at all\nmore".to_owned());
        Results {
            machine: Machine::read(std::path::Path::new(".")).unwrap(),
            syncs: vec![Duration::from_millis(1)],
            time: Duration::from_secs(1),
            rounds: 3,
            engines: vec![
                participant(0, Ok("1".to_owned())),
                participant(2, missing()),
                participant(3, Ok("2".to_owned())),
            ],
            cells: vec![
                cell(0, Ok(vec![sample(400), sample(100), sample(200)])),
                cell(1, Ok(Vec::new())),
                cell(2, Ok(vec![sample(50), sample(50), sample(50)])),
                cell(2, Err("it broke".to_owned())),
            ],
        }
    }

    #[test]
    fn the_table_says_how_much_faster_and_why_not() {
        let table = results().table();
        let row = |start: &str| table.lines().find(|line| line.starts_with(start)).unwrap();
        let chain = "| chain of 3 | 1 |";
        // The median of the rounds, and all of them over all executions.
        let ours = row(&format!("{chain} Phasewright"));
        assert!(ours.contains("| 200 | 1.00 | – | 2.14 |"), "{ours}");
        let theirs = row(&format!("{chain} DBOS"));
        assert!(
            theirs.contains("| 20.0 | 20.0 | 50.0 | 4.00 | – | 10.0 |"),
            "{theirs}"
        );
        let absent = row("| Restate");
        assert!(
            absent.contains("| –, npm is not there / at all |"),
            "{absent}"
        );
        assert!(table.contains("| –, it broke |"), "{table}");
    }

    #[test]
    fn the_document_has_each_round() {
        let document = results().document();
        let measured = &document["measurements"];
        assert_eq!(measured[0]["rounds"][0]["executions"], 400);
        assert_eq!(measured[2]["phasewright-sqlite_is_times_as_fast"], 4.0);
        assert!(measured[1]["median_ms"].is_null());
        assert_eq!(measured[3]["failure"], "it broke");
    }

    #[test]
    fn numbers_and_errors_fit() {
        let numbers = [0.123, 12.34, 1234.5].map(|number| digits(Some(number)));
        assert_eq!(numbers, ["0.12", "12.3", "1234"]);
        assert_eq!(in_a_line("a | b\nc"), "a / b");
    }
}
