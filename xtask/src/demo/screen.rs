//! Shows progress on standard error: a tree that changes on a terminal, a line per event elsewhere.

use std::{
    fmt::Write as _,
    io::{IsTerminal, Write as _, stderr},
};

use super::progress::{Line, Progress, State};

/// Columns when the terminal does not say.
const COLUMNS_DEFAULT: usize = 80;

/// Shows one execution.
pub enum Screen {
    /// Draws the tree over the one before, this many lines up.
    Tree {
        /// Lines that are on the terminal already.
        drawn: usize,
    },
    /// A line per event.
    Lines,
    /// Nothing.
    Quiet,
}

impl Screen {
    /// What standard error can show.
    pub fn new(is_quiet: bool) -> Self {
        match (is_quiet, stderr().is_terminal()) {
            (true, _) => Self::Quiet,
            (false, true) => Self::Tree { drawn: 0 },
            (false, false) => Self::Lines,
        }
    }

    /// Shows what an event changed; `said` is its line.
    pub fn show(&mut self, progress: &Progress, said: Option<&str>) {
        match self {
            Self::Quiet => {}
            Self::Lines => {
                if let Some(said) = said {
                    eprintln!("{said}");
                }
            }
            Self::Tree { drawn } => {
                let text = tree(progress, *drawn);
                // Nothing helps when the terminal is gone.
                let _ = stderr().write_all(text.as_bytes());
                *drawn = progress.nodes.len();
            }
        }
    }

    /// Leaves what is shown where it is; the next tree goes below.
    pub fn leave(&mut self) {
        if let Self::Tree { drawn } = self {
            *drawn = 0;
        }
    }
}

fn tree(progress: &Progress, drawn: usize) -> String {
    let columns = rustix::termios::tcgetwinsize(stderr())
        .ok()
        .map_or(COLUMNS_DEFAULT, |size| usize::from(size.ws_col))
        .max(1);
    let names = progress.nodes.iter().map(name_columns).max().unwrap_or(0);
    let mut text = String::new();
    if drawn > 0 {
        let _ = write!(text, "\x1b[{drawn}A");
    }
    for line in &progress.nodes {
        let (sign, colour) = match line.state {
            State::Waiting => ("·", "2"),
            State::Running => ("▶", "36"),
            State::Retrying => ("↻", "33"),
            State::Review => ("?", "33;1"),
            State::Done => ("✓", "32"),
            State::Skipped => ("–", "2"),
            State::Failed => ("✗", "31;1"),
            State::Cancelled => ("×", "31"),
        };
        // A line that wraps would be two to go up.
        let rest: String = describe(line, names)
            .chars()
            .take(columns.saturating_sub(3))
            .collect();
        let _ = writeln!(text, "\r\x1b[2K\x1b[{colour}m{sign}\x1b[0m {rest}");
    }
    text
}

fn describe(line: &Line, names: usize) -> String {
    let Line {
        branch, id, phase, ..
    } = line;
    let gap = " ".repeat(names - name_columns(line));
    let items = line
        .items
        .map_or_else(String::new, |(done, all)| format!("{done}/{all}"));
    let took = line.times.map_or_else(String::new, |(from, to)| {
        format!("{:.0} ms", (to - from) * 1000.0)
    });
    let message = line.message.lines().next().unwrap_or_default();
    format!("{branch}{id}{gap}  {phase:<15} {items:>5} {took:>9}  {message}")
}

fn name_columns(line: &Line) -> usize {
    (line.branch.chars().count()) + line.id.chars().count()
}
