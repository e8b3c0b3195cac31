//! The image that a machine is made from: there already, pulled, or built from a folder of the project.

use std::collections::HashMap;
use std::time::Duration;

use bollard::errors::Error;
use bollard::models::{BuildInfo, CreateImageInfo, ImageInspect};
use bollard::query_parameters::{BuildImageOptions, CreateImageOptions};
use futures_util::{Stream, StreamExt};
use tokio::time::timeout;

use crate::host::docker::DockerTarget;
use crate::host::docker::engine::{Engine, uname_word, words};
use crate::host::docker::owner::KEPT;
use crate::wire::Failure;
use crate::wire::digest::sha256;

/// A step of a build, and a pull, may say nothing for so long.
const QUIET: Duration = Duration::from_secs(600);

/// And no build and no pull takes longer.
const LONGEST: Duration = Duration::from_secs(3600);

/// Lines of a failed build that are shown.
const SHOWN: usize = 12;

/// What an image that is built here is called: by what it is built from, so that another content is another image.
pub(super) fn built_name(target: &DockerTarget) -> String {
    let mut contents = String::new();
    for (path, bytes) in &target.build {
        contents += &format!("{path}\0{}\0", sha256(bytes));
    }
    format!("timetrial/{}:{}", target.image, &sha256(contents.as_bytes())[..12])
}

/// Has the image on the engine, and looks whether it runs there: its name.
pub(super) async fn have(
    engine: &Engine,
    target: &DockerTarget,
    network: Option<&str>,
    tell: &dyn Fn(&str),
) -> Result<String, Failure> {
    let name = if target.build.is_empty() { target.image.clone() } else { built_name(target) };
    let machine = &target.machine;
    let found = match engine.look("an image", engine.docker.inspect_image(&name)).await? {
        Some(found) => {
            if !target.build.is_empty() {
                tell(&format!("{machine}: the image {name} is there, nothing is built"));
            }
            found
        }
        None => {
            if target.build.is_empty() {
                pull(engine, machine, &name, tell).await?;
            } else {
                build(engine, target, &name, network, tell).await?;
            }
            engine.call("an image", engine.docker.inspect_image(&name)).await?
        }
    };
    fits(engine, target, &name, &found)?;
    Ok(name)
}

/// Whether the image, the engine's machine and our binary are of one kind.
fn fits(engine: &Engine, target: &DockerTarget, name: &str, image: &ImageInspect) -> Result<(), Failure> {
    if image.os.as_deref().is_some_and(|system| system != "linux") {
        let message = format!("the image {name} is not one of Linux");
        return Err(Failure::new("other-system", message).hint("name an image of Debian"));
    }
    let of_image = uname_word(image.architecture.as_deref().unwrap_or_default());
    if of_image != engine.architecture {
        let message = format!(
            "the image {name} is for {of_image}, and the machine of the engine at {} is {}: its emulator would be measured",
            engine.place, engine.architecture
        );
        let hint =
            format!("pull or build the image for {}, or name an engine on a machine of its kind", engine.architecture);
        return Err(Failure::new("other-architecture", message).hint(hint));
    }
    target.binary.fits(&engine.architecture)
}

async fn pull(engine: &Engine, machine: &str, name: &str, tell: &dyn Fn(&str)) -> Result<(), Failure> {
    tell(&format!("{machine}: pulling the image {name}"));
    let has_tag = name.contains('@') || name.rsplit('/').next().is_some_and(|last| last.contains(':'));
    // Without a tag an engine would pull all of them.
    let from = if has_tag { name.to_owned() } else { format!("{name}:latest") };
    let options = CreateImageOptions { from_image: Some(from), ..CreateImageOptions::default() };
    let mut lines = Lines::new(machine, tell);
    let pulled = drain(engine.docker.create_image(Some(options), None, None), &mut lines).await;
    pulled.map_err(|why| {
        Failure::new("no-image", format!("the engine at {} has no image {name} and can't pull it: {why}", engine.place))
            .hint("look at its name; pull it yourself (`docker pull`) where a registry wants a login; or `docker load` it")
    })
}

async fn build(
    engine: &Engine,
    target: &DockerTarget,
    name: &str,
    network: Option<&str>,
    tell: &dyn Fn(&str),
) -> Result<(), Failure> {
    let machine = &target.machine;
    tell(&format!("{machine}: building the image {name} from docker/{}", target.image));
    let context = tar_of(&target.build).map_err(|error| {
        Failure::new("build", format!("can't pack docker/{}: {error}", target.image))
            .hint("rename the file that it names")
    })?;
    let mut arguments = HashMap::new();
    if let Some(proxy) = &target.proxy {
        for variable in ["http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"] {
            arguments.insert(variable.to_owned(), proxy.clone());
        }
    }
    let options = BuildImageOptions {
        dockerfile: "Dockerfile".to_owned(),
        t: Some(name.to_owned()),
        rm: true,
        forcerm: true,
        buildargs: Some(arguments),
        labels: Some(HashMap::from([(KEPT.to_owned(), "image".to_owned())])),
        networkmode: network.map(str::to_owned),
        ..BuildImageOptions::default()
    };
    let mut lines = Lines::new(machine, tell);
    let body = bollard::body_full(context.into());
    let built = drain(engine.docker.build_image(options, None, Some(body)), &mut lines).await;
    built.map_err(|why| {
        let message = format!("the image of docker/{} can't be built: {why}", target.image);
        let hint = "its last lines show why; where it can't reach a mirror, give the machine a `proxy` in hosts.toml";
        Failure::new("build", message).detail(lines.last).hint(hint)
    })
}

