//! Deciding at a checkpoint: by asking whoever sits at the terminal, or as told.

use std::{
    io::{IsTerminal, stderr, stdin},
    str::FromStr,
};

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};

use crate::shell::say;

/// What an edit adds to every notice, unless somebody says something better.
const ADDITION: &str = "Passengers of cancelled flights are being rebooked by the duty manager.";

/// What a rejection says, unless somebody says something better.
const NOTES: &str = "name the first step that the station has to take";

/// What can be decided.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Choice {
    Approve,
    Edit,
    Reject,
}

#[derive(Debug)]
pub struct UnknownChoice;

impl std::fmt::Display for UnknownChoice {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("must be approve, edit or reject")
    }
}

impl std::error::Error for UnknownChoice {}

impl FromStr for Choice {
    type Err = UnknownChoice;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.trim().to_ascii_lowercase().as_str() {
            "approve" | "a" => Ok(Self::Approve),
            "edit" | "e" => Ok(Self::Edit),
            "reject" | "r" => Ok(Self::Reject),
            _ => Err(UnknownChoice),
        }
    }
}

/// Somebody who decides.
pub struct Reviewer {
    told: Option<Choice>,
    asks: bool,
    is_quiet: bool,
    rejected: bool,
    /// What has been added to the notices; the report has to have it.
    pub added: Option<String>,
}

impl Reviewer {
    /// Decides as told; else asks on a terminal; else approves.
    pub fn new(told: Option<Choice>) -> Self {
        Self {
            told,
            asks: told.is_none() && stdin().is_terminal() && stderr().is_terminal(),
            is_quiet: false,
            rejected: false,
            added: None,
        }
    }

    /// Decides as told, else approves, and says nothing.
    pub fn quiet(told: Option<Choice>) -> Self {
        Self {
            asks: false,
            is_quiet: true,
            ..Self::new(told)
        }
    }

    /// Does it keep silent?
    pub fn is_quiet(&self) -> bool {
        self.is_quiet
    }

    /// The body that resolves this checkpoint.
    pub fn decide(&mut self, checkpoint: &Value) -> Result<Value> {
        let notices = notices(&checkpoint["proposed"])?;
        if !self.is_quiet {
            say(checkpoint["title"].as_str().unwrap_or_default());
            if let Some(instructions) = checkpoint["instructions"].as_str() {
                eprintln!("{instructions}");
            }
            for notice in &notices {
                eprintln!("\n{}", notice.trim());
            }
            eprintln!();
        }
        let choice = self.choose()?;
        let body = match choice {
            Choice::Approve => json!({"action": "approve"}),
            Choice::Reject => {
                self.rejected = true;
                let notes = self.ask("what should be different? ", NOTES)?;
                json!({"action": "reject", "notes": notes})
            }
            Choice::Edit => {
                let addition = self.ask("a sentence to add to every notice: ", ADDITION)?;
                let edited = edited(&checkpoint["proposed"], &addition);
                self.added = Some(addition);
                json!({"action": "edit", "edited_content": edited, "notes": "edited in the demo"})
            }
        };
        if !self.is_quiet {
            say(&format!("decided: {body}"));
        }
        Ok(body)
    }

    fn choose(&self) -> Result<Choice> {
        match self.told {
            // What comes back after a rejection has been done again; once is enough.
            Some(Choice::Reject) if self.rejected => return Ok(Choice::Approve),
            Some(choice) => return Ok(choice),
            None if !self.asks => return Ok(Choice::Approve),
            None => {}
        }
        loop {
            match prompt("[a]pprove, [e]dit or [r]eject? ")?.parse() {
                Ok(choice) => return Ok(choice),
                Err(error) => eprintln!("{error}"),
            }
        }
    }

    fn ask(&self, question: &str, default: &str) -> Result<String> {
        if !self.asks {
            return Ok(default.to_owned());
        }
        let answer = prompt(question)?;
        let answer = answer.trim();
        Ok(if answer.is_empty() { default } else { answer }.to_owned())
    }
}

fn prompt(question: &str) -> Result<String> {
    eprint!("{question}");
    let mut line = String::new();
    if stdin().read_line(&mut line).context("read the answer")? == 0 {
        bail!("nobody answered");
    }
    Ok(line)
}

/// The texts that are proposed: one `{text}` per item.
fn notices(proposed: &Value) -> Result<Vec<&str>> {
    let items = proposed
        .as_array()
        .context("the checkpoint proposes no list")?;
    items
        .iter()
        .map(|item| item["text"].as_str().context("a proposed item has no text"))
        .collect()
}

fn edited(proposed: &Value, addition: &str) -> Value {
    let mut edited = proposed.clone();
    for item in edited.as_array_mut().into_iter().flatten() {
        if let Some(text) = item["text"].as_str() {
            item["text"] = format!("{}\n\n{addition}", text.trim_end()).into();
        }
    }
    edited
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{ADDITION, Choice, Reviewer};

    #[test]
    fn decides_as_told() {
        let checkpoint = json!({"title": "t", "proposed": [{"text": "one\n"}, {"text": "two"}]});
        let decide = |told| Reviewer::quiet(told).decide(&checkpoint).unwrap();
        assert_eq!(decide(None), json!({"action": "approve"}));
        let edit = decide(Some(Choice::Edit));
        assert_eq!(
            edit["edited_content"][0]["text"],
            format!("one\n\n{ADDITION}")
        );
        let mut reviewer = Reviewer::quiet(Some(Choice::Reject));
        assert_eq!(reviewer.decide(&checkpoint).unwrap()["action"], "reject");
        assert_eq!(reviewer.decide(&checkpoint).unwrap()["action"], "approve");
    }

    #[test]
    fn choices_have_names_and_letters() {
        assert_eq!("Approve\n".parse::<Choice>().ok(), Some(Choice::Approve));
        assert_eq!("r".parse::<Choice>().ok(), Some(Choice::Reject));
        assert!("maybe".parse::<Choice>().is_err());
    }
}
