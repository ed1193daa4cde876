//! Whether a JSON value holds anything, without keeping it.

use std::fmt;

use serde::de::{Deserialize, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};

/// Whether there is a string that is not empty anywhere in a value, keys and what only names things (`type`, `role`)
/// aside.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Filled(pub bool);

/// Keys of a delta, an item or a block that every one of them has, with content or without.
const NAMING: [&str; 7] = ["type", "role", "id", "status", "phase", "format", "provider_specific_fields"];

impl<'de> Deserialize<'de> for Filled {
    fn deserialize<D: Deserializer<'de>>(json: D) -> Result<Filled, D::Error> {
        json.deserialize_any(Look)
    }
}

struct Look;

impl<'de> Visitor<'de> for Look {
    type Value = Filled;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_unit<E>(self) -> Result<Filled, E> {
        Ok(Filled(false))
    }

    fn visit_bool<E>(self, _: bool) -> Result<Filled, E> {
        Ok(Filled(false))
    }

    fn visit_i64<E>(self, _: i64) -> Result<Filled, E> {
        Ok(Filled(false))
    }

    fn visit_u64<E>(self, _: u64) -> Result<Filled, E> {
        Ok(Filled(false))
    }

    fn visit_f64<E>(self, _: f64) -> Result<Filled, E> {
        Ok(Filled(false))
    }

    fn visit_str<E>(self, text: &str) -> Result<Filled, E> {
        Ok(Filled(!text.is_empty()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Filled, A::Error> {
        let mut any = false;
        while let Some(Filled(filled)) = seq.next_element()? {
            any |= filled;
        }
        Ok(Filled(any))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Filled, A::Error> {
        let mut any = false;
        while let Some(IsNaming(naming)) = map.next_key()? {
            if naming {
                map.next_value::<IgnoredAny>()?;
            } else {
                let Filled(filled) = map.next_value()?;
                any |= filled;
            }
        }
        Ok(Filled(any))
    }
}

struct IsNaming(bool);

impl<'de> Deserialize<'de> for IsNaming {
    fn deserialize<D: Deserializer<'de>>(json: D) -> Result<IsNaming, D::Error> {
        json.deserialize_identifier(Key).map(IsNaming)
    }
}

struct Key;

impl Visitor<'_> for Key {
    type Value = bool;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key")
    }

    fn visit_str<E: Error>(self, key: &str) -> Result<bool, E> {
        Ok(NAMING.contains(&key))
    }
}
