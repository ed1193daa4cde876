//! `show stat` and `/stats;csv`: a row for every frontend, then for each backend its servers and itself, in HAProxy's
//! columns (management guide, 9.1). What tidegate does not know stays empty.

use std::time::Duration;

use crate::admin::View;
use crate::base::clock::Tick;
use crate::observe::cell::{Classes, Mean};
use crate::observe::csv::{self, Column, Row, Type};
use crate::observe::stats::Traffic;
use crate::pool::Member;
use crate::runtime::snapshot::{Backend, Frontend, Server};

/// The whole document.
pub fn text(view: &View) -> String {
    document(&shown(view))
}

/// The rows of everything, counted since the latest `clear counters all`.
pub fn shown(view: &View) -> Vec<Row> {
    let mut rows = rows(view);
    view.cleared.take_off(&mut rows);
    rows
}

/// The heading and these rows.
pub fn document(rows: &[Row]) -> String {
    let mut out = csv::header();
    rows.iter().for_each(|row| row.write(&mut out));
    out
}

/// The rows of everything. Proxies are numbered (`iid`) frontends first, servers (`sid`) from 1 in their backend.
pub fn rows(view: &View) -> Vec<Row> {
    let (snapshot, now) = (view.store.load(), view.state.clock.now());
    let mut rows = Vec::new();
    for (index, frontend) in snapshot.frontends.iter().enumerate() {
        rows.push(of_frontend(view, frontend, index + 1, now));
    }
    for (index, backend) in snapshot.backends.iter().enumerate() {
        let iid = snapshot.frontends.len() + index + 1;
        for (position, (server, member)) in backend.servers.iter().zip(backend.pool.members()).enumerate() {
            let mut row = of_server(backend, server, member, [iid, position + 1], now);
            row.set(Column::Status, backend.pool.status_text(position, now));
            rows.push(row);
        }
        rows.push(of_backend(view, backend, iid, now));
    }
    rows
}

fn new_row(proxy: &str, name: &str, kind: Type, [iid, sid]: [usize; 2]) -> Row {
    let mut row = Row::new(proxy, name, kind);
    row.set(Column::Pid, 1).set(Column::Iid, iid).set(Column::Sid, sid).set(Column::Mode, "http");
    row
}

fn of_frontend(view: &View, frontend: &Frontend, iid: usize, now: Tick) -> Row {
    let stats = &frontend.stats;
    let mut row = new_row(&frontend.name, "FRONTEND", Type::Frontend, [iid, 0]);
    row.set(Column::Scur, stats.connections.current())
        .set(Column::Smax, stats.connections.peak())
        .set(Column::Slim, frontend.gate.max(frontend.max_connections))
        .set(Column::Stot, stats.connections.total())
        .set(Column::Bin, stats.bytes_in.get())
        .set(Column::Bout, stats.bytes_out.get())
        .set(Column::Dreq, stats.denied_requests.get())
        .set(Column::Dresp, 0)
        .set(Column::Ereq, stats.bad_requests.get())
        .set(Column::Status, view.frontend_status(frontend))
        .set(Column::Rate, stats.connection_rate.per_second(now))
        .set(Column::RateLim, 0)
        .set(Column::RateMax, stats.connection_rate.peak())
        .set(Column::ReqRate, stats.request_rate.per_second(now))
        .set(Column::ReqRateMax, stats.request_rate.peak())
        .set(Column::ReqTot, stats.requests.total())
        .set(Column::ConnRate, stats.connection_rate.per_second(now))
        .set(Column::ConnRateMax, stats.connection_rate.peak())
        .set(Column::ConnTot, stats.connections.total())
        .set(Column::Intercepted, stats.answered_here.get())
        .set(Column::Dcon, stats.refused_connections.get())
        .set(Column::SslFailedHandshake, stats.tls_failures.get());
    answers(&mut row, &stats.answers);
    row
}

fn of_server(backend: &Backend, server: &Server, member: &Member, ids: [usize; 2], now: Tick) -> Row {
    let mut row = new_row(&backend.name, &server.target.name, Type::Server, ids);
    let backup = usize::from(is_backup(backend, member));
    let traffic = &server.stats.traffic;
    let up_time = traffic.availability.read(now);
    let checks = backend.pool.checks();
    // There is one queue for the whole backend; none of it waits for one server alone.
    row.set(Column::Qcur, 0)
        .set(Column::Qmax, 0)
        .set(Column::Scur, member.server.in_flight())
        .set_known(Column::Slim, member.limit())
        .set(Column::Weight, member.effective_weight())
        .set(Column::Uweight, member.effective_weight())
        .set(Column::Act, 1 - backup)
        .set(Column::Bck, backup)
        .set(Column::Lastchg, changed(member.server.last_change(), now))
        .set(Column::Addr, address(server));
    if let Some(thresholds) = checks {
        row.set(Column::Chkfail, server.stats.check_failures.get())
            .set(Column::Chkdown, up_time.times_down)
            .set(Column::Downtime, up_time.downtime.as_secs())
            .set(Column::CheckRise, thresholds.rise)
            .set(Column::CheckFall, thresholds.fall);
    }
    if let Some(last) = member.server.last_check() {
        row.set(Column::CheckStatus, last.result.verdict.haproxy_code())
            .set_known(Column::CheckCode, last.result.code)
            .set(Column::CheckDuration, last.result.took.as_millis())
            .set(Column::LastChk, last.result.reason);
    }
    of_traffic(&mut row, traffic, now);
    row
}

