//! What there is to say of the process, in the words of HAProxy's `show info` (management guide, 9.3).

use std::fmt::Display;
use std::sync::atomic::Ordering;

use crate::admin::View;
use crate::admin::prometheus::most_files;
use crate::runtime::snapshot::Frontend;

/// Names and values, in HAProxy's order. What is unknown is left out.
pub fn of_process(view: &View) -> Vec<(&'static str, String)> {
    let (snapshot, now) = (view.store.load(), view.state.clock.now());
    let sum = |of: &dyn Fn(&Frontend) -> u64| snapshot.frontends.iter().map(of).sum::<u64>();
    let mut facts = Vec::new();
    let mut say = |name: &'static str, value: &dyn Display| facts.push((name, value.to_string()));
    let up = view.uptime().as_secs();
    let (days, hours, minutes, seconds) = (up / 86_400, up / 3600 % 24, up / 60 % 60, up % 60);
    say("Name", &"tidegate");
    say("Version", &env!("CARGO_PKG_VERSION"));
    say("Nbproc", &1);
    say("Process_num", &1);
    say("Pid", &std::process::id());
    say("Uptime", &format_args!("{days}d {hours}h{minutes:02}m{seconds:02}s"));
    say("Uptime_sec", &up);
    say("Start_time_sec", &view.state.started.as_secs());
    if let Some(files) = most_files() {
        say("Ulimit-n", &files);
    }
    say("Maxconn", &view.state.max_connections(snapshot.max_connections));
    say("Hard_maxconn", &snapshot.max_connections);
    say("CurrConns", &view.state.connections.open());
    say("CumConns", &sum(&|frontend| frontend.stats.connections.total()));
    say("CumReq", &sum(&|frontend| frontend.stats.requests.total()));
    say("ConnRate", &sum(&|frontend| frontend.stats.connection_rate.per_second(now)));
    say("SessRate", &sum(&|frontend| frontend.stats.request_rate.per_second(now)));
    say("Stopping", &u8::from(view.draining.load(Ordering::Relaxed)));
    say("Listeners", &view.listeners.len());
    say("DroppedLogs", &(view.log_dropped)());
    say("TotalBytesOut", &sum(&|frontend| frontend.stats.bytes_out.get()));
    if let Ok(name) = std::fs::read_to_string("/proc/sys/kernel/hostname") {
        say("node", &name.trim());
    }
    facts
}