/// What an engine tells while it works.
trait Tells {
    /// A line for people, if it is news.
    fn line(&self) -> Option<&str>;
    /// That it went wrong.
    fn error(&self) -> Option<&str>;
}

impl Tells for BuildInfo {
    fn line(&self) -> Option<&str> {
        self.stream.as_deref()
    }

    fn error(&self) -> Option<&str> {
        self.error_detail.as_ref()?.message.as_deref()
    }
}

impl Tells for CreateImageInfo {
    fn line(&self) -> Option<&str> {
        // How far each layer is comes many times a second.
        if self.progress_detail.as_ref().is_some_and(|detail| detail.current.is_some()) {
            None
        } else {
            self.status.as_deref()
        }
    }

    fn error(&self) -> Option<&str> {
        self.error_detail.as_ref()?.message.as_deref()
    }
}

/// The lines of a build or a pull, passed on and the last ones kept.
struct Lines<'a> {
    machine: &'a str,
    tell: &'a dyn Fn(&str),
    last: Vec<String>,
}

impl<'a> Lines<'a> {
    fn new(machine: &'a str, tell: &'a dyn Fn(&str)) -> Self {
        Self { machine, tell, last: Vec::new() }
    }

    fn add(&mut self, text: &str) {
        for line in text.lines().map(str::trim).filter(|line| !line.is_empty()) {
            let line: String = line.chars().take(200).collect();
            // The steps are the progress; what their programs print is only of interest when one fails.
            if line.starts_with("Step ") || line.starts_with("Pulling ") || line.starts_with("Status: ") {
                (self.tell)(&format!("{}: {line}", self.machine));
            }
            self.last.push(line);
        }
        let surplus = self.last.len().saturating_sub(SHOWN);
        self.last.drain(..surplus);
    }
}

/// Reads to the end; why it went wrong.
async fn drain<T: Tells>(stream: impl Stream<Item = Result<T, Error>>, lines: &mut Lines<'_>) -> Result<(), String> {
    let mut stream = std::pin::pin!(stream);
    let all = async {
        loop {
            match timeout(QUIET, stream.next()).await {
                Err(_) => return Err(format!("not a word from the engine for {} s", QUIET.as_secs())),
                Ok(None) => return Ok(()),
                Ok(Some(Err(error))) => return Err(words(&error)),
                Ok(Some(Ok(info))) => {
                    if let Some(error) = info.error() {
                        return Err(error.to_owned());
                    }
                    lines.add(info.line().unwrap_or_default());
                }
            }
        }
    };
    timeout(LONGEST, all).await.unwrap_or_else(|_| Err(format!("it took more than {} s", LONGEST.as_secs())))
}

/// The files of a folder, packed the same way each time, whoever owns them here.
fn tar_of(files: &[(String, Vec<u8>)]) -> std::io::Result<Vec<u8>> {
    let mut archive = tar::Builder::new(Vec::new());
    for (path, bytes) in files {
        let mut header = tar::Header::new_gnu();
        header.set_size(bytes.len() as u64);
        // Whether a script may be run is not known here: it may.
        header.set_mode(0o755);
        header.set_mtime(0);
        archive.append_data(&mut header, path, bytes.as_slice())?;
    }
    archive.into_inner()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_is_packed_with_all_that_is_in_it() {
        let long = format!("{}/tool", "folder".repeat(20));
        let files = vec![("Dockerfile".to_owned(), b"FROM scratch\n".to_vec()), (long.clone(), vec![7; 3])];
        let packed = tar_of(&files).unwrap();
        let mut archive = tar::Archive::new(packed.as_slice());
        let names: Vec<String> =
            archive.entries().unwrap().map(|entry| entry.unwrap().path().unwrap().display().to_string()).collect();
        assert_eq!(names, ["Dockerfile".to_owned(), long]);
        assert_eq!(packed, tar_of(&files).unwrap());
    }

    #[tokio::test]
    async fn a_failed_build_has_its_last_lines_and_the_steps_are_told() {
        let told = std::cell::RefCell::new(Vec::new());
        let tell = |line: &str| told.borrow_mut().push(line.to_owned());
        let mut lines = Lines::new("server", &tell);
        let say = |text: &str| Ok(BuildInfo { stream: Some(text.to_owned()), ..BuildInfo::default() });
        let wrong = Err(Error::DockerStreamError { error: "returned a non-zero code: 5".to_owned() });
        let stream =
            futures_util::stream::iter([say("Step 1/2 : FROM x\n"), say(" ---> Running\nno such thing\n"), wrong]);
        assert_eq!(drain(stream, &mut lines).await.unwrap_err(), "returned a non-zero code: 5");
        assert_eq!(lines.last, ["Step 1/2 : FROM x", "---> Running", "no such thing"]);
        assert_eq!(*told.borrow(), ["server: Step 1/2 : FROM x"]);
    }
}
