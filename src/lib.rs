//! tidegate: an L7 load balancer for AI APIs, on Pingora.
//!
//! The modules are floors; a file imports from lower floors and its own module only (`tests/layers.rs`). See
//! ARCHITECTURE.md for the map and the life of a request.

// Floor 0
pub mod base;

// Floor 1
pub mod config;

// Floor 2: engines, pure
pub mod acl;
pub mod ai;
pub mod alert;
pub mod auth;
pub mod limit;
pub mod observe;
pub mod outcome;
pub mod pool;
pub mod rewrite;
pub mod stick;
pub mod wire;

// Floor 3
pub mod runtime;

// Floor 4: edges
pub mod admin;
pub mod history;
pub mod ledger;
pub mod listen;
pub mod log_writer;
pub mod mock;
pub mod notify;
pub mod probe;
pub mod proxy;
pub mod resolve;
pub mod transport;
pub mod upstream;

// Floor 5
pub mod app;
pub mod cli;
