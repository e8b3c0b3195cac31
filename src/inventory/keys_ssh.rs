//! The keys of machines behind `ssh`. What they leave unsaid comes from the user's own ssh configuration.

use crate::diagnostic::{Key, Pattern, Whole, Word, Words};
use crate::inventory::forms::{FILE_HERE, is_host, is_jump, is_user};

pub(super) static HOST: Key<Pattern> = Key::optional(
    "host",
    "With `ssh`: the machine's name or address, or a `Host` of your ssh configuration.",
    Pattern {
        what: "a host name or an address",
        hint: "write a name or an address like \"10.0.0.2\"; the user and the port have keys of their own",
        pattern: "^[A-Za-z0-9\\[._%:][A-Za-z0-9\\[\\]._%:-]*$",
        fits: is_host,
    },
);

pub(super) static USER: Key<Pattern> = Key::optional(
    "user",
    "With `ssh`: the user there.",
    Pattern {
        what: "a user name",
        hint: "write the name alone: user = \"bench\"",
        pattern: "^[A-Za-z0-9._][A-Za-z0-9._-]*$",
        fits: is_user,
    },
);

pub(super) static PORT: Key<Whole<u16>> =
    Key::optional("port", "With `ssh`: the port of sshd.", Whole { min: 1, max: u16::MAX });

pub(super) static KEY: Key<Pattern> = Key::optional(
    "key",
    "With `ssh`: a private key, a file here; without it your ssh agent and configuration decide. A relative path begins at \
     this file's folder.",
    FILE_HERE,
);

pub(super) static JUMP: Key<Pattern> = Key::optional(
    "jump",
    "With `ssh`: a jump host on the way, as `ssh -J` takes it: `user@host:port`.",
    Pattern {
        what: "a jump host",
        hint: "write \"user@host:port\"; several stand in order with commas",
        pattern: "^[^- ][^ ]*$",
        fits: is_jump,
    },
);

pub(super) static KNOWN_HOSTS: Key<Pattern> = Key::optional(
    "known_hosts",
    "With `ssh`: the file of known host keys, in place of your own. A key that is not in it is always refused.",
    FILE_HERE,
);

pub(super) static SSH_CONFIG: Key<Pattern> =
    Key::optional("ssh_config", "With `ssh`: a configuration file in place of your own.", FILE_HERE);

pub(super) static BECOME: Key<Words<&str>> = Key::optional(
    "become",
    "With `ssh`: how the agent becomes root, which it does only where `may_tune` is set: `sudo`, without a password.",
    Words { what: "ways", words: &[Word { word: "sudo", value: "sudo" }], refused: &[] },
);
