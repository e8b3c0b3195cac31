//! Keys that mean nothing for a machine's transport: most likely it has the wrong one, or was copied from another.

use crate::diagnostic::{Code, Diagnostic, Key, Kind, Placed, Table};
use crate::inventory::Transport;
use crate::inventory::keys_docker::{BUILD, CPUS, ENGINE, IMAGE, MEMORY, NETWORK, NOFILE, SYSCTLS};
use crate::inventory::keys_ssh::{BECOME, HOST, JUMP, KEY, KNOWN_HOSTS, PORT, SSH_CONFIG, USER};

/// Reports the keys of other transports.
pub(super) fn report(table: &Table<'_>, transport: &Placed<Transport>) {
    let look = Look { table, transport };
    for key in [&HOST, &USER, &KEY, &JUMP, &KNOWN_HOSTS, &SSH_CONFIG] {
        look.at(key, Transport::Ssh);
    }
    look.at(&PORT, Transport::Ssh);
    look.at(&BECOME, Transport::Ssh);
    for key in [&ENGINE, &IMAGE, &NETWORK, &CPUS, &MEMORY] {
        look.at(key, Transport::Docker);
    }
    look.at(&BUILD, Transport::Docker);
    look.at(&NOFILE, Transport::Docker);
    look.at(&SYSCTLS, Transport::Docker);
}

struct Look<'a> {
    table: &'a Table<'a>,
    transport: &'a Placed<Transport>,
}

impl Look<'_> {
    fn at<K: Kind>(&self, key: &Key<K>, belongs_to: Transport) {
        let own = self.transport.value;
        if own == belongs_to {
            return;
        }
        let Some(found) = self.table.optional(key) else { return };
        let message = format!("`{}` means nothing for the transport `{}`", key.name, own.word());
        let hint = format!("remove it, or write transport = \"{}\"", belongs_to.word());
        self.table.report(
            Diagnostic::at(Code::ForeignKey, &found.place, message)
                .label(format!("for `{}` only", belongs_to.word()))
                .also(&self.transport.place, "the transport")
                .hint(hint),
        );
    }
}
