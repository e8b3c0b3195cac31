//! Bytes in JSON: as text where they are text, else in hexadecimal. Raw outputs are nearly always text, and a frame
//! that a person can read is worth more than a few saved bytes.

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Form<'a> {
    Text(std::borrow::Cow<'a, str>),
    Hex(std::borrow::Cow<'a, str>),
}

/// Writes bytes.
pub fn serialize<S: Serializer>(bytes: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
    let form = match std::str::from_utf8(bytes) {
        Ok(text) => Form::Text(text.into()),
        Err(_) => Form::Hex(bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>().into()),
    };
    form.serialize(serializer)
}

/// Reads them back.
pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<u8>, D::Error> {
    match Form::deserialize(deserializer)? {
        Form::Text(text) => Ok(text.into_owned().into_bytes()),
        Form::Hex(hex) => decode(hex.as_bytes()).ok_or_else(|| D::Error::custom("bytes that are not hexadecimal")),
    }
}

fn decode(hex: &[u8]) -> Option<Vec<u8>> {
    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    hex.chunks(2)
        .map(|pair| match pair {
            [high, low] => Some(digit(*high)? << 4 | digit(*low)?),
            _ => None,
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    #[derive(serde::Serialize, serde::Deserialize)]
    struct Held {
        #[serde(with = "crate::wire::bytes")]
        bytes: Vec<u8>,
    }

    proptest! {
        #[test]
        fn any_bytes_come_back(bytes: Vec<u8>) {
            let json = serde_json::to_string(&Held { bytes: bytes.clone() }).unwrap();
            prop_assert_eq!(serde_json::from_str::<Held>(&json).unwrap().bytes, bytes);
        }
    }
}