fn of_backend(view: &View, backend: &Backend, iid: usize, now: Tick) -> Row {
    let mut row = new_row(&backend.name, "BACKEND", Type::Backend, [iid, 0]);
    let (pool, traffic) = (&backend.pool, &backend.stats.traffic);
    let usable = |backup: bool| {
        let fits = |(index, member): &(usize, &Member)| {
            pool.usable(*index, now) && is_backup(backend, member) == backup
        };
        pool.members().iter().enumerate().filter(fits).count()
    };
    let active = pool.active_tier(now);
    let weight: u32 = pool
        .members()
        .iter()
        .enumerate()
        .filter(|(index, member)| pool.usable(*index, now) && active == Some(member.tier))
        .map(|(_, member)| u32::from(member.effective_weight()))
        .sum();
    let up_time = traffic.availability.read(now);
    let since = up_time.up.map(|_| up_time.since);
    row.set(Column::Qcur, pool.queue().len())
        .set(Column::Qmax, pool.queue().peak())
        .set(Column::Scur, traffic.sessions.current())
        .set(Column::Dreq, backend.stats.denied_requests.get())
        .set(Column::Status, if pool.usable_count(now) > 0 { "UP" } else { "DOWN" })
        .set(Column::Weight, weight)
        .set(Column::Uweight, weight)
        .set(Column::Act, usable(false))
        .set(Column::Bck, usable(true))
        .set(Column::Chkdown, up_time.times_down)
        .set(Column::Lastchg, changed(since, now).min(view.uptime().as_secs()))
        .set(Column::Downtime, up_time.downtime.as_secs())
        .set(Column::Qlimit, pool.queue_max())
        .set(Column::ReqTot, traffic.sessions.total())
        .set(Column::Algo, pool.balance().haproxy_name());
    of_traffic(&mut row, traffic, now);
    row
}

fn of_traffic(row: &mut Row, traffic: &Traffic, now: Tick) {
    // -1 is HAProxy's word for never.
    let last = traffic.since_last_session(now).and_then(|since| i64::try_from(since.as_secs()).ok());
    row.set(Column::Smax, traffic.sessions.peak())
        .set(Column::Stot, traffic.sessions.total())
        .set(Column::Bin, traffic.bytes_in.get())
        .set(Column::Bout, traffic.bytes_out.get())
        .set(Column::Dresp, 0)
        .set(Column::Econ, traffic.connect_errors.get())
        .set(Column::Eresp, traffic.response_errors.get())
        .set(Column::Wretr, traffic.retries.get())
        .set(Column::Wredis, traffic.redispatches.get())
        .set(Column::Lbtot, traffic.chosen.get())
        .set(Column::Rate, traffic.session_rate.per_second(now))
        .set(Column::RateMax, traffic.session_rate.peak())
        .set(Column::CliAbrt, traffic.client_aborts.get())
        .set(Column::SrvAbrt, traffic.server_aborts.get())
        .set(Column::Lastsess, last.unwrap_or(-1))
        .set(Column::Connect, traffic.connects.get())
        .set(Column::Reuse, traffic.reuses.get());
    answers(row, &traffic.answers);
    mean(row, Column::Qtime, Column::QtimeMax, &traffic.queue_time);
    mean(row, Column::Ctime, Column::CtimeMax, &traffic.connect_time);
    mean(row, Column::Rtime, Column::RtimeMax, &traffic.response_time);
    mean(row, Column::Ttime, Column::TtimeMax, &traffic.total_time);
}

fn answers(row: &mut Row, classes: &Classes) {
    let columns = [
        Column::Hrsp1xx,
        Column::Hrsp2xx,
        Column::Hrsp3xx,
        Column::Hrsp4xx,
        Column::Hrsp5xx,
        Column::HrspOther,
    ];
    for (column, count) in columns.into_iter().zip(classes.read()) {
        row.set(column, count);
    }
}

/// Milliseconds; 0 where there was nothing to measure, as HAProxy has it.
fn mean(row: &mut Row, column: Column, most: Column, of: &Mean) {
    row.set(column, of.mean().unwrap_or(Duration::ZERO).as_millis())
        .set(most, of.longest().unwrap_or(Duration::ZERO).as_millis());
}

/// Seconds since a change; since the start where there was none.
fn changed(at: Option<Tick>, now: Tick) -> u64 {
    now.since(at.unwrap_or(Tick(0))).as_secs()
}

/// Every tier but the lowest is what HAProxy calls a backup.
fn is_backup(backend: &Backend, member: &Member) -> bool {
    backend.pool.members().iter().any(|other| other.tier < member.tier)
}

fn address(server: &Server) -> String {
    let addresses = server.target.place();
    addresses.load().first().map_or_else(|| super::host_and_port(server), ToString::to_string)
}
