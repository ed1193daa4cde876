//! What the tests stand on: the real binary as a guarded process, a client that writes exact bytes, upstreams as rude as
//! a test wants them, certificates made on the spot, and waiting by condition and deadline.

pub mod admin;
pub mod certificates;
pub mod chaos;
pub mod curl;
pub mod edge;
pub mod fickle;
pub mod foreign;
pub mod h2_front;
pub mod h2_raw;
pub mod h2_server;
pub mod http;
pub mod http2;
pub mod metrics;
pub mod mock;
pub mod orders;
pub mod pager;
pub mod process;
pub mod proxy_protocol;
pub mod reload;
pub mod rude;
pub mod scratch;
pub mod site;
pub mod sse;
pub mod till;
pub mod tls;
pub mod tls_client;
pub mod tmpfs;
pub mod upstream;
pub mod usage_db;
pub mod wait;
