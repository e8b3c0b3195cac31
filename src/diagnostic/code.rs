//! The stable codes of what `check` finds. A code never changes its meaning; tools may rely on it.

/// Declares the codes once: the word, and one sentence for people.
macro_rules! codes {
    ($($name:ident = $word:literal, $about:literal;)*) => {
        /// What kind of problem a diagnostic is about.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum Code {
            $(#[doc = $about] $name,)*
        }

        impl Code {
            /// All codes, in the order of this file.
            pub const ALL: &'static [Code] = &[$(Code::$name,)*];

            /// The stable word.
            pub fn word(self) -> &'static str {
                match self { $(Code::$name => $word,)* }
            }

            /// What it means, in one sentence.
            pub fn about(self) -> &'static str {
                match self { $(Code::$name => $about,)* }
            }
        }
    };
}

codes! {
    NoSuchFile = "no-such-file", "A file that is needed does not exist.";
    Unreadable = "unreadable", "A file exists but can't be read as a file.";
    NotUtf8 = "not-utf8", "A text file holds bytes that are not UTF-8.";
    TooLarge = "too-large", "A file, or a folder that is copied into each run, is larger than allowed.";
    TooMany = "too-many", "A file has more problems than are listed.";
    Syntax = "syntax", "The text is not TOML.";
    DuplicateKey = "duplicate-key", "A key stands twice in one table.";
    WrongType = "wrong-type", "A value has another type than its key asks for.";
    UnknownKey = "unknown-key", "A key means nothing where it stands.";
    MissingKey = "missing-key", "A key that has no default is missing.";
    OutOfRange = "out-of-range", "A number or a duration is too small or too large.";
    BadDuration = "bad-duration", "A duration has no unit, or is not written as a number and a unit.";
    UnknownWord = "unknown-word", "A word is none of those that its key knows.";
    NotBuiltYet = "not-built-yet", "A word is known, but this version can't do it.";
    EmptyList = "empty-list", "A list or a table needs at least one entry.";
    Duplicate = "duplicate", "Something that must be unique stands twice.";
    BadName = "bad-name", "A name has characters that names may not have.";
    BadText = "bad-text", "A text is empty or holds characters that it may not hold.";
    BadPath = "bad-path", "A path has not the form that its key asks for.";
    BadAddress = "bad-address", "An address is not an IP address.";
    UnknownPlaceholder = "unknown-placeholder", "A command or a template names a placeholder that does not exist.";
    UnusedPlaceholder = "unused-placeholder", "Nothing of a daemon uses a placeholder that it can't do without.";
    Contradiction = "contradiction", "Two keys of one file can't both be meant.";
    UnpinnedRequirement = "unpinned-requirement", "A pip requirement has no exact version or no hash.";
    UnknownRequirement = "unknown-requirement", "A distribution is named that the requirements do not have.";
    RequirementOption = "requirement-option", "A pip requirements file sets an option that belongs to the machine.";
    NoProject = "no-project", "No project folder lies around the scenario.";
    UnknownDaemon = "unknown-daemon", "A scenario names a daemon that has no folder.";
    UnlistedDaemon = "unlisted-daemon", "A round names a daemon that its scenario does not compare.";
    UnknownEndpoint = "unknown-endpoint", "A round names an endpoint that no daemon has.";
    NothingToRun = "nothing-to-run", "A daemon has none of a round's endpoints, or is in no round.";
    UnknownDocument = "unknown-document", "An endpoint names a document that the data set has not.";
    UnknownData = "unknown-data", "A scenario names a data set that has no folder, or needs one and names none.";
    InvalidDocument = "invalid-document", "An expected document is not JSON.";
    InvalidRows = "invalid-rows", "The rows of a table are not well-formed CSV.";
    MissingRole = "missing-role", "No machine has a role that the scenario needs.";
    ForeignKey = "foreign-key", "A key belongs to machines of another transport.";
    MissingAddress = "missing-address", "A machine that others must reach has no address on the benchmark network.";
    AddressTwice = "address-twice", "Two machines have one address on the benchmark network.";
    UnknownBase = "unknown-base", "A machine is built from a folder in `docker/` that is not there.";
    SharedRole = "shared-role", "Two machines have the same role.";
    MissingPostgres = "missing-postgres", "An endpoint uses a database, and the scenario has none.";
    TooFewConnections = "too-few-connections", "PostgreSQL allows fewer connections than a trial may open.";
    PortClash = "port-clash", "Two of the daemons, PostgreSQL and the network check would listen on one port.";
    EphemeralPort = "ephemeral-port", "A port lies in the range from which Linux takes ports for outgoing connections.";
    PrivilegedPort = "privileged-port", "A port below 1024 needs privileges that daemons do not get.";
    UnknownTool = "unknown-tool", "A load generator or network tool of this name does not exist.";
    MissingTool = "missing-tool", "A load generator comes in no package, and the inventory names no binary.";
    SeveralClients = "several-clients", "A load generator can't divide its load over several machines.";
    UnfitTool = "unfit-tool", "A load generator can't load a daemon of its round.";
    NeedlessStreams = "needless-streams", "Requests can't be under way at once on one connection of this load.";
    NeedlessTimeout = "needless-timeout", "A load generator knows no late answers.";
    NeedlessRate = "needless-rate", "A closed-loop load generator has no rate.";
    MissingRate = "missing-rate", "An open-loop load generator needs a rate.";
    TooShort = "too-short", "A load is shorter than its load generator needs.";
    FewerConnectionsThanThreads = "fewer-connections-than-threads", "A thread of the load generator would have no connection.";
    UnknownProfile = "unknown-profile", "A scenario names a profile of settings that has no file.";
    BadSetting = "bad-setting", "A line of a profile is no setting.";
    RefusedSetting = "refused-setting", "A profile holds a setting that no profile may hold.";
    UnsetSetting = "unset-setting", "A scenario says something of a setting that no profile sets.";
    NotANumber = "not-a-number", "Less can't be enough of a setting that is no single whole number.";
    TwoValues = "two-values", "One setting is given two values.";
    DangerousSetting = "dangerous-setting", "A setting is dangerous, and the scenario does not accept that.";
    GoneSetting = "gone-setting", "No kernel has this setting any more.";
    NotInContainers = "not-in-containers", "A container can't have a setting for itself.";
    MayNotTune = "may-not-tune", "A scenario changes settings of a machine that may not be tuned.";
    NotRoot = "not-root", "A machine is to be tuned by a user who may not be root.";
    UnusedRole = "unused-role", "Settings are meant for a role that nothing in the scenario has.";
    UnevenConnections = "uneven-connections", "Threads do not divide the connections evenly.";
}

#[cfg(test)]
mod tests {
    use super::Code;

    #[test]
    fn words_are_unique() {
        let mut words: Vec<_> = Code::ALL.iter().map(|code| code.word()).collect();
        words.sort_unstable();
        words.dedup();
        assert_eq!(words.len(), Code::ALL.len());
    }
}
