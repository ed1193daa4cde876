//! Where a server is, over what the file says: for a provider that moves before the file does.

use std::net::{IpAddr, SocketAddr};

use crate::admin::View;
use crate::admin::change::Found;
use crate::admin::socket::change::DOOR;
use crate::runtime::events;

const BY: &str = "by 'stats socket command'";

impl Found<'_> {
    /// `addr <ip> [port <port>]`, or `addr file`. The answer is HAProxy's: what has changed.
    pub(super) fn address(&self, view: &View, words: &[&str]) -> Result<String, String> {
        let Some(server) = self.backend.servers.get(self.index) else { return Ok(String::new()) };
        let target = &server.target;
        let before = target.place();
        let to = read(words, before.port)?;
        let file = &target.addresses;
        // At the file's own address it follows the file again.
        let to = to.filter(|to| to.port() != file.port || to.ip().to_string() != file.host);
        let (host, port) =
            to.map_or_else(|| (file.host.clone(), file.port), |to| (to.ip().to_string(), to.port()));
        if (&host, port) == (&before.host, before.port) {
            // Where the file's address is the operator's too, there is no longer a difference.
            target.moved.set(to);
            return Ok(format!("no need to change the addr {BY}\n"));
        }
        target.moved.set(to);
        let mut parts = Vec::new();
        if host != before.host {
            parts.push(format!("IP changed from '{}' to '{host}'", before.host));
        }
        if port != before.port {
            parts.push(format!("port changed from '{}' to '{port}'", before.port));
        }
        self.begin_anew(view);
        let from_file = if to.is_none() { ", as the file has it" } else { "" };
        let (was_host, was_port) = (&before.host, before.port);
        self.tell(
            view,
            DOOR,
            format_args!("address {host} port {port}{from_file} (was {was_host} port {was_port})"),
        );
        Ok(format!("{} {BY}\n", parts.join(", ")))
    }

    /// What is known of the server was learned at another address.
    fn begin_anew(&self, view: &View) {
        let (server, now) = (&self.member.server, view.state.clock.now());
        server.forget_checks();
        server.forget_traffic(now);
        let lost = self.backend.servers.get(self.index).is_some_and(|at| at.target.place().load().is_empty());
        if let Some(change) = server.set_lost(lost, now) {
            events::server_changed(&view.state, self.backend, self.index, &change);
        }
        for (index, change) in self.backend.pool.settle(now) {
            events::server_changed(&view.state, self.backend, index, &change);
        }
    }
}

/// `None`: where the file says.
fn read(words: &[&str], port: u16) -> Result<Option<SocketAddr>, String> {
    let (address, port) = match *words {
        ["file"] => return Ok(None),
        [address] => (address, port),
        [address, "port", port] => {
            let port = port.parse::<u16>().ok().filter(|port| *port != 0).ok_or_else(|| {
                format!("no need to change the addr, problem converting port '{port}' to an int {BY}\n")
            })?;
            (address, port)
        }
        _ => {
            return Err("set server <b>/<s> addr requires an address and optionally a port: addr <ip> [port <port>], \
                        or addr file.\n"
                .to_owned());
        }
    };
    let ip = address.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
    ip.map(|ip| Some(SocketAddr::new(ip, port))).map_err(|_| format!("Invalid addr '{address}' {BY}\n"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_keeps_the_port_unless_there_is_one() {
        assert_eq!(read(&["192.0.2.1"], 443), Ok(Some(SocketAddr::from(([192, 0, 2, 1], 443)))));
        assert_eq!(
            read(&["192.0.2.1", "port", "8443"], 443),
            Ok(Some(SocketAddr::from(([192, 0, 2, 1], 8443))))
        );
        assert_eq!(read(&["[::1]"], 443).map(|to| to.map(|to| to.to_string())), Ok(Some("[::1]:443".into())));
        assert_eq!(read(&["file"], 443), Ok(None));
    }

    #[test]
    fn mistakes_have_haproxys_words() {
        for (words, start) in [
            (&[][..], "set server <b>/<s> addr requires an address"),
            (&["foo"], "Invalid addr 'foo' by 'stats socket command'"),
            (
                &["192.0.2.1", "port", "x"],
                "no need to change the addr, problem converting port 'x' to an int",
            ),
            (&["192.0.2.1", "port", "99999"], "no need to change the addr, problem converting port '99999'"),
            (&["192.0.2.1", "port", "0"], "no need to change the addr, problem converting port '0'"),
            (&["192.0.2.1", "port"], "set server <b>/<s> addr requires"),
            (&["192.0.2.1", "via", "1"], "set server <b>/<s> addr requires"),
        ] {
            let message = read(words, 443).unwrap_err();
            assert!(message.starts_with(start) && message.ends_with('\n'), "{words:?}: {message}");
        }
    }
}
