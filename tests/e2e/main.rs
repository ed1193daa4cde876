//! Black-box tests: the real binary, real sockets, rude upstreams. One file per capability.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test and its tools fail by panicking; the lints know only functions marked #[test]"
)]

mod support;

mod acl_values;
mod admin_state;
mod ai_bodies;
mod ai_in_stream;
mod ai_limits;
mod ai_models;
mod ai_routing;
mod ai_usage;
mod bad_answers;
mod bad_requests;
mod balance_kinds;
mod balancing;
mod binds;
mod body_memory;
mod breaker;
mod budgets;
mod calls_in_flight;
mod chaos;
mod checks;
mod checks_expect;
mod checks_http2;
mod checks_pace;
mod checks_tls;
mod client_certificates;
mod clients;
mod commit_point;
mod config_errors;
mod connection_limits;
mod connection_rules;
mod cooldown;
mod counters;
mod dns;
mod ejection;
mod error_bodies;
mod events;
mod expect_continue;
mod forwarded_for;
mod header_rules;
mod hedging;
mod http2;
mod keep_alive;
mod ledger;
mod logs;
mod metrics;
mod misconfigured;
mod mock;
mod model_figures;
mod monitor;
mod proxy_protocol;
mod queue;
mod queue_order;
mod redirect;
mod regressions;
mod regressions_answers;
mod regressions_edge;
mod regressions_seen;
mod regressions_stop;
mod reload;
mod reload_servers;
mod reload_uncut;
mod request_id;
mod response_rules;
mod retries;
mod retry_policy;
mod rewrite_path;
mod rules;
mod runtime_socket;
mod sdk;
mod send_proxy;
mod session_tickets;
mod slow_start;
mod start_and_stop;
mod stats_page;
mod stick_tables;
mod streams;
mod strict;
mod tarpit;
mod tiers;
mod timeouts;
mod tls;
mod tls_settings;
mod tools;
mod trust;
mod upgrade;
mod upstream_connections;
mod upstream_http2;
mod upstream_request;
mod upstream_tls;
