//! Whether a setting can be made here, and if not, why: known before anything is changed.

use crate::agent::tuning::kernel::{Kernel, tidy};
use crate::agent::tuning::namespaces::not_ours;
use crate::tuning::{self, gone};
use crate::wire::{Namespaces, Standing};

/// Files among the settings that are orders: writing them does something, and there is no value to put back.
const ORDERS: [&str; 5] =
    ["vm.drop_caches", "vm.compact_memory", "vm.stat_refresh", "net.ipv4.route.flush", "net.ipv6.route.flush"];

/// Settings that the kernel lets nobody take back before the next boot.
const FOR_GOOD: [&str; 4] = [
    "kernel.modules_disabled",
    "kernel.kexec_load_disabled",
    "kernel.unprivileged_bpf_disabled",
    "kernel.yama.ptrace_scope",
];

/// A setting as it stands, and whether this agent may set it.
pub fn standing(name: &str, kernel: &Kernel, namespaces: &Namespaces, root: bool) -> Standing {
    let value = kernel.read(name);
    let refused = refused(name, value.is_some(), namespaces, root).or_else(|| kernel.not_writable(name));
    Standing { value: value.as_deref().map(tidy), refused }
}

fn refused(name: &str, is_there: bool, namespaces: &Namespaces, root: bool) -> Option<String> {
    if ORDERS.contains(&name) {
        return Some("it is an order to the kernel and no setting: there is nothing to put back".to_owned());
    }
    if FOR_GOOD.contains(&name) {
        return Some("the kernel takes it back only at the next boot, so it could not be undone".to_owned());
    }
    // No profile passes with it; an agent takes nobody's word for that.
    if let Some(why) = tuning::refused(name) {
        return Some(format!("no campaign may set it: {why}"));
    }
    if !is_there && !root {
        return Some("this kernel has no such setting, or hides it from all but root".to_owned());
    }
    if let Some(why) = gone(name).filter(|_| !is_there) {
        return Some(format!("this kernel has no such setting: {why}"));
    }
    if !is_there {
        return Some(match not_ours(name, namespaces) {
            Some(why) if !namespaces.whole_machine => format!("it can't be seen here: {why}"),
            _ => "this kernel has no such setting (some come with a module that is not loaded)".to_owned(),
        });
    }
    if let Some(why) = not_ours(name, namespaces) {
        return Some(why);
    }
    if root {
        return None;
    }
    // How it becomes root depends on how it is reached, which the controller knows.
    Some("only root may set it, and the agent is not root".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::agent::tuning::kernel::tests::made_up;

    #[test]
    fn each_refusal_says_why() {
        let place = tempfile::tempdir().unwrap();
        let settings = [
            ("vm.swappiness", "60"),
            ("vm.drop_caches", "0"),
            ("kernel.modules_disabled", "0"),
            ("kernel.shm_rmid_forced", "0"),
            ("net.core.somaxconn", "1\t2"),
        ];
        let kernel = made_up(place.path(), &settings);
        let own = |names: &[&str]| names.iter().map(ToString::to_string).collect();
        let whole = Namespaces { whole_machine: true, own: own(&["host", "net"]), ..Namespaces::default() };
        let container = Namespaces { own: own(&["net"]), ..Namespaces::default() };
        for (name, namespaces, root, words) in [
            ("vm.swappiness", &whole, true, None),
            ("net.core.somaxconn", &container, true, None),
            ("vm.swappiness", &container, true, Some("belongs to the host")),
            ("vm.swappiness", &whole, false, Some("not root")),
            ("vm.none", &whole, true, Some("no such setting")),
            ("vm.none", &container, true, Some("can't be seen here")),
            ("vm.drop_caches", &whole, true, Some("an order")),
            ("kernel.modules_disabled", &whole, true, Some("next boot")),
            ("kernel.shm_rmid_forced", &whole, true, Some("no campaign may set it")),
        ] {
            let standing = standing(name, &kernel, namespaces, root);
            assert_eq!(standing.refused.is_some(), words.is_some(), "{name}: {standing:?}");
            assert!(standing.refused.unwrap_or_default().contains(words.unwrap_or_default()), "{name}");
        }
        assert_eq!(standing("net.core.somaxconn", &kernel, &whole, true).value.as_deref(), Some("1 2"));
    }
}
