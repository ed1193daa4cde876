//! What changes on the way through: the path towards a server, redirects, header fields. Owns how the new value is made;
//! when it is made is the rules' and the core's business. Everything here works on values and does no I/O.

pub mod forwarded_for;
pub mod header;
pub mod path;
pub mod redirect;
pub mod request_id;
