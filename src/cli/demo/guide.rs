//! What the demo prints: who runs where, and lines to paste.

use std::fmt::Write;
use std::path::Path;

use super::plan::{DEMO_KEY, Plan, Provider, TRIAL_KEY};
use super::stage::{Death, Stage, mock_arguments};

/// Names, addresses and process ids.
pub fn running(plan: &Plan, stage: &Stage) -> String {
    let mut text = String::from("\n");
    let mut line = |what: &str, place: String, pid: Option<u32>| {
        let pid = pid.map(|pid| format!("pid {pid}")).unwrap_or_default();
        // Writing to a String cannot fail.
        let line = format!("  {what:<12}{place:<40}{pid}");
        let _ = writeln!(text, "{}", line.trim_end());
    };
    line("tidegate", plan.url(), stage.balancer_pid());
    if let Some(plain) = plan.plain {
        line("", format!("http://localhost:{} redirects there", plain.port()), None);
    }
    for (index, provider) in plan.providers.iter().enumerate() {
        line(&provider.name, format!("http://{}{}", provider.address, provider.base_path), stage.pid(index));
    }
    line("stats page", format!("http://{}/stats", plan.admin), None);
    line("metrics", format!("http://{}/metrics", plan.admin), None);
    if let Some(path) = &plan.access_log {
        line("access log", path.display().to_string(), None);
    }
    text
}

/// Commands for another terminal in the same directory.
pub fn to_paste(plan: &Plan, stage: &Stage) -> String {
    let (ca, url) = (plan.ca.display(), plan.url());
    let curl = format!("curl --cacert {ca} -H 'authorization: Bearer {DEMO_KEY}'");
    let body = |more: &str| {
        format!(r#"--json '{{"model":"gpt-4.1",{more}"messages":[{{"role":"user","content":"Hello"}}]}}'"#)
    };
    let (plain, stream) = (body(""), body(r#""stream":true,"stream_options":{"include_usage":true},"#));
    let mut text = format!(
        "To paste in another terminal, in this directory:\n
# a chat over TLS, and as a stream
{curl} {url}/chat/completions {plain}
{curl} -N {url}/chat/completions {stream}

# who answers: each provider in turn
for i in 1 2 3 4 5 6; do {curl} -s -o /dev/null -D - {url}/models | grep -i x-mock-server; done
"
    );
    if plan.knows(TRIAL_KEY) {
        let _ = write!(
            text,
            "
# a rate limit: this client may ask five times a minute
for i in 1 2 3 4 5 6 7; do curl --cacert {ca} -s -o /dev/null -w '%{{http_code}}\\n' \
-H 'authorization: Bearer {TRIAL_KEY}' {url}/models; done
"
        );
    }
    // Not the first: it may be the one that answered last.
    let victim = plan.providers.iter().enumerate().nth(1).or(plan.providers.iter().enumerate().next());
    if let Some((index, provider)) = victim {
        let (name, faults) = (&provider.name, format!("http://{}/mock/faults", provider.address));
        let pid = stage.pid(index).unwrap_or_default();
        let _ = write!(
            text,
            "
# make {name} fail, slow its streams down, make it well again; kill it, revive it
curl {faults} --json '{{\"status\":503}}'
curl {faults} --json '{{\"chunk_delay_ms\":300}}'
curl -X DELETE {faults}
kill -9 {pid}
{}
",
            revival(provider)
        );
    }
    let _ = write!(
        text,
        "
# the official SDK, unchanged but for its base_url (the first line installs it, once)
scripts/make-venv.sh target/venv
SSL_CERT_FILE={ca} target/venv/bin/python -c '
from openai import OpenAI
client = OpenAI(base_url=\"{url}\", api_key=\"{DEMO_KEY}\")
for event in client.chat.completions.create(model=\"gpt-4.1\", stream=True,
        messages=[{{\"role\": \"user\", \"content\": \"Hello\"}}]):
    print(event.choices[0].delta.content or \"\", end=\"\", flush=True)
print()'

Ctrl-C ends everything."
    );
    text
}

/// A provider has died and stays dead.
pub fn obituary(plan: &Plan, death: &Death) -> String {
    let Some(provider) = plan.providers.get(death.index) else { return String::new() };
    let Death { pid, how, .. } = death;
    format!(
        "{} (pid {pid}) is dead: {how}. Revive it in another terminal: {}",
        provider.name,
        revival(provider)
    )
}

fn revival(provider: &Provider) -> String {
    format!("{} {}", program(), mock_arguments(provider).join(" "))
}

/// This program as one types it: relative where it lies below this directory.
fn program() -> String {
    let here = std::env::current_dir().unwrap_or_default();
    let path = std::env::current_exe().unwrap_or_else(|_| Path::new("tidegate").to_path_buf());
    path.strip_prefix(&here).unwrap_or(&path).display().to_string()
}
