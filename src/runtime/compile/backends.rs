//! Backends: pools, retry policies, and how each server is reached.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::net::{IpAddr, SocketAddr};
use std::num::NonZeroU32;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use http::header::AUTHORIZATION;
use http::{HeaderName, HeaderValue};
use rustls::pki_types::ServerName;

use crate::config::checked::{self, Balance, Checked, Host, KeyHeader};
use crate::pool::health::Thresholds;
use crate::pool::retry::{Policy, When};
use crate::pool::{Member, Pool, Rules, Settings, balance, breaker, cooldown, eject};
use crate::runtime::cells::CallCells;
use crate::runtime::compile::{CompileError, tls};
use crate::runtime::models::Models;
use crate::runtime::snapshot::{Backend, Server};
use crate::runtime::state::{BackendState, State};
use crate::runtime::target::{Target, TargetTls};

pub fn compile(checked: &Checked, state: &State) -> Result<Vec<Backend>, CompileError> {
    let models = checked.ai.models.len();
    let one = |backend: &checked::Backend| one(backend, &state.backend(&backend.name), state, models);
    checked.backends.iter().map(one).collect()
}

/// `models`: how many the file lists.
fn one(
    backend: &checked::Backend,
    kept: &Arc<BackendState>,
    state: &State,
    models: usize,
) -> Result<Backend, CompileError> {
    let checks = backend.check.as_ref().map(|check| Thresholds {
        rise: check.rise,
        fall: check.fall,
        slow_above: check.slow_above,
    });
    let members = backend
        .servers
        .iter()
        .map(|server| Member {
            server: kept.server(&server.name),
            tier: server.tier,
            weight: u16::try_from(server.weight).unwrap_or(256),
            max_concurrent: server.max_concurrent.and_then(NonZeroU32::new),
            slow_start: server.slow_start,
        })
        .collect();
    let pool = Pool::new(Settings {
        members,
        checks,
        balance: kind(&backend.balance),
        queue: kept.queue.clone(),
        queue_max: backend.queue_max,
        rules: rules(backend),
    });
    let servers = backend
        .servers
        .iter()
        .map(|config| {
            let calls = CallCells::new(&backend.name, &config.name, models);
            server(config, &backend.connections, kept, state, calls)
        })
        .collect::<Result<_, CompileError>>()?;
    Ok(Backend {
        name: Arc::from(&*backend.name),
        pool: Arc::new(pool),
        balance: backend.balance.clone(),
        servers,
        retry: policy(&backend.retry),
        budget: kept.budget.clone(),
        hedge: backend.hedge.clone(),
        hedge_budget: kept.hedge_budget.clone(),
        learned: kept.learned.clone(),
        connect: backend.timeouts.connect,
        queue: backend.timeouts.queue,
        first_byte: backend.timeouts.first_byte,
        first_content: backend.timeouts.first_content,
        server: backend.timeouts.server,
        tunnel: backend.timeouts.tunnel,
        total: backend.own_total,
        max_request_body: backend.own_max_request_body,
        check: backend.check.clone().map(Arc::new),
        models: Models::new(&backend.servers),
        stats: kept.stats.clone(),
    })
}

fn rules(backend: &checked::Backend) -> Rules {
    Rules {
        breaker: backend.breaker.as_ref().map(|breaker| breaker::Rules {
            failures: breaker.failures,
            open_for: breaker.open_for,
            trial_requests: breaker.trial_requests,
        }),
        eject: backend.eject.as_ref().map(|eject| eject::Rules {
            error_rate: eject.error_rate,
            over: eject.over,
            time: eject.time,
            up_to: eject.up_to,
            max_ejected: eject.max_ejected,
        }),
        cooldown: backend
            .cooldown
            .as_ref()
            .map(|cooldown| cooldown::Rules { default: cooldown.default, up_to: cooldown.up_to }),
        help_below: backend.help_below,
    }
}

