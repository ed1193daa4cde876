//! What is logged, where, and how.

use std::fmt;
use std::path::PathBuf;

use crate::base::log_format::Part;

#[derive(Clone, Debug)]
pub struct Log {
    pub level: ::log::LevelFilter,
    pub access: AccessLog,
}

#[derive(Clone, Debug, PartialEq)]
pub struct AccessLog {
    pub to: AccessLogTarget,
    pub format: AccessLogFormat,
    /// Share of successes that is logged: 0.0 to 1.0.
    pub sample: f64,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AccessLogTarget {
    Stdout,
    Off,
    File(PathBuf),
    Syslog { to: SyslogAddress, facility: Facility },
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AccessLogFormat {
    Json,
    HttpLog,
    /// Some part of it is a field.
    Custom(Vec<Part>),
}

/// Where a syslog daemon listens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SyslogAddress {
    /// A datagram socket, or a stream.
    Unix(PathBuf),
    Udp {
        host: String,
        port: u16,
    },
}

impl fmt::Display for SyslogAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            SyslogAddress::Unix(path) => write!(f, "unix:{}", path.display()),
            SyslogAddress::Udp { host, port } if host.contains(':') => write!(f, "udp:[{host}]:{port}"),
            SyslogAddress::Udp { host, port } => write!(f, "udp:{host}:{port}"),
        }
    }
}

/// RFC 5424, table 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Facility(pub u8);
