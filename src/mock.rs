//! A provider to test against: speaks the part of OpenAI's API that the balancer carries, answers the same to the same
//! request, remembers what reached it, and misbehaves on request. It knows nothing of the balancer.

mod connection;
mod deliver;
mod faults;
mod journal;
mod openai;
mod route;
mod script;
mod tls;

use std::cell::{Cell, RefCell};
use std::future::Future;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::rc::Rc;
use std::time::Duration;

use thiserror::Error;
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

use crate::base::secret::Secret;

pub use faults::{FaultError, Faults, Scope};

/// Rest after a failed accept (usually: no file descriptors left), so that the loop does not spin.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// What a provider is, from its start to its end; only its faults change.
#[derive(Debug)]
pub struct Settings {
    /// Port 0 takes a free one.
    pub listen: SocketAddr,
    pub name: String,
    /// `None` serves everyone.
    pub api_key: Option<Secret>,
    /// Certificate chain and private key in one PEM file; `None` is plain HTTP.
    pub tls_bundle: Option<PathBuf>,
    /// Listed and served; everything else is then 404. Empty: a usual list, and any model is served.
    pub models: Vec<String>,
    /// Where the API starts, without a slash at the end; a provider has it at `/v1`, some deeper.
    pub base_path: String,
    pub faults: Faults,
}

#[derive(Debug, Error)]
pub enum MockError {
    #[error("cannot listen on {address}: {source}; port 0 takes a free one")]
    Listen { address: SocketAddr, source: std::io::Error },
    #[error("certificate bundle {path}: {reason}")]
    Bundle { path: PathBuf, reason: String },
}

/// A provider that listens, but does not answer before [`Mock::serve`].
pub struct Mock {
    listener: TcpListener,
    address: SocketAddr,
    tls: Option<TlsAcceptor>,
    provider: Rc<Provider>,
}

/// What all connections of one provider share. One thread serves them all.
struct Provider {
    name: String,
    api_key: Option<Secret>,
    models: openai::Catalog,
    base_path: String,
    faults: RefCell<faults::Faulty>,
    journal: RefCell<journal::Journal>,
    connections: Cell<u64>,
}

impl Mock {
    /// Loads the certificate and takes the port.
    pub async fn bind(settings: Settings) -> Result<Mock, MockError> {
        let tls = settings.tls_bundle.as_deref().map(tls::acceptor).transpose()?;
        let wanted = settings.listen;
        let failed = |source| MockError::Listen { address: wanted, source };
        let listener = TcpListener::bind(wanted).await.map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        let provider = Provider {
            name: settings.name,
            api_key: settings.api_key,
            models: openai::Catalog::new(settings.models),
            base_path: settings.base_path,
            faults: RefCell::new(faults::Faulty::new(settings.faults)),
            journal: RefCell::default(),
            connections: Cell::new(0),
        };
        Ok(Mock { listener, address, tls, provider: Rc::new(provider) })
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Serves until `stop` is done; what is in flight then is cut. Needs a `tokio::task::LocalSet` around it.
    pub async fn serve(self, stop: impl Future<Output = ()>) {
        tokio::pin!(stop);
        loop {
            let accepted = tokio::select! {
                () = &mut stop => return,
                accepted = self.listener.accept() => accepted,
            };
            match accepted {
                Ok((stream, _)) => {
                    let number = self.provider.connections.get() + 1;
                    self.provider.connections.set(number);
                    let (provider, tls) = (self.provider.clone(), self.tls.clone());
                    tokio::task::spawn_local(connection::run(stream, tls, provider, number));
                }
                Err(_) => tokio::time::sleep(ACCEPT_PAUSE).await,
            }
        }
    }
}
