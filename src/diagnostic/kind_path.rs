//! Kinds of values that are paths: of files in a folder, of programs on a machine, of endpoints.

use std::path::{Component, Path};

use serde_json::{Value, json};

use crate::diagnostic::{Code, Kind, Node, Place, Table};

/// A file in the folder of the file that names it.
pub struct RelativeFile;

impl Kind for RelativeFile {
    type Value = String;

    fn read(&self, node: &Node<'_>) -> Option<String> {
        let text = node.string()?;
        let stays = Path::new(text).components().all(|part| matches!(part, Component::Normal(_)));
        if stays && is_plain(text) && !text.starts_with('-') {
            return Some(text.to_owned());
        }
        let message = format!("{} must be a file in this folder", node.what());
        let hint = "write a name like \"requirements.txt\": no `..`, no leading `/` or `-`, no control characters";
        node.error(Code::BadPath, message, "leaves the folder, or is no file name", hint);
        None
    }

    fn stand_in(&self, _table: &Table<'_>, _place: &Place) -> String {
        String::new()
    }

    fn schema(&self) -> Value {
        json!({ "type": "string", "pattern": "^[^/-]" })
    }
}

/// A file or folder on a machine.
pub struct AbsolutePath;

impl Kind for AbsolutePath {
    type Value = String;

    fn read(&self, node: &Node<'_>) -> Option<String> {
        let text = node.string()?;
        let upward = Path::new(text).components().any(|part| part == Component::ParentDir);
        if text.starts_with('/') && is_plain(text) && !upward {
            return Some(text.to_owned());
        }
        let message = format!("{} must be an absolute path", node.what());
        let hint = "write the whole path from `/`: no `~`, no `..`, no control characters";
        node.error(Code::BadPath, message, "not an absolute path", hint);
        None
    }

    fn stand_in(&self, _table: &Table<'_>, _place: &Place) -> String {
        String::new()
    }

    fn schema(&self) -> Value {
        json!({ "type": "string", "pattern": "^/" })
    }
}

/// The path of a URL, as it is sent to the daemon.
pub struct EndpointPath;

impl Kind for EndpointPath {
    type Value = String;

    fn read(&self, node: &Node<'_>) -> Option<String> {
        let text = node.string()?;
        // What follows `#` is never sent, and a request line has only printable ASCII.
        if text.starts_with('/') && text.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'#') {
            return Some(text.to_owned());
        }
        let message = format!("{} must be the path of a URL", node.what());
        let hint = "write a path like \"/agents\": it begins with `/` and has no spaces, no `#`, and only ASCII \
                    (encode others as `%20`)";
        node.error(Code::BadPath, message, "not a path", hint);
        None
    }

    fn stand_in(&self, _table: &Table<'_>, _place: &Place) -> String {
        String::new()
    }

    fn schema(&self) -> Value {
        json!({ "type": "string", "pattern": "^/[!-\"$-~]*$" })
    }
}

fn is_plain(text: &str) -> bool {
    !text.is_empty() && !text.chars().any(char::is_control)
}
