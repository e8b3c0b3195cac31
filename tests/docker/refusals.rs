//! What an engine refuses, in words that say what to do.

#![expect(clippy::disallowed_methods, reason = "an image of another processor is given to the engine's own client")]

use std::io::Write;
use std::process::{Command, Stdio};

use crate::docker::boxes::{alone, docker, of_runs, project};

/// Gives the engine an image for another processor: nothing of it ever runs.
fn foreign_image(name: &str) {
    let mut layer = tar::Builder::new(Vec::new());
    add(&mut layer, "hello", b"hello\n");
    let layer = layer.into_inner().unwrap();
    let digest = timetrial::wire::digest::sha256(&layer);
    let config = format!(
        "{{\"architecture\":\"s390x\",\"os\":\"linux\",\"config\":{{}},\"rootfs\":{{\"type\":\"layers\",\"diff_ids\":[\"sha256:{digest}\"]}}}}"
    );
    let manifest = format!("[{{\"Config\":\"config.json\",\"RepoTags\":[\"{name}\"],\"Layers\":[\"layer.tar\"]}}]");
    let mut image = tar::Builder::new(Vec::new());
    add(&mut image, "config.json", config.as_bytes());
    add(&mut image, "layer.tar", &layer);
    add(&mut image, "manifest.json", manifest.as_bytes());
    let image = image.into_inner().unwrap();
    let mut load = Command::new("docker").arg("load").stdin(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap();
    load.stdin.take().unwrap().write_all(&image).unwrap();
    assert!(load.wait().unwrap().success());
}

fn add(archive: &mut tar::Builder<Vec<u8>>, name: &str, bytes: &[u8]) {
    let mut header = tar::Header::new_gnu();
    header.set_size(bytes.len() as u64);
    header.set_mode(0o644);
    archive.append_data(&mut header, name, bytes).unwrap();
}

#[test]
#[ignore = "needs Docker"]
fn what_can_not_be_had_is_told_with_what_to_do_and_nothing_is_left() {
    let _alone = alone();
    let project = project("refused");
    foreign_image("timetrial-test-foreign:1");
    let machine = |name: &str, keys: &str| {
        format!("[machine.{name}-refused]\ntransport = \"docker\"\nroles = [\"server\"]\n{keys}\n\n")
    };
    let stub = "build = \"stub\"";
    let hosts = [
        machine("sysctl", &format!("{stub}\nsysctls = {{ \"net.core.somaxconn\" = \"many\" }}")),
        machine("cpus", &format!("{stub}\ncpus = \"0-4095\"")),
        machine("nofile", &format!("{stub}\nnofile = 1073741824")),
        machine("network", &format!("{stub}\nnetwork = \"no-such-network\"\nbench_address = \"10.1.2.3\"")),
        machine("image", "image = \"localhost:1/no-such-image:1\""),
        machine("foreign", "image = \"timetrial-test-foreign:1\""),
        machine("engine", &format!("{stub}\nengine = \"unix:///nowhere/docker.sock\"")),
        machine("binary", &format!("{stub}\nbinary = \"hosts.toml\"")),
    ];
    project.write("hosts.toml", hosts.concat());
    let looked = project.timetrial(&["doctor"]);
    docker(&["rmi", "timetrial-test-foreign:1"]);
    let text = &looked.assert_code(5).stdout;
    for part in [
        "look at `net.core.somaxconn` in the `sysctls` of machine `sysctl-refused`",
        "set `cpus` of machine `cpus-refused` to CPUs that the engine's machine has",
        "set `nofile` of machine `nofile-refused` lower",
        "has no network `no-such-network`",
        "has no image localhost:1/no-such-image:1 and can't pull it",
        "the image timetrial-test-foreign:1 is for s390x",
        "no Docker engine at /nowhere/docker.sock",
        "it is not a program for Linux",
    ] {
        assert!(text.contains(part), "no `{part}` in:\n{text}");
    }
    assert_eq!(of_runs("refused"), Vec::<String>::new());
    project.timetrial(&["clean", "--yes"]);
}
