//! Orders to the running instance as an operator gives them: a command of the binary, a line on the socket.

use std::path::PathBuf;
use std::process::{Command, Stdio};

use super::edge::Edge;

/// How a command of the binary ended.
#[derive(Debug)]
pub struct Told {
    pub code: i32,
    pub out: String,
    pub complaint: String,
}

impl Told {
    /// Its exit code is 0; what it printed.
    #[track_caller]
    pub fn good(&self) -> &str {
        assert_eq!(self.code, 0, "{self:?}");
        &self.out
    }

    /// Its exit code is 1; what it printed.
    #[track_caller]
    pub fn refused(&self) -> &str {
        assert_eq!(self.code, 1, "{self:?}");
        &self.out
    }
}

/// Runs the binary to its end, without a proxy that the environment may name.
#[track_caller]
pub fn tidegate(arguments: &[&str]) -> Told {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tidegate"));
    command.args(arguments).env_remove("RUST_LOG").env("NO_PROXY", "*").stdin(Stdio::null());
    let output = command.output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    Told {
        code: output.status.code().unwrap_or(-1),
        out: text(&output.stdout),
        complaint: text(&output.stderr),
    }
}

impl Edge {
    /// A command of the binary to this instance, by the path of its socket.
    #[track_caller]
    pub fn tells(&self, arguments: &[&str]) -> Told {
        let socket = self.socket();
        tidegate(&[arguments, &["--socket", socket.to_str().unwrap()]].concat())
    }

    /// An order on the socket: whether it was carried out, and what was said of it.
    #[track_caller]
    pub fn order(&self, line: &str) -> (bool, String) {
        let answer = self.command(line);
        let (success, text) = answer.split_once("\n--\n").unwrap_or_else(|| panic!("no order: {answer}"));
        let done = match success {
            "Success=1" => true,
            "Success=0" => false,
            other => panic!("neither done nor refused: {other}"),
        };
        (done, text.trim_end().to_owned())
    }

    /// An order on the socket that is carried out; what was said of it.
    #[track_caller]
    pub fn obeys(&self, line: &str) -> String {
        let (done, text) = self.order(line);
        assert!(done, "{line}: {text}");
        text
    }

    /// An order on the socket that is refused; why.
    #[track_caller]
    pub fn refuses(&self, line: &str) -> String {
        let (done, text) = self.order(line);
        assert!(!done, "{line}: {text}");
        text
    }

    /// The numbers of the history, the newest first.
    #[track_caller]
    pub fn numbers(&self) -> Vec<u64> {
        let number = |line: &str| line.split(' ').next().and_then(|word| word.parse().ok());
        let text = self.command("show history");
        let lines = text.lines().filter(|line| !line.starts_with('#') && !line.is_empty());
        lines.map(|line| number(line).unwrap_or_else(|| panic!("no number: {line}"))).collect()
    }

    pub fn file(&self) -> PathBuf {
        self.directory.path().join("tidegate.yaml")
    }

    /// What the file has now.
    #[track_caller]
    pub fn text(&self) -> String {
        std::fs::read_to_string(self.file()).unwrap()
    }

    /// Changes the file, in one step; nobody is told.
    #[track_caller]
    pub fn writes(&self, text: impl AsRef<[u8]>) {
        let new = self.directory.path().join("tidegate.yaml.edited");
        std::fs::write(&new, text).unwrap();
        std::fs::rename(&new, self.file()).unwrap();
    }
}
