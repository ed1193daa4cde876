//! The processes of the demo: started, watched, killed, revived, and ended without exception.

use std::path::PathBuf;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use anyhow::{Context, bail};
use futures::StreamExt;
use futures::stream::FuturesUnordered;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::process::{Child, ChildStdin, Command};

use super::plan::{Plan, Provider};

/// How long a provider may take to listen, the balancer to be ready, and either to end by itself.
const PROVIDER_START: Duration = Duration::from_secs(5);
const BALANCER_START: Duration = Duration::from_secs(20);
const END: Duration = Duration::from_secs(3);
const POLL: Duration = Duration::from_millis(50);

pub struct Stage {
    program: PathBuf,
    /// In the order of the plan; `None` once it has died.
    providers: Vec<Option<Actor>>,
    balancer: Option<Actor>,
}

struct Actor {
    child: Child,
    pid: u32,
    /// Ends the child when it is dropped, also by the death of this process.
    leash: Option<ChildStdin>,
}

impl Stage {
    /// Nothing runs yet.
    pub fn new(plan: &Plan) -> anyhow::Result<Stage> {
        let program = std::env::current_exe().context("cannot find the program itself")?;
        Ok(Stage { program, providers: plan.providers.iter().map(|_| None).collect(), balancer: None })
    }

    /// Returns when the balancer is ready for traffic.
    pub async fn start(&mut self, plan: &Plan) -> anyhow::Result<()> {
        for index in 0..plan.providers.len() {
            self.revive(plan, index).await?;
        }
        let state = &plan.state_dir;
        std::fs::create_dir_all(state).with_context(|| format!("cannot make {}", state.display()))?;
        let mut command = Command::new(&self.program);
        command.arg("run").arg("-c").arg(&plan.config).arg("--exit-with-stdin");
        let balancer = self.balancer.insert(Actor::spawn(command.stdout(Stdio::inherit()))?);
        tokio::select! {
            status = balancer.child.wait() => {
                bail!("the balancer ended before it was ready ({}); what it said is above", ending(status))
            }
            ready = tokio::time::timeout(BALANCER_START, until_ready(plan)) => ready.with_context(|| {
                format!("the balancer's http://{}/ready did not answer 200 within {BALANCER_START:?}", plan.admin)
            }),
        }
    }

    /// Starts the provider and returns when it listens.
    pub async fn revive(&mut self, plan: &Plan, index: usize) -> anyhow::Result<()> {
        let (Some(provider), Some(place)) = (plan.providers.get(index), self.providers.get_mut(index)) else {
            return Ok(());
        };
        let mut command = Command::new(&self.program);
        command.args(mock_arguments(provider)).arg("--exit-with-stdin").stdout(Stdio::piped());
        let mut actor = Actor::spawn(&mut command)?;
        let mut line = String::new();
        if let Some(out) = actor.child.stdout.take() {
            let first = tokio::time::timeout(PROVIDER_START, BufReader::new(out).read_line(&mut line)).await;
            first.with_context(|| format!("mock provider {} said nothing", provider.name))??;
        }
        if !line.contains("listening on") {
            bail!("mock provider {} did not start; what it said is above", provider.name);
        }
        *place = Some(actor);
        Ok(())
    }

    /// Kills the provider (SIGKILL) and returns its pid; `None` if it was dead already.
    pub async fn kill(&mut self, index: usize) -> std::io::Result<Option<u32>> {
        let Some(mut actor) = self.providers.get_mut(index).and_then(Option::take) else { return Ok(None) };
        actor.child.kill().await?;
        Ok(Some(actor.pid))
    }

    pub fn pid(&self, index: usize) -> Option<u32> {
        self.providers.get(index)?.as_ref().map(|actor| actor.pid)
    }

    pub fn balancer_pid(&self) -> Option<u32> {
        self.balancer.as_ref().map(|actor| actor.pid)
    }

    /// Waits for a provider to die and says which; an error when the balancer does.
    pub async fn next_death(&mut self) -> anyhow::Result<Death> {
        let Some(balancer) = self.balancer.as_mut() else { bail!("the balancer does not run") };
        let living = self.providers.iter_mut().enumerate();
        let living = living.filter_map(|(index, place)| Some((index, place.as_mut()?)));
        let mut deaths: FuturesUnordered<_> = living
            .map(|(index, actor)| async move {
                let status = actor.child.wait().await;
                Death { index, pid: actor.pid, how: ending(status) }
            })
            .collect();
        let death = tokio::select! {
            status = balancer.child.wait() => {
                bail!("the balancer ended ({}); what it said is above", ending(status))
            }
            // With no provider left there is only the balancer to wait for.
            Some(death) = deaths.next() => death,
        };
        drop(deaths);
        if let Some(place) = self.providers.get_mut(death.index) {
            *place = None;
        }
        Ok(death)
    }

    /// Ends every process and waits for it: first by its leash, then by SIGKILL. The balancer goes first, so that no
    /// request fails on a provider that is gone.
    pub async fn end(&mut self) {
        if let Some(mut balancer) = self.balancer.take() {
            balancer.end().await;
        }
        for place in &mut self.providers {
            if let Some(mut provider) = place.take() {
                provider.end().await;
            }
        }
    }
}

pub struct Death {
    pub index: usize,
    pub pid: u32,
    pub how: String,
}

impl Actor {
    fn spawn(command: &mut Command) -> anyhow::Result<Actor> {
        // In a group of its own: Ctrl-C reaches the demo alone, which then ends its children in order.
        command.stdin(Stdio::piped()).process_group(0).kill_on_drop(true);
        let mut child = command.spawn().context("cannot start another process of this program")?;
        let leash = child.stdin.take();
        Ok(Actor { pid: child.id().unwrap_or_default(), child, leash })
    }

    async fn end(&mut self) {
        drop(self.leash.take());
        if tokio::time::timeout(END, self.child.wait()).await.is_err() {
            // An error means that it has ended meanwhile.
            let _ = self.child.kill().await;
        }
    }
}

/// The arguments that make `tidegate` this provider.
pub fn mock_arguments(provider: &Provider) -> Vec<String> {
    let mut arguments = vec!["mock".into(), "--listen".into(), provider.address.to_string()];
    arguments.extend(["--name".into(), provider.name.clone()]);
    if provider.base_path != "/v1" {
        arguments.push(format!("--base-path={}", provider.base_path));
    }
    if let Some(key) = &provider.api_key {
        arguments.extend(["--api-key".into(), key.expose().to_owned()]);
    }
    arguments
}

async fn until_ready(plan: &Plan) {
    while !matches!(ready(plan).await, Ok(true)) {
        tokio::time::sleep(POLL).await;
    }
}

async fn ready(plan: &Plan) -> std::io::Result<bool> {
    let mut stream = TcpStream::connect(plan.admin).await?;
    let request = format!("GET /ready HTTP/1.1\r\nhost: {}\r\nconnection: close\r\n\r\n", plan.admin);
    stream.write_all(request.as_bytes()).await?;
    let mut status_line = [0; 13];
    stream.read_exact(&mut status_line).await?;
    Ok(&status_line == b"HTTP/1.1 200 ")
}

fn ending(status: std::io::Result<ExitStatus>) -> String {
    status.map_or_else(|e| e.to_string(), |status| status.to_string())
}
