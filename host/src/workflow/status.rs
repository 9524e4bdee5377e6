//! Where executions and nodes stand, as everybody names it.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

macro_rules! status_type {
    ($(#[$doc:meta])* $name:ident { $($(#[$variant_doc:meta])* $variant:ident = $text:literal,)* }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
        #[serde(rename_all = "snake_case")]
        pub enum $name { $($(#[$variant_doc])* $variant,)* }

        impl $name {
            /// All of them.
            pub const ALL: &'static [Self] = &[$(Self::$variant),*];

            /// Its name in the store and in HTTP.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $text,)* }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.as_str())
            }
        }

        impl FromStr for $name {
            type Err = String;
            fn from_str(text: &str) -> Result<Self, String> {
                match text {
                    $($text => Ok(Self::$variant),)*
                    _ => Err(format!("{text:?} is none of {}", [$($text),*].join(", "))),
                }
            }
        }
    };
}

status_type!(
    /// Status of an execution.
    ExecutionStatus {
        /// Created; nothing has run yet.
        Pending = "pending",
        /// Something runs, or will by itself.
        Running = "running",
        /// Nothing runs until somebody decides at a checkpoint.
        AwaitingCheckpoint = "awaiting_checkpoint",
        /// Somebody holds it: nothing begins until it is resumed.
        Paused = "paused",
        /// Over, with an output.
        Completed = "completed",
        /// Over, with an error.
        Failed = "failed",
        /// Over, because somebody asked for it.
        Cancelled = "cancelled",
        /// Over, because its deadline passed.
        TimedOut = "timed_out",
    }
);

status_type!(
    /// Status of a node, or of one item of it.
    NodeStatus {
        /// Its needs are not over yet, or there is no room for it.
        Waiting = "waiting",
        /// An attempt runs.
        Running = "running",
        /// An attempt failed and the next one waits for its time.
        Retrying = "retrying",
        /// Somebody has to decide on its output.
        AwaitingCheckpoint = "awaiting_checkpoint",
        /// Over, with an output.
        Completed = "completed",
        /// Over, with an error.
        Failed = "failed",
        /// Over without having run.
        Skipped = "skipped",
        /// It was active when the execution ended.
        Cancelled = "cancelled",
    }
);

impl ExecutionStatus {
    /// Will nothing happen any more (unless it is resumed)?
    pub fn is_over(self) -> bool {
        matches!(
            self,
            Self::Completed | Self::Failed | Self::Cancelled | Self::TimedOut
        )
    }
}

impl NodeStatus {
    /// Will nothing happen to it any more (unless the execution is resumed)?
    pub fn is_over(self) -> bool {
        matches!(
            self,
            Self::Completed | Self::Failed | Self::Skipped | Self::Cancelled
        )
    }
}
