//! The canonical form of a document: what makes two answers the same, whatever the order of keys and the spaces.

use serde_json::Value;
use sha2::{Digest, Sha256};

/// Sorted keys, no white space, UTF-8 unescaped: the bytes that are hashed.
pub fn canonical(value: &Value) -> String {
    // serde_json keeps objects sorted by key as long as its feature `preserve_order` is off; a test holds that.
    value.to_string()
}

/// SHA-256 of the canonical form, in hexadecimal.
pub fn sha256(value: &Value) -> String {
    hex(&Sha256::digest(canonical(value).as_bytes()))
}

/// SHA-256 of bytes, in hexadecimal.
pub fn sha256_bytes(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// At most this many differences are told: the first ones say what is wrong.
const MOST: usize = 8;

/// Where two documents differ, one line each: `$[3].number: expected "302", answered "303"`.
pub fn differences(expected: &Value, answered: &Value) -> Vec<String> {
    let mut lines = Vec::new();
    walk("$", expected, answered, &mut lines);
    lines.truncate(MOST);
    lines
}

fn walk(path: &str, expected: &Value, answered: &Value, lines: &mut Vec<String>) {
    if expected == answered || lines.len() > MOST {
        return;
    }
    match (expected, answered) {
        (Value::Object(left), Value::Object(right)) => {
            for (key, value) in left {
                match right.get(key) {
                    Some(other) => walk(&format!("{path}.{key}"), value, other, lines),
                    None => lines.push(format!("{path}.{key}: expected {}, missing in the answer", short(value))),
                }
            }
            for (key, value) in right.iter().filter(|(key, _)| !left.contains_key(*key)) {
                lines.push(format!("{path}.{key}: not expected, answered {}", short(value)));
            }
        }
        (Value::Array(left), Value::Array(right)) => {
            if left.len() != right.len() {
                lines.push(format!("{path}: expected {} items, answered {}", left.len(), right.len()));
            }
            for (index, (value, other)) in left.iter().zip(right).enumerate() {
                walk(&format!("{path}[{index}]"), value, other, lines);
            }
        }
        _ => lines.push(format!("{path}: expected {}, answered {}", short(expected), short(answered))),
    }
}

fn short(value: &Value) -> String {
    let text = value.to_string();
    match text.char_indices().nth(60) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn order_of_keys_and_spaces_do_not_count() {
        let left: Value = serde_json::from_str(r#"{"b": 1, "a": [1, 2, {"z": null, "y": "é"}]}"#).unwrap();
        let right: Value = serde_json::from_str(r#"{"a":[1,2,{"y":"\u00e9","z":null}],"b":1}"#).unwrap();
        assert_eq!(canonical(&left), r#"{"a":[1,2,{"y":"é","z":null}],"b":1}"#);
        assert_eq!(sha256(&left), sha256(&right));
    }

    #[test]
    fn differences_name_the_place() {
        let expected = json!([{"id": 1, "number": "300"}, {"id": 2}]);
        let answered = json!([{"id": 1, "number": "301"}]);
        assert_eq!(
            differences(&expected, &answered),
            ["$: expected 2 items, answered 1", r#"$[0].number: expected "300", answered "301""#]
        );
        assert_eq!(
            differences(&json!({"a": 1}), &json!({"b": 1})),
            ["$.a: expected 1, missing in the answer", "$.b: not expected, answered 1"]
        );
        assert!(differences(&expected, &expected).is_empty());
    }
}
