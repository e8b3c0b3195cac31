//! One container as one machine: made, given our binary, and started with the agent as its main process.

use std::collections::HashMap;

use bollard::container::AttachContainerResults;
use bollard::models::{
    ContainerCreateBody, EndpointIpamConfig, EndpointSettings, HealthConfig, HostConfig, HostConfigLogConfig, Mount,
    MountType, MountVolumeOptions, NetworkingConfig, ResourcesUlimits, VolumeCreateRequest,
};
use bollard::query_parameters::{
    AttachContainerOptions, CreateContainerOptions, RemoveContainerOptions, UploadToContainerOptions,
};

use crate::host::Binary;
use crate::host::docker::DockerTarget;
use crate::host::docker::engine::Engine;
use crate::host::docker::owner::{KEPT, MACHINE, labels};
use crate::wire::Failure;

/// Where the agent keeps its cache if nobody says another place: a container has no other user's.
const STATE: &str = "/var/cache/timetrial";

/// Where our binary lies in the container: no path of any distribution.
const BINARIES: &str = "opt/timetrial";

/// Shared memory for programs that take much of it, as PostgreSQL does; engines give 64 MiB, where a machine gives half
/// of its own. It is used only as it is written.
const SHARED_MEMORY: u64 = 1 << 30;

/// What a container is made of, once that was all found.
pub(super) struct Parts<'a> {
    pub run: &'a str,
    pub target: &'a DockerTarget,
    pub image: String,
    pub network: String,
    pub volume: String,
}

/// The volume of a machine's cache: made if it is not there.
pub(super) async fn cache_volume(engine: &Engine, machine: &str) -> Result<String, Failure> {
    let name = format!("timetrial-cache-{machine}");
    let labels = HashMap::from([(KEPT.to_owned(), "cache".to_owned()), (MACHINE.to_owned(), machine.to_owned())]);
    let request =
        VolumeCreateRequest { name: Some(name.clone()), labels: Some(labels), ..VolumeCreateRequest::default() };
    let docker = engine.docker.clone();
    let volume = engine.make("a volume", async move { docker.create_volume(request).await }).await?;
    // Asked for one that is there, an engine answers with that, whosever it is.
    if volume.labels.get(KEPT).map(String::as_str) != Some("cache") {
        let message =
            format!("the engine at {} has a volume {name} that is not ours: it has no label {KEPT}", engine.place);
        return Err(Failure::new("volume-not-ours", message).hint("look what it is, and give the machine another name"));
    }
    Ok(name)
}

/// Makes the container and puts our binary into it: its id.
pub(super) async fn create(engine: &Engine, parts: &Parts<'_>, tell: &dyn Fn(&str)) -> Result<String, Failure> {
    let name = format!("timetrial-{}-{}", parts.run, parts.target.machine);
    let options = CreateContainerOptions { name: Some(name), ..CreateContainerOptions::default() };
    let (docker, body) = (engine.docker.clone(), body(parts));
    let created = engine.make("a container", async move { docker.create_container(Some(options), body).await }).await;
    let created = created.map_err(|failure| explain(failure, parts.target))?;
    for warning in &created.warnings {
        tell(&format!("{}: the engine warns: {warning}", parts.target.machine));
    }
    if let Err(failure) = upload(engine, &created.id, &parts.target.binary).await {
        let _ = remove(engine, &created.id).await;
        return Err(failure);
    }
    Ok(created.id)
}

/// Takes hold of the agent's streams, and only then starts it, so that nothing it says is missed.
pub(super) async fn start(
    engine: &Engine,
    container: &str,
    target: &DockerTarget,
) -> Result<AttachContainerResults, Failure> {
    let options = AttachContainerOptions {
        stdin: true,
        stdout: true,
        stderr: true,
        stream: true,
        ..AttachContainerOptions::default()
    };
    let attached =
        engine.call("the streams of a container", engine.docker.attach_container(container, Some(options))).await?;
    let started = engine.call("a container's start", engine.docker.start_container(container, None)).await;
    started.map_err(|failure| explain(failure, target))?;
    Ok(attached)
}

