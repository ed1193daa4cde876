//! `tidegate demo` as a person runs it, on ports of its own: it drives traffic through the death of a provider, says
//! which port is taken, and leaves no process behind whatever ends it.
#![expect(
    clippy::unwrap_used,
    reason = "a test and its tools fail by panicking; the lints know only functions marked #[test]"
)]

use std::io::{BufRead, BufReader};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, SystemTime};

const ROOT: &str = env!("CARGO_MANIFEST_DIR");
/// What `conf/demo.yaml` listens on; each test replaces them.
const PORTS: [u16; 6] = [8443, 8080, 8404, 9001, 9002, 9003];
const PATIENCE: Duration = Duration::from_secs(20);

/// `conf/demo.yaml` on free ports, its state in a directory of its own.
struct Setting {
    directory: PathBuf,
    ports: Vec<u16>,
}

impl Setting {
    fn new(name: &str) -> Setting {
        let made = Command::new("certs/make.sh").current_dir(ROOT).status().unwrap();
        assert!(made.success(), "certs/make.sh: {made}");
        let directory = std::env::temp_dir().join(format!("tidegate-demo-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&directory).unwrap();
        let ports = free_ports();
        let mut text = std::fs::read_to_string(Path::new(ROOT).join("conf/demo.yaml")).unwrap();
        for (old, new) in PORTS.iter().zip(&ports) {
            text = text
                .replace(&format!(":{old}"), &format!(":{new}"))
                .replace(&format!("port: {old}"), &format!("port: {new}"));
        }
        let text = text.replace("state/demo", directory.to_str().unwrap());
        std::fs::write(directory.join("demo.yaml"), text).unwrap();
        Setting { directory, ports }
    }

    fn demo(&self) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_tidegate"));
        command.current_dir(ROOT).arg("demo").arg("-c").arg(self.directory.join("demo.yaml"));
        command
    }

    /// A demo without `--seconds`, once it has printed everything.
    fn running(&self) -> Child {
        let mut child = self.demo().stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let last = lines.map_while(Result::ok).find(|line| line.contains("Ctrl-C ends everything"));
        assert!(last.is_some(), "the demo ended before it had said what to try");
        child
    }

    fn listening(&self) -> Vec<u16> {
        let open = |port: &u16| TcpStream::connect(SocketAddr::from(([127, 0, 0, 1], *port))).is_ok();
        self.ports.iter().copied().filter(open).collect()
    }

    fn wait_until_all_is_gone(&self) {
        let deadline = SystemTime::now() + PATIENCE;
        while !self.listening().is_empty() {
            assert!(SystemTime::now() < deadline, "still listening: {:?}", self.listening());
            std::thread::sleep(Duration::from_millis(50));
        }
    }
}

impl Drop for Setting {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.directory);
    }
}

fn free_ports() -> Vec<u16> {
    let listeners: Vec<_> = PORTS.iter().map(|_| TcpListener::bind("127.0.0.1:0").unwrap()).collect();
    listeners.iter().map(|listener| listener.local_addr().unwrap().port()).collect()
}

fn signal(child: &Child, name: &str) {
    let sent = Command::new("kill").arg(format!("-{name}")).arg(child.id().to_string()).status().unwrap();
    assert!(sent.success());
}

fn text(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

#[test]
fn a_provider_dies_under_traffic_and_no_client_notices() {
    let setting = Setting::new("traffic");
    let output = setting.demo().args(["--seconds", "9"]).output().unwrap();
    let said = text(&output);
    assert_eq!(output.status.code(), Some(0), "{said}");
    assert!(said.contains("failures seen by clients    0\n"), "{said}");
    assert!(said.contains("revived at") && said.contains("answered again"), "{said}");
    assert_eq!(setting.listening(), [], "{said}");
}

#[test]
fn an_occupied_port_is_named_and_nothing_is_started() {
    let setting = Setting::new("occupied");
    let taken = TcpListener::bind(SocketAddr::from(([127, 0, 0, 1], setting.ports[4]))).unwrap();
    let output = setting.demo().output().unwrap();
    let said = text(&output);
    assert_eq!(output.status.code(), Some(1), "{said}");
    let wanted = format!("{} (mock provider beta) is taken", taken.local_addr().unwrap());
    assert!(said.contains(&wanted), "{said}");
    assert_eq!(setting.listening(), [setting.ports[4]]);
}

#[test]
fn whatever_ends_the_demo_ends_everything_it_started() {
    for (name, code) in [("INT", Some(0)), ("TERM", Some(0)), ("KILL", None)] {
        let setting = Setting::new(name);
        let mut demo = setting.running();
        assert_eq!(setting.listening(), setting.ports, "{name}");
        signal(&demo, name);
        assert_eq!(demo.wait().unwrap().code(), code, "{name}");
        setting.wait_until_all_is_gone();
    }
}

#[test]
fn a_wrong_file_is_told_and_nothing_is_started() {
    let setting = Setting::new("wrong");
    std::fs::write(setting.directory.join("demo.yaml"), "frontend: {}\n").unwrap();
    let output = setting.demo().output().unwrap();
    assert_eq!(output.status.code(), Some(64), "{}", text(&output));
    assert!(text(&output).contains("frontends"), "{}", text(&output));
}
