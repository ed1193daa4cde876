//! Servers that tidegate's authors did not write: HAProxy, and nginx where it is installed. They read and write the PROXY
//! protocol by their own lights.

use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;

use super::process::Process;
use super::rude::{Refusing, listens};
use super::scratch::Scratch;
use super::wait::until;

/// A running server; gone when dropped.
pub struct Foreign {
    pub address: SocketAddr,
    _process: Process,
    _directory: Scratch,
}

/// HAProxy with these sections, in which `<address>` is where it is to listen.
pub fn haproxy(sections: &str) -> Foreign {
    let text = format!(
        "global\n  maxconn 100\ndefaults\n  timeout connect 10s\n  timeout client 20s\n  timeout server 20s\n\
         {sections}\n"
    );
    let program = program("haproxy").unwrap_or_else(|| panic!("no haproxy: scripts/install-tools.sh test"));
    start(&text, |directory, file| {
        let mut command = Command::new(program);
        command.arg("-db").arg("-f").arg(directory.path().join(file));
        command
    })
}

/// nginx with these directives in its `server`. `None` where it is not installed: it comes with a service that takes port
/// 80, so that no script of ours installs it.
pub fn nginx(server: &str) -> Option<Foreign> {
    let program = program("nginx")?;
    let paths: String = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
        .iter()
        .map(|name| format!("{name}_temp_path {name}; "))
        .collect();
    // A master that is killed would leave its worker behind.
    let text = format!(
        "daemon off; master_process off; pid pid; error_log stderr; events {{}}\n\
         http {{ access_log off; default_type text/plain; {paths}\nserver {{ {server} }} }}"
    );
    Some(start(&text, |directory, file| {
        let mut command = Command::new(program);
        command.arg("-p").arg(directory.path()).arg("-c").arg(file);
        command
    }))
}

fn start(text: &str, command: impl FnOnce(&Scratch, &str) -> Command) -> Foreign {
    let directory = Scratch::new();
    let free = Refusing::new();
    let address = free.address();
    drop(free);
    directory.write("foreign.conf", &text.replace("<address>", &address.to_string()));
    let process = Process::start(&mut command(&directory, "foreign.conf"));
    until("it listens", || listens(address));
    Foreign { address, _process: process, _directory: directory }
}

fn program(name: &str) -> Option<&'static str> {
    let places: [&str; 3] = match name {
        "haproxy" => ["/usr/sbin/haproxy", "/usr/bin/haproxy", "/usr/local/sbin/haproxy"],
        _ => ["/usr/sbin/nginx", "/usr/bin/nginx", "/usr/local/sbin/nginx"],
    };
    places.into_iter().find(|place| Path::new(place).exists())
}
