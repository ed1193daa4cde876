//! What is seen of the traffic: one set of cells that the request path raises without a lock, and the forms in which
//! people and machines read them (metrics, `show stat`, access log). It decides nothing and does no I/O.

pub mod access_log;
pub mod cell;
pub mod csv;
pub mod events;
pub mod exposition;
pub mod guard;
pub mod histogram;
pub mod protocol_errors;
pub mod standing;
pub mod stats;
