//! Why a run or a trial could not go on.

use crate::event::Reason;
use crate::host::LinkError;
use crate::wire::Failure;

/// What ends a campaign before its plan does.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The record could not be written; without it there is nothing worth going on for.
    #[error("can't write the run's record")]
    Record(#[from] std::io::Error),
    /// A machine is gone or refuses.
    #[error(transparent)]
    Link(#[from] LinkError),
    /// A machine is not fit; nothing was changed.
    #[error("{}", .0.message)]
    NotFit(Reason),
    /// Something went wrong that the trials after it would suffer from.
    #[error("{}", .0.message)]
    Broken(Reason),
    /// The user asked to stop.
    #[error("stopped by {0}")]
    Interrupted(String),
}

/// What ends a trial before its plan does.
#[derive(Debug)]
pub enum TrialError {
    /// This trial has no figures; the next one starts from a clean state all the same.
    Failed(Reason),
    /// The campaign can't go on.
    Fatal(RunError),
}

impl From<RunError> for TrialError {
    fn from(error: RunError) -> Self {
        Self::Fatal(error)
    }
}

impl From<std::io::Error> for TrialError {
    fn from(error: std::io::Error) -> Self {
        Self::Fatal(RunError::Record(error))
    }
}

impl From<LinkError> for TrialError {
    fn from(error: LinkError) -> Self {
        match error {
            // The agent is there and says why this one thing can't be done: the trial's affair.
            LinkError::Refused { machine, failure } => Self::Failed(of_failure(&machine, &failure)),
            lost => Self::Fatal(RunError::Link(lost)),
        }
    }
}

impl RunError {
    /// The same, before anything was changed: a machine that can't be reached or refuses is not fit.
    pub fn before_changes(self) -> Self {
        match &self {
            Self::Link(_) => Self::NotFit(self.reason()),
            _ => self,
        }
    }

    /// The reason, as it stands in the events.
    pub fn reason(&self) -> Reason {
        let plain =
            |code: &str, message: String| Reason { code: code.to_owned(), message, detail: Vec::new(), hint: None };
        match self {
            Self::NotFit(reason) | Self::Broken(reason) => reason.clone(),
            Self::Link(LinkError::Refused { machine, failure }) => of_failure(machine, failure),
            Self::Link(LinkError::Unreachable { machine, failure }) => of_failure(machine, failure),
            Self::Link(lost @ LinkError::Lost { .. }) => Reason {
                hint: Some(
                    "what it had started ends by itself or is removed by the next run, which says so".to_owned(),
                ),
                ..plain("agent-lost", lost.to_string())
            },
            Self::Link(long @ LinkError::TooLong { .. }) => plain("message-too-long", long.to_string()),
            Self::Link(other) => plain("protocol", other.to_string()),
            Self::Record(error) => plain("record", format!("can't write the run's record: {error}")),
            Self::Interrupted(signal) => plain("interrupted", format!("stopped by {signal}")),
        }
    }
}

/// What an agent or a transport says, as a reason.
fn of_failure(machine: &str, failure: &Failure) -> Reason {
    Reason {
        code: failure.code.clone(),
        message: format!("{machine}: {}", failure.message),
        detail: failure.detail.clone(),
        hint: failure.hint.clone(),
    }
}
