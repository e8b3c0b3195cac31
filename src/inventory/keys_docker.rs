//! The keys of machines that are containers.

use crate::diagnostic::{Identifier, Key, MapOf, Name, Pattern, Text, Whole};
use crate::inventory::forms::{is_cpu_list, is_engine, is_image, is_network, is_size, is_sysctl};

pub(super) static ENGINE: Key<Pattern> = Key::optional(
    "engine",
    "With `docker`: the engine, `unix:///run/docker.sock` or `ssh://user@host`; by default that of DOCKER_HOST, else this \
     machine's.",
    Pattern {
        what: "the address of a Docker engine",
        hint: "write unix:///PATH or ssh://USER@HOST; an open TCP port of an engine gives away its machine",
        pattern: "^(unix:///|ssh://).+$",
        fits: is_engine,
    },
);

pub(super) static IMAGE: Key<Pattern> = Key::optional(
    "image",
    "With `docker`: the image that the container is made from; it is pulled where the engine has none.",
    Pattern {
        what: "the name of an image",
        hint: "write a name like \"debian:bookworm-slim\"",
        pattern: "^[A-Za-z0-9][A-Za-z0-9._:/@-]*$",
        fits: is_image,
    },
);

pub(super) static BUILD: Key<Identifier> = Key::optional(
    "build",
    "With `docker`: a folder in `docker/` whose Dockerfile the container is made from, in place of `image`.",
    Identifier::PLAIN,
);

pub(super) static NETWORK: Key<Pattern> = Key::optional(
    "network",
    "With `docker`: an existing network to join, with a `bench_address` in it. By default the campaign makes one of its \
     own and removes it.",
    Pattern {
        what: "the name of a network of containers",
        hint: "write the name of a network that you made; `host`, `none` and `bridge` have no addresses of their own",
        pattern: "^[A-Za-z0-9][A-Za-z0-9._-]*$",
        fits: is_network,
    },
);

pub(super) static CPUS: Key<Pattern> = Key::optional(
    "cpus",
    "With `docker`: the CPUs that the container may use, as `0-3` or `0,2`.",
    Pattern {
        what: "a list of CPUs",
        hint: "write numbers and ranges: \"0-3\", \"0,2\"",
        pattern: "^[0-9]+(-[0-9]+)?(,[0-9]+(-[0-9]+)?)*$",
        fits: is_cpu_list,
    },
);

pub(super) static MEMORY: Key<Pattern> = Key::optional(
    "memory",
    "With `docker`: the memory that the container may use, as `512MiB` or `4GiB`.",
    Pattern {
        what: "a size",
        hint: "write a whole number with MiB or GiB: \"4GiB\"",
        pattern: "^[0-9]+(MiB|GiB)$",
        fits: is_size,
    },
);

pub(super) static NOFILE: Key<Whole<u64>> = Key::optional(
    "nofile",
    "With `docker`: how many files a process in it may have open; the engine's own limit bounds it.",
    Whole { min: 64, max: 1 << 30 },
);

const SETTING: Name = Name {
    rule: "settings are named as in sysctl.conf: net.core.somaxconn",
    pattern: "^[A-Za-z0-9_-]+([./][A-Za-z0-9_-]+)+$",
    fits: is_sysctl,
};

pub(super) static SYSCTLS: Key<MapOf<Text>> = Key::optional(
    "sysctls",
    "With `docker`: settings of the container's own namespaces, from its first moment: `sysctls = { \
     \"net.core.somaxconn\" = \"4096\" }`. The engine refuses those that belong to its machine.",
    MapOf { item: Text, keys: &SETTING, at_least: 0 },
);
