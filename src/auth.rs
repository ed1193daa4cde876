//! Floor 2: who a client is, by the key it presents. What it may do is the business of `limit`.

pub mod api_key;
pub mod directory;

pub use api_key::{KeyDigest, Presented, digest, extract};
pub use directory::{Client, Directory, Identity, Mode, Rejection};