fn kind(balance: &Balance) -> balance::Kind {
    match balance {
        Balance::RoundRobin => balance::Kind::RoundRobin,
        Balance::LeastConn => balance::Kind::LeastConn,
        Balance::Latency => balance::Kind::Latency,
        Balance::Hash(_) => balance::Kind::Hash,
        Balance::First => balance::Kind::First,
        Balance::Random => balance::Kind::Random,
    }
}

fn policy(retry: &checked::Retry) -> Policy {
    let mut when = When::default();
    when.connect_failure = retry.when.connect_failure;
    when.empty_response = retry.when.empty_response;
    when.timeout = retry.when.timeout;
    Policy {
        attempts: retry.attempts,
        when: retry.when.statuses.iter().fold(when, |when, status| when.with_status(*status)),
        backoff_min: retry.backoff_min,
        backoff_max: retry.backoff_max,
        budget: Some(retry.budget),
    }
}

fn server(
    config: &checked::Server,
    connections: &checked::Connections,
    kept: &Arc<BackendState>,
    state: &State,
    calls: CallCells,
) -> Result<Server, CompileError> {
    let url = &config.url;
    let bad = |text: &str| CompileError::BadName(text.to_owned());
    let authority = url.authority();
    let tls = if url.tls { Some(target_tls(config)?) } else { None };
    let addresses = match &url.host {
        Host::Name(name) => state.addresses(name, url.port, Vec::new()),
        Host::Ip(ip) => state.addresses(&ip.to_string(), url.port, vec![SocketAddr::new(*ip, url.port)]),
    };
    let target = Target {
        id: identity(config),
        name: Arc::from(&*config.name),
        addresses,
        moved: kept.moved(&config.name),
        tls,
        host: HeaderValue::try_from(authority.as_str()).map_err(|_| bad(&authority))?,
        send_proxy: config.send_proxy,
        idle_timeout: connections.idle_timeout,
        max_idle: connections.max_idle,
        base_path: url.base_path.clone(),
        warned: AtomicU64::new(0),
    };
    let authorization = match &config.api_key {
        None => None,
        Some(key) => {
            let (name, text) = match config.key_header {
                KeyHeader::Authorization => (AUTHORIZATION, format!("Bearer {}", key.expose())),
                KeyHeader::XApiKey => (HeaderName::from_static("x-api-key"), key.expose().to_owned()),
            };
            let mut value = HeaderValue::try_from(text).map_err(|_| bad("api_key"))?;
            value.set_sensitive(true);
            Some((name, value))
        }
    };
    Ok(Server { target: Arc::new(target), authorization, stats: kept.server_stats(&config.name), calls })
}

fn target_tls(config: &checked::Server) -> Result<TargetTls, CompileError> {
    let name = match (&config.tls.sni, &config.url.host) {
        (Some(name), _) | (None, Host::Name(name)) => {
            ServerName::try_from(name.clone()).map_err(|_| CompileError::BadName(name.clone()))?
        }
        (None, Host::Ip(ip)) => ServerName::IpAddress((*ip).into()),
    };
    let (offering, only_http1) = tls::server(&config.tls)?;
    Ok(TargetTls { config: offering, only_http1, name, http2: config.tls.http2, http1: config.tls.http1 })
}

/// Equal for two servers that an idle connection may serve alike: same address, same TLS.
fn identity(config: &checked::Server) -> u64 {
    let mut hasher = DefaultHasher::new();
    (config.url.tls, config.url.port, config.send_proxy).hash(&mut hasher);
    match &config.url.host {
        Host::Name(name) => name.hash(&mut hasher),
        Host::Ip(IpAddr::V4(ip)) => ip.hash(&mut hasher),
        Host::Ip(IpAddr::V6(ip)) => ip.hash(&mut hasher),
    }
    if config.url.tls {
        (config.tls.verify, &config.tls.sni, config.tls.http2, config.tls.http1).hash(&mut hasher);
        for certificate in config.tls.ca.iter().flat_map(|ca| &ca.certificates) {
            certificate.as_ref().hash(&mut hasher);
        }
    }
    hasher.finish()
}
