//! `tidegate mock`: the provider that comes with the binary, as a guarded process.

use std::net::SocketAddr;
use std::process::Command;

use serde_json::Value;

use super::http::{Ask, Connection};
use super::process::Process;

pub struct Mock {
    pub process: Process,
    address: SocketAddr,
}

impl Mock {
    pub fn start(name: &str) -> Mock {
        let mut command = Command::new(env!("CARGO_BIN_EXE_tidegate"));
        command.args(["mock", "--listen", "127.0.0.1:0", "--name", name]);
        let mut process = Process::start(&mut command);
        let address = process.await_lines("the mock says where it listens", |stdout, _| {
            stdout.first().and_then(|line| line.rsplit(' ').next()).and_then(|word| word.parse().ok())
        });
        Mock { process, address }
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Sets faults, as `POST /mock/faults` takes them.
    pub fn faults(&self, faults: &Value) {
        let ask = Ask::post("/mock/faults", faults.to_string()).header("content-type", "application/json");
        let answer = Connection::open(self.address).ask(&ask);
        assert!((200..300).contains(&answer.status()), "{}: {}", answer.status(), answer.text());
    }

    /// What it was asked, as `GET /mock/requests` tells it.
    pub fn requests(&self) -> Value {
        Connection::open(self.address).ask(&Ask::get("/mock/requests")).json()
    }
}