/// Removes a container, however it is; one that is gone, or going, is as good.
pub(super) async fn remove(engine: &Engine, container: &str) -> Result<(), Failure> {
    let options = RemoveContainerOptions { force: true, v: true, ..RemoveContainerOptions::default() };
    match engine.look("the removal of a container", engine.docker.remove_container(container, Some(options))).await {
        Err(failure) if failure.message.contains("already in progress") => Ok(()),
        result => result.map(drop),
    }
}

fn path_of(binary: &Binary) -> String {
    format!("{BINARIES}/{}/timetrial", binary.sha256)
}

async fn upload(engine: &Engine, container: &str, binary: &Binary) -> Result<(), Failure> {
    let packed = packed(binary)
        .map_err(|error| Failure::new("binary", format!("can't pack {}: {error}", binary.path.display())))?;
    let options = UploadToContainerOptions { path: "/".to_owned(), ..UploadToContainerOptions::default() };
    let sent = engine.docker.upload_to_container(container, Some(options), bollard::body_full(packed.into()));
    engine.call("our binary in a container", sent).await
}

fn packed(binary: &Binary) -> std::io::Result<Vec<u8>> {
    let mut archive = tar::Builder::new(Vec::with_capacity(binary.bytes.len() + 4096));
    let path = path_of(binary);
    let mut folder = String::new();
    for part in path.split('/').take(path.split('/').count() - 1) {
        folder = format!("{folder}{part}/");
        // Daemons run as somebody else, and reach their own start through it.
        archive.append_data(&mut header(tar::EntryType::Directory, 0), &folder, std::io::empty())?;
    }
    archive.append_data(&mut header(tar::EntryType::Regular, binary.bytes.len()), &path, binary.bytes.as_slice())?;
    archive.into_inner()
}

fn header(kind: tar::EntryType, size: usize) -> tar::Header {
    let mut header = tar::Header::new_gnu();
    header.set_entry_type(kind);
    header.set_size(size as u64);
    header.set_mode(0o755);
    header.set_mtime(0);
    header
}

fn body(parts: &Parts<'_>) -> ContainerCreateBody {
    let target = parts.target;
    let state = target.state_dir.clone().unwrap_or_else(|| STATE.to_owned());
    let mut labels = labels(parts.run);
    labels.insert(MACHINE.to_owned(), target.machine.clone());
    let endpoint = EndpointSettings {
        ipam_config: target.address.as_deref().map(|address| {
            let address = Some(address.to_owned());
            let is_6 = address.as_deref().is_some_and(|address| address.contains(':'));
            let (ipv4_address, ipv6_address) = if is_6 { (None, address) } else { (address, None) };
            EndpointIpamConfig { ipv4_address, ipv6_address, link_local_ips: None }
        }),
        ..EndpointSettings::default()
    };
    ContainerCreateBody {
        hostname: Some(target.machine.chars().take(63).collect()),
        // Whatever user the image names: the agent gives daemons a user of their own, which only root can.
        user: Some("0:0".to_owned()),
        attach_stdin: Some(true),
        attach_stdout: Some(true),
        attach_stderr: Some(true),
        open_stdin: Some(true),
        // The end of the controller is the end of the agent's input.
        stdin_once: Some(true),
        tty: Some(false),
        image: Some(parts.image.clone()),
        entrypoint: Some(vec![format!("/{}", path_of(&target.binary))]),
        cmd: Some(vec!["agent".to_owned(), "--state-dir".to_owned(), state.clone()]),
        working_dir: Some("/".to_owned()),
        // A health check of the image would be measured too.
        healthcheck: Some(HealthConfig { test: Some(vec!["NONE".to_owned()]), ..HealthConfig::default() }),
        labels: Some(labels),
        host_config: Some(resources(parts, &state)),
        networking_config: Some(NetworkingConfig {
            endpoints_config: Some(HashMap::from([(parts.network.clone(), endpoint)])),
        }),
        ..ContainerCreateBody::default()
    }
}

