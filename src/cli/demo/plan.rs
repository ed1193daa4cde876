//! Who plays in the demo and where, read from the configuration that the balancer will run with.

use std::io::ErrorKind;
use std::net::{IpAddr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use sha2::{Digest, Sha256};

use crate::base::secret::Secret;
use crate::config::checked::{AccessLogTarget, BindAddress, Checked, Host, Server};

/// The clients' keys in `conf/demo.yaml`. The checked configuration only has their digests.
pub const DEMO_KEY: &str = "demo-key";
pub const TRIAL_KEY: &str = "trial-key";
pub const TRAFFIC_KEY: &str = "traffic-key";

pub struct Plan {
    pub config: PathBuf,
    pub ca: PathBuf,
    pub state_dir: PathBuf,
    pub access_log: Option<PathBuf>,
    pub admin: SocketAddr,
    /// Where clients go.
    pub edge: SocketAddr,
    /// The listener that redirects them there.
    pub plain: Option<SocketAddr>,
    pub providers: Vec<Provider>,
    key_digests: Vec<[u8; 32]>,
}

pub struct Provider {
    pub name: String,
    pub address: SocketAddr,
    /// Begins with `/`, or is empty.
    pub base_path: String,
    pub api_key: Option<Secret>,
}

impl Plan {
    /// `None`: the configuration is wrong, and all that is wrong with it stands on standard error.
    pub fn load(config: &Path, ca: &Path) -> anyhow::Result<Option<Plan>> {
        if !ca.is_file() {
            bail!("there is no {}: make the development certificates with certs/make.sh", ca.display());
        }
        let checked = match crate::config::load(config) {
            Ok(checked) => checked,
            Err(wrong) => {
                use std::io::Write;
                write!(std::io::stderr().lock(), "{wrong}")?;
                return Ok(None);
            }
        };
        Plan::from_checked(&checked, ca).map(Some).with_context(|| config.display().to_string())
    }

    fn from_checked(checked: &Checked, ca: &Path) -> anyhow::Result<Plan> {
        let bind = |tls: bool| {
            let mut binds = checked.listeners().filter(|(_, bind)| bind.tls.is_some() == tls);
            binds.find_map(|(_, bind)| match bind.address {
                BindAddress::Tcp(address) => Some(address),
                BindAddress::Unix(_) | BindAddress::Fd(_) => None,
            })
        };
        let servers = checked.backends.iter().flat_map(|backend| &backend.servers);
        let access_log = match &checked.log.access.to {
            AccessLogTarget::File(path) => Some(path.clone()),
            _ => None,
        };
        Ok(Plan {
            config: checked.file.clone(),
            ca: ca.to_path_buf(),
            state_dir: checked.global.state_dir.clone(),
            access_log,
            admin: checked.admin.listen.context("the demo needs admin.listen, to see when all is ready")?,
            edge: bind(true).context("the demo needs a frontend with TLS")?,
            plain: bind(false),
            providers: servers.map(provider).collect::<anyhow::Result<_>>()?,
            key_digests: checked.clients.keys.iter().map(|key| key.digest).collect(),
        })
    }

    /// Whether the balancer will know this client's key.
    pub fn knows(&self, key: &str) -> bool {
        let digest: [u8; 32] = Sha256::digest(key).into();
        self.key_digests.contains(&digest)
    }

    /// The base URL for clients. The name is in the certificate.
    pub fn url(&self) -> String {
        format!("https://localhost:{}/v1", self.edge.port())
    }

    /// Everything this demo will listen on must be free: nothing is started when anything is not.
    pub fn require_free_ports(&self) -> anyhow::Result<()> {
        let mut wanted = vec![(self.edge, "the balancer, TLS".to_owned())];
        wanted.extend(self.plain.map(|address| (address, "the balancer, HTTP".to_owned())));
        wanted.push((self.admin, "stats and metrics".to_owned()));
        wanted.extend(self.providers.iter().map(|p| (p.address, format!("mock provider {}", p.name))));
        let mut taken = Vec::new();
        for (address, whose) in wanted {
            match TcpListener::bind(address) {
                Ok(_) => {}
                Err(e) if e.kind() == ErrorKind::AddrInUse => taken.push(format!(
                    "{address} ({whose}) is taken. Who has it: ss -ltnp 'sport = :{}'",
                    address.port()
                )),
                Err(e) => taken.push(format!("{address} ({whose}) cannot be used: {e}")),
            }
        }
        if taken.is_empty() {
            return Ok(());
        }
        bail!(
            "nothing was started.\n  {}\nStop what is there, or copy {} with other ports and run: tidegate demo -c COPY",
            taken.join("\n  "),
            self.config.display()
        );
    }
}

fn provider(server: &Server) -> anyhow::Result<Provider> {
    let ip = match &server.url.host {
        Host::Ip(ip) if ip.is_loopback() => *ip,
        Host::Name(name) if name == "localhost" => IpAddr::from([127, 0, 0, 1]),
        _ => bail!(
            "server {}: the demo's providers run on this machine; its url must be 127.0.0.1",
            server.name
        ),
    };
    if server.url.tls {
        bail!(
            "server {}: the demo's providers speak plain HTTP; its url must begin with http://",
            server.name
        );
    }
    Ok(Provider {
        name: server.name.clone(),
        address: SocketAddr::new(ip, server.url.port),
        base_path: server.url.base_path.clone().unwrap_or_default(),
        api_key: server.api_key.clone(),
    })
}
