//! The forms of texts in an inventory file.

use crate::diagnostic::Pattern;

/// A file of the controller.
pub(super) const FILE_HERE: Pattern = Pattern {
    what: "the path of a file here",
    hint: "write an absolute path, one from this file's folder, or one that begins with `~/`",
    pattern: "^[^-]",
    fits: is_file_here,
};

fn is_file_here(text: &str) -> bool {
    !text.is_empty() && !text.starts_with('-') && text != "~"
}

/// A word that `ssh` and a command line take as it is.
fn is_word(text: &str) -> bool {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"._-:%[]@".contains(&byte);
    !text.is_empty() && text.len() <= 255 && !text.starts_with('-') && text.bytes().all(fits)
}

/// A host: a name, an address, or a `Host` of the ssh configuration.
pub(super) fn is_host(text: &str) -> bool {
    is_word(text) && !text.contains('@')
}

/// A user.
pub(super) fn is_user(text: &str) -> bool {
    is_word(text) && !text.contains(['@', ':', '[', ']', '%'])
}

/// `user@host:port`, or several with commas, as `ssh -J` takes them.
pub(super) fn is_jump(text: &str) -> bool {
    text.split(',').all(is_word)
}

/// `http://host:port`, without a user.
pub(super) fn is_proxy(text: &str) -> bool {
    let rest = text.strip_prefix("http://").or_else(|| text.strip_prefix("https://"));
    rest.is_some_and(|rest| !rest.is_empty() && rest.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'@'))
}

/// `unix:///path`, or `ssh://user@host:port`.
pub(super) fn is_engine(text: &str) -> bool {
    text.strip_prefix("unix://").is_some_and(|path| path.starts_with('/'))
        || text.strip_prefix("ssh://").is_some_and(is_word)
}

/// An image: `debian:bookworm-slim`, `registry:5000/team/debian@sha256:...`.
pub(super) fn is_image(text: &str) -> bool {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"._-:/@".contains(&byte);
    text.bytes().all(fits) && text.bytes().next().is_some_and(|byte| byte.is_ascii_alphanumeric())
}

/// A Docker network.
pub(super) fn is_network(text: &str) -> bool {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
    // These are no networks of containers' own: `host` would have a daemon listen on the engine's machine.
    !["host", "none", "bridge", "default"].contains(&text)
        && text.bytes().all(fits)
        && text.bytes().next().is_some_and(|byte| byte.is_ascii_alphanumeric())
}

/// A list of CPUs and ranges: `0-3,8`.
pub(super) fn is_cpu_list(text: &str) -> bool {
    text.split(',').all(|part| {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        matches!((first.parse::<u32>(), last.parse::<u32>()), (Ok(first), Ok(last)) if first <= last)
    })
}

/// Bytes of a size such as `512MiB`, `4GiB`.
pub(super) fn size_bytes(text: &str) -> Option<u64> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let factor = match &text[digits..] {
        "MiB" => 1 << 20,
        "GiB" => 1 << 30,
        _ => return None,
    };
    text[..digits].parse::<u64>().ok()?.checked_mul(factor)
}

/// A cluster of Debian's PostgreSQL: `15/main`.
pub(super) fn is_cluster(text: &str) -> bool {
    let is_name = |name: &str| {
        name.starts_with(|first: char| first.is_ascii_alphanumeric() || first == '_')
            && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-.".contains(&byte))
    };
    text.split_once('/').is_some_and(|(version, name)| {
        // Before 13 a database can't be dropped while somebody is in it.
        version.parse::<u32>().is_ok_and(|version| (13..100).contains(&version)) && version.len() == 2 && is_name(name)
    })
}

/// Whether this is a size.
pub(super) fn is_size(text: &str) -> bool {
    size_bytes(text).is_some_and(|bytes| bytes > 0)
}

/// The name of a kernel setting: `net.core.somaxconn`.
pub(super) fn is_sysctl(name: &str) -> bool {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"._-/".contains(&byte);
    name.contains('.') && name.bytes().all(fits) && !name.starts_with('.') && !name.contains("..")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms_are_narrow() {
        assert!(is_host("10.0.0.2") && is_host("fe80::1%eth0") && is_host("lab-7.example"));
        assert!(!is_host("") && !is_host("-oProxyCommand=x") && !is_host("a b") && !is_host("a@b") && !is_host("a;b"));
        assert!(is_jump("a@b:22,c") && !is_jump("a,,b") && !is_jump("a,-J"));
        assert!(is_proxy("http://p:3128") && !is_proxy("http://u:p@p:3128") && !is_proxy("p:3128"));
        assert!(is_engine("unix:///run/docker.sock") && is_engine("ssh://a@b:22"));
        assert!(!is_engine("tcp://b:2375") && !is_engine("ssh://-oX"));
        assert!(
            is_cpu_list("0-3,8") && is_cpu_list("1") && !is_cpu_list("3-0") && !is_cpu_list("") && !is_cpu_list("a")
        );
        assert_eq!(size_bytes("512MiB"), Some(512 << 20));
        assert!(!is_size("4G") && !is_size("GiB") && !is_size("0GiB") && !is_size("99999999999999999999GiB"));
        assert!(is_image("registry:5000/a/b@sha256:00") && !is_image("-a") && !is_image("a b") && !is_image(""));
        assert!(is_cluster("15/main") && is_cluster("17/my-db_2"));
        for no in ["15", "main/15", "9.6/main", "12/main", "15/", "15/a/b", "15/-a", "015/main", "15/a b", "15/.."] {
            assert!(!is_cluster(no), "{no}");
        }
        assert!(is_network("lab_1") && !is_network("host") && !is_network(""));
        assert!(is_sysctl("net.core.somaxconn") && !is_sysctl("net..core") && !is_sysctl("somaxconn"));
    }
}
