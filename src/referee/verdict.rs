//! What the referee can say of a trial.

/// What is said of a trial's numbers, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// They can be relied on. Needs an analysis of repeats, which this version does not have, so nothing is valid yet.
    Valid,
    /// They may not mean what they seem to: read the findings first.
    Suspect(Vec<Finding>),
    /// They mean nothing. Findings that alone would make them suspect come after those that make them invalid.
    Invalid(Vec<Finding>),
    /// Nothing speaks against them, but not enough speaks for them; or there are none.
    Unjudged(Finding),
}

/// Why a verdict is as it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// The rule that found it: a stable word, listed by [`crate::referee::rules()`].
    pub rule: &'static str,
    /// One sentence with the numbers, and what it means. It may quote outside bytes, so it is escaped like them.
    pub message: String,
}

/// A rule, for reading.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rule {
    /// Its stable word.
    pub id: &'static str,
    /// What a trial becomes by it.
    pub gives: Gives,
    /// When it applies, and why that matters.
    pub text: &'static str,
}

/// What a trial becomes by a rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Gives {
    /// Invalid.
    Invalid,
    /// Suspect.
    Suspect,
    /// Unjudged.
    Unjudged,
}

impl Gives {
    /// The word for people.
    pub fn word(self) -> &'static str {
        match self {
            Self::Invalid => "invalid",
            Self::Suspect => "suspect",
            Self::Unjudged => "unjudged",
        }
    }
}

impl Verdict {
    /// The word for people: one of the four of the design, or `not measured` where there is nothing to judge.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Valid => "valid",
            Self::Suspect(_) => "suspect",
            Self::Invalid(_) => "invalid",
            Self::Unjudged(_) if self.is_unmeasured() => "not measured",
            Self::Unjudged(_) => "unjudged",
        }
    }

    /// A sign that stands beside the word, so that no colour is needed. None of them has an emoji form.
    pub fn symbol(&self) -> &'static str {
        match self {
            Self::Valid => "✓",
            Self::Suspect(_) => "▲",
            Self::Invalid(_) => "✕",
            Self::Unjudged(_) if self.is_unmeasured() => "–",
            Self::Unjudged(_) => "○",
        }
    }

    /// The reasons, the gravest first; none for a valid one.
    pub fn findings(&self) -> &[Finding] {
        match self {
            Self::Valid => &[],
            Self::Suspect(findings) | Self::Invalid(findings) => findings,
            Self::Unjudged(finding) => std::slice::from_ref(finding),
        }
    }

    /// Whether there are no figures at all.
    pub fn is_unmeasured(&self) -> bool {
        matches!(self, Self::Unjudged(finding) if finding.rule == crate::referee::rules::NOT_MEASURED)
    }
}