fn resources(parts: &Parts<'_>, state: &str) -> HostConfig {
    let target = parts.target;
    let size = |bytes: u64| i64::try_from(bytes).unwrap_or(i64::MAX);
    let limit = |files: &u64| {
        let (soft, hard) = (Some(size(*files)), Some(size(*files)));
        vec![ResourcesUlimits { name: Some("nofile".to_owned()), soft, hard }]
    };
    HostConfig {
        init: Some(true),
        auto_remove: Some(true),
        network_mode: Some(parts.network.clone()),
        cpuset_cpus: target.cpus.clone(),
        memory: target.memory_bytes.map(size),
        // No swap beside it: a daemon that swaps is another one.
        memory_swap: target.memory_bytes.map(size),
        shm_size: Some(size(target.memory_bytes.map_or(SHARED_MEMORY, |bytes| SHARED_MEMORY.min(bytes / 2)))),
        ulimits: target.nofile.as_ref().map(limit),
        sysctls: (!target.sysctls.is_empty()).then(|| target.sysctls.clone().into_iter().collect()),
        // What the agent says goes to us; an engine that also wrote all of it to its disk would be measured.
        log_config: Some(HostConfigLogConfig { typ: Some("none".to_owned()), config: None }),
        mounts: Some(mounts(parts, state)),
        ..HostConfig::default()
    }
}

/// The cache outlives the container; the work of a run lies in a volume of its own, which goes with it. Neither is the
/// layered file system, on which a daemon's writes can take twenty times as long.
fn mounts(parts: &Parts<'_>, state: &str) -> Vec<Mount> {
    let volume = |target: String| Mount { target: Some(target), typ: Some(MountType::VOLUME), ..Mount::default() };
    let options = MountVolumeOptions { labels: Some(labels(parts.run)), ..MountVolumeOptions::default() };
    vec![
        Mount { source: Some(parts.volume.clone()), ..volume(state.to_owned()) },
        Mount { volume_options: Some(options), ..volume(format!("{}/w", state.trim_end_matches('/'))) },
    ]
}

/// The optional setting that an engine complains of.
pub(super) fn refused_optional(target: &DockerTarget, complaint: &str) -> Option<String> {
    let names = |name: &&String| complaint.contains(name.as_str()) || complaint.contains(&name.replace('.', "/"));
    let optional = target.optional.iter().filter(|name| target.sysctls.contains_key(*name));
    // The longest: one name may be the beginning of another.
    optional.filter(names).max_by_key(|name| name.len()).cloned()
}

