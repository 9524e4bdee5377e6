//! The arguments of one command.

use std::ffi::OsString;

use anyhow::{Context, Result, anyhow};
use lexopt::{Arg, ValueExt};

/// What follows the name of the command.
pub struct Arguments {
    command: &'static str,
    all: Vec<OsString>,
}

impl Arguments {
    /// The arguments of `command`, as given.
    pub fn new(command: &'static str, all: Vec<OsString>) -> Self {
        Self { command, all }
    }

    /// As given, to pass on.
    pub fn into_vec(self) -> Vec<OsString> {
        self.all
    }

    /// Takes the first one if it is this word.
    pub fn take_word(&mut self, word: &str) -> bool {
        let is_first = self.all.first().is_some_and(|first| first == word);
        if is_first {
            self.all.remove(0);
        }
        is_first
    }

    /// Refuses any.
    pub fn none(self) -> Result<()> {
        self.parse(|_, _| Ok(false))
    }

    /// Gives every argument to `take`, which says whether it knows it.
    pub fn parse(
        self,
        mut take: impl FnMut(Argument<'_>, &mut Values<'_>) -> Result<bool>,
    ) -> Result<()> {
        let hint = "cargo xtask help tells what there is";
        let mut parser = lexopt::Parser::from_args(self.all);
        while let Some(argument) = parser.next()? {
            let (argument, name) = match argument {
                Arg::Long(name) => {
                    let name = name.to_owned();
                    (Owned::Option(name.clone()), format!("--{name}"))
                }
                Arg::Short(letter) => (Owned::Option(letter.to_string()), format!("-{letter}")),
                Arg::Value(value) => {
                    let value = value.string()?;
                    (Owned::Word(value.clone()), value)
                }
            };
            let argument = match &argument {
                Owned::Option(name) => Argument::Option(name),
                Owned::Word(word) => Argument::Word(word),
            };
            let known = take(argument, &mut Values(&mut parser)).with_context(|| name.clone())?;
            if !known {
                return Err(anyhow!("{} does not know {name}; {hint}", self.command));
            }
        }
        Ok(())
    }
}

enum Owned {
    Option(String),
    Word(String),
}

/// One argument.
#[derive(Clone, Copy)]
pub enum Argument<'a> {
    /// `--name` or `-n`, without the hyphens.
    Option(&'a str),
    /// Anything else.
    Word(&'a str),
}

/// What follows an option.
pub struct Values<'p>(&'p mut lexopt::Parser);

impl Values<'_> {
    /// The value of the option at hand.
    pub fn next<T: std::str::FromStr>(&mut self) -> Result<T>
    where
        T::Err: std::error::Error + Send + Sync + 'static,
    {
        Ok(self.0.value()?.parse()?)
    }
}