/// Engines refuse settings when a container is made or only when it is started, in words of their own.
fn explain(failure: Failure, target: &DockerTarget) -> Failure {
    let text = failure.message.clone();
    let has = |word: &str| text.contains(word);
    let (code, hint) = if let Some(name) = target.sysctls.keys().find(|name| has(name) || has(&name.replace('.', "/")))
    {
        let hint = format!(
            "look at `{name}` in the `sysctls` of machine `{}`: a container may only have settings of its own namespaces \
             (net.*, kernel.shm*, kernel.msg*, fs.mqueue.*), and not all of those; others belong to the engine's machine",
            target.machine
        );
        ("sysctl", hint)
    } else if has("rlimit") {
        let hint = format!(
            "the engine's own limit of open files is lower: set `nofile` of machine `{}` lower",
            target.machine
        );
        ("nofile", hint)
    } else if has("CPUs") || has("cpuset") {
        ("cpus", format!("set `cpus` of machine `{}` to CPUs that the engine's machine has", target.machine))
    } else if has("Address already in use") || has("no available IPv4 addresses") || has("address already") {
        let hint = format!("give machine `{}` a bench_address that is free in that network", target.machine);
        ("address-taken", hint)
    } else if has("configured subnets") || has("no configured subnet") || has("nvalid address") {
        let hint =
            "its network must be made with a subnet that holds the bench_address: `docker network create --subnet`";
        ("address", hint.to_owned())
    } else if has("memory") {
        ("memory", format!("look at `memory` of machine `{}`", target.machine))
    } else {
        return failure;
    };
    Failure { code: code.to_owned(), hint: Some(hint), ..failure }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;

    fn target() -> DockerTarget {
        let sysctls = [("net.core.somaxconn".to_owned(), "x".to_owned())].into();
        DockerTarget { machine: "server".to_owned(), sysctls, ..DockerTarget::with(binary()) }
    }

    fn binary() -> Binary {
        let (path, bytes) = (PathBuf::from("/b"), vec![1, 2, 3]);
        Binary { path, bytes, sha256: "ab".repeat(32), architecture: "x86_64" }
    }

    #[test]
    fn the_setting_that_an_engine_refuses_is_named() {
        let check = |said: &str, code: &str, hint: &str| {
            let failure = explain(Failure::new("engine", said), &target());
            assert_eq!(failure.code, code, "{said}");
            assert!(failure.hint.unwrap_or_default().contains(hint), "{said}");
        };
        check("write sysctl key net.core.somaxconn: invalid argument", "sysctl", "net.core.somaxconn");
        check("open /proc/sys/net/core/somaxconn: permission denied", "sysctl", "net.core.somaxconn");
        check("error setting rlimit type 7: operation not permitted", "nofile", "`nofile` of machine `server`");
        check("Requested CPUs are not available", "cpus", "`cpus` of machine `server`");
        check("Address already in use", "address-taken", "bench_address");
        assert_eq!(explain(Failure::new("engine", "no"), &target()), Failure::new("engine", "no"));
    }

    #[test]
    fn the_binary_lies_where_its_digest_says_and_anybody_may_run_it() {
        let packed = packed(&binary()).unwrap();
        let mut archive = tar::Archive::new(packed.as_slice());
        let entries: Vec<(String, u32)> = archive
            .entries()
            .unwrap()
            .map(|entry| entry.unwrap())
            .map(|entry| (entry.path().unwrap().display().to_string(), entry.header().mode().unwrap()))
            .collect();
        let digest = "ab".repeat(32);
        let expected = ["opt/".to_owned(), "opt/timetrial/".to_owned(), format!("opt/timetrial/{digest}/")];
        assert_eq!(entries.iter().map(|(path, _)| path.clone()).collect::<Vec<_>>()[..3], expected);
        assert_eq!(entries[3], (format!("opt/timetrial/{digest}/timetrial"), 0o755));
        assert!(entries.iter().all(|(_, mode)| *mode == 0o755));
    }

    #[test]
    fn a_container_has_what_the_machine_says_and_nothing_more() {
        let target = DockerTarget {
            cpus: Some("0".to_owned()),
            memory_bytes: Some(1 << 28),
            nofile: Some(900),
            address: Some("10.1.2.3".to_owned()),
            ..target()
        };
        let (image, network, volume) = ("i".to_owned(), "n".to_owned(), "v".to_owned());
        let body = body(&Parts { run: "r", target: &target, image, network, volume });
        let host = body.host_config.unwrap();
        assert_eq!((host.memory, host.memory_swap, host.shm_size), (Some(1 << 28), Some(1 << 28), Some(1 << 27)));
        assert_eq!((host.privileged, host.cap_add, host.binds), (None, None, None));
        assert_eq!((host.init, host.auto_remove, body.stdin_once), (Some(true), Some(true), Some(true)));
        let mounts = host.mounts.unwrap();
        assert_eq!(mounts[0].source.as_deref(), Some("v"));
        assert_eq!((mounts[1].source.as_deref(), mounts[1].target.as_deref()), (None, Some("/var/cache/timetrial/w")));
        let endpoints = body.networking_config.unwrap().endpoints_config.unwrap();
        let address = endpoints["n"].ipam_config.as_ref().unwrap().ipv4_address.clone();
        assert_eq!(address.as_deref(), Some("10.1.2.3"));
    }
}
