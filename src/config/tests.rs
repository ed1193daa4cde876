//! Tests of the whole door: text in, [`Checked`] or diagnostics out.

mod ai;
mod alerts;
mod edge;
mod money;
mod pools;

use std::path::Path;
use std::time::Duration;

use super::checked::*;
use super::load_text;
use super::source::Environment;

/// No variables but `KEY`; one bundle of PEM, whatever its path.
struct Fixed;

const PEM: &str = include_str!("../../certs/localhost.pem");

impl Environment for Fixed {
    fn variable(&self, name: &str) -> Option<String> {
        (name == "KEY").then(|| "sk-resolved".to_owned())
    }

    fn file(&self, path: &Path) -> std::io::Result<Vec<u8>> {
        match path.extension().and_then(|e| e.to_str()) {
            Some("pem") => Ok(PEM.as_bytes().to_vec()),
            Some("json") => Ok(b"{}".to_vec()),
            _ => Err(std::io::ErrorKind::NotFound.into()),
        }
    }
}

fn load(text: &str) -> Checked {
    load_text(Path::new("test.yaml"), text, &Fixed).unwrap_or_else(|d| panic!("{d}"))
}

fn wrong(text: &str) -> String {
    match load_text(Path::new("test.yaml"), text, &Fixed) {
        Ok(_) => panic!("no error"),
        Err(d) => d.to_string(),
    }
}

const SMALL: &str = "
frontends: {f: {bind: [{address: 127.0.0.1:0}], default_backend: b}}
backends: {b: {servers: {s: {url: http://127.0.0.1:9001/v1}}}}
";

/// [`SMALL`] with more keys in its backend and further sections.
fn small(backend: &str, rest: &str) -> String {
    SMALL.replace("{servers:", &format!("{{{backend}servers:")) + rest
}

#[test]
fn what_is_left_out_has_its_default() {
    let c = load(SMALL);
    assert_eq!(c.warnings.to_string(), "");
    assert_eq!(c.global.threads, Threads::Auto);
    assert_eq!(c.admin.listen, Some("127.0.0.1:8404".parse().unwrap()));
    assert_eq!(c.admin.socket.as_deref(), Some(Path::new("./state/admin.sock")));
    assert!(c.admin.token.is_none() && c.clients.keys.is_empty());
    assert_eq!(c.clients.mode, ClientMode::Passthrough);
    let f = &c.frontends[0];
    assert_eq!((f.default_backend, f.max_connections, f.max_request_body), (Some(0), 10_000, 32_000_000));
    assert_eq!(f.forwarded_for, Some(ForwardedFor::default()));
    let b = &c.backends[0];
    assert_eq!((b.retry.attempts, b.retry.budget, b.queue_max), (3, 0.2, 1000));
    assert_eq!(b.retry.when.statuses, [429, 500, 502, 503, 504, 529]);
    assert!(b.check.is_none() && b.own_total.is_none() && b.own_max_request_body.is_none());
    assert_eq!((b.servers[0].weight, b.servers[0].tier), (100, 1));
}

#[test]
fn timeouts_come_from_the_nearest_place() {
    let text =
        small("timeouts: {connect: 1s, total: 2m}, ", "defaults: {timeouts: {connect: 3s, client: 4s}}\n")
            .replace("default_backend", "timeouts: {client: 7s}, default_backend");
    let c = load(&text);
    assert_eq!(c.frontends[0].timeouts.client, Duration::from_secs(7));
    assert_eq!(c.frontends[0].timeouts.connect, Duration::from_secs(3));
    assert_eq!(c.backends[0].timeouts.connect, Duration::from_secs(1));
    assert_eq!(c.backends[0].own_total, Some(Duration::from_secs(120)));
    assert_eq!(c.timeouts.client, Duration::from_secs(4));
}

#[test]
fn resolved_secrets_are_seen_nowhere() {
    let text = SMALL.replace("url:", "api_key: \"${KEY}\", url:")
        + "clients: {keys: [{name: a, key: \"${KEY}\"}]}\nadmin: {token: \"${KEY}\"}\n";
    let c = load(&text);
    assert_eq!(c.backends[0].servers[0].api_key.as_ref().map(|k| k.expose()), Some("sk-resolved"));
    let dump = format!("{c:?}{:?}{:?}{:?}{:?}", c.backends, c.clients, c.admin, c.frontends);
    assert!(!dump.contains("sk-resolved"), "{dump}");
    for bad in
        ["weight: \"${KEY}\"", "tier: \"${KEY}\"", "max_concurrent: \"${KEY}\"", "tls: {sni: \"${KEY} \"}"]
    {
        let message = wrong(&SMALL.replace("{url:", &format!("{{{bad}, url:")));
        assert!(message.contains("${KEY") && !message.contains("sk-resolved"), "{message}");
    }
}

#[test]
fn secrets_in_the_file_are_masked_in_the_lines_shown() {
    let text = small("", "clients: {keys: [{name: a, key: sk-in-the-file, plna: x}], mode: requird}\n");
    let message = wrong(&text);
    assert!(message.contains("key: ***, plna: x") && !message.contains("sk-in"), "{message}");
    let message = wrong(&(text.clone() + "broken: [\n"));
    assert!(!message.contains("sk-in"), "{message}");
    let message = wrong("clients: {keys: [{name: a, key: \"sk-in-the-file\" x}]}\n");
    assert!(message.contains("not valid YAML") && !message.contains("sk-in"), "{message}");
}

#[test]
fn indices_lead_to_what_was_named() {
    let text = "
tables: {t: {key: src, expire: 10s, counters: [conn_cur, http_req_rate(10s)]}}
acls: {x: {table: t, counter: http_req_rate, above: 5}, y: {plan: p}, z: {api_key: k}}
plans: {o: {}, p: {concurrent: 1}}
clients: {keys: [{name: j, key: a, plan: o}, {name: k, key: b, plan: p}]}
frontends: {f: {bind: [{address: 127.0.0.1:0}], default_backend: b, rules: [
  {track: t}, {use_backend: c, if: x and not (y or z)}]}}
backends: {b: {servers: {s: {url: http://h}}}, c: {servers: {s: {url: http://h}}}}
";
    let c = load(text);
    assert_eq!(c.acls[0].test, Test::Above { table: 0, counter: 1, above: 5 });
    assert_eq!(c.acls[1].test, Test::Plan(vec![1]));
    assert_eq!(c.acls[2].test, Test::ApiKey(vec![1]));
    assert_eq!(c.clients.keys[1].plan, Some(1));
    assert!(matches!(c.frontends[0].rules[1].action, Action::UseBackend(1)));
    assert_eq!(c.frontends[0].rules[1].line, 7);
    assert_eq!(c.warnings.to_string(), "");
}

/// Uses every key that there is.
const EVERYTHING: &str = r#"
global: {threads: 2, max_connections: 5, shutdown_grace: 1s, state_dir: ./s, max_body_memory: 1m}
admin: {listen: off, socket: off, token: "${NOPE:-}", allow_changes_from: [127.0.0.1, "fd00::/8"]}
log: {level: warn, access: {to: {syslog: "udp:127.0.0.1:514", facility: local0}, format: httplog, sample: 10%}}
defaults:
  timeouts: {request_head: 1s, client: 1s, keep_alive: 1s, connect: 1s, queue: 1s, first_byte: 1s, server: 1s, total: 1s, tunnel: 1s}
  max_request_body: 1k
tables: {t: {key: src, size: 1k, expire: 10s, counters: [http_req_rate(10s), http_req_cnt, http_err_rate(10s), conn_cur, gpc0_rate(5s), gpc1, gpt0, tokens_rate(5s), tokens_cnt, cost_rate(5s)]}}
acls:
  a: {path: /a, ignore_case: true}
  b: {path_beg: [/a, /b]}
  c: {path_end: .js}
  d: {path_reg: "^/v[0-9]+/"}
  e: {method: [GET, POST]}
  f: {host: Api.Example.com}
  g: {header: X-A, value: [b, c]}
  h: {query: q, present: true}
  i: {src: [10.0.0.0/8, "::1"]}
  j: {api_key: k}
  k: {plan: p}
  l: {tls: true}
  m: {always: true}
  n: {table: t, counter: conn_cur, above: 0}
  o: {client_cn: x}
  p: {client_dn: "CN=x,O=y"}
  q: {status: [404, 5xx, 200-204]}
  r: {header: x-a, value_beg: b}
  s: {header: x-a, value_end: b, ignore_case: true}
  t: {query: q, value_reg: "^b"}
  u: {model: [FAST, g*]}
  v: {task: code}
frontends:
  f:
    bind: [{address: "[::1]:0", accept_proxy: false, tls: {certificates: a.pem, min_version: "1.3", ciphers: default, alpn: h2, client_ca: a.pem, client_verify: optional}},
           {address: "unix:./x.sock", accept_proxy: true}, {address: fd@3}]
    max_connections: 3
    forwarded_for: {except: [127.0.0.1], trust: [10.0.0.0/8]}
    monitor: /health
    timeouts: {request_head: 2s, client: 2s, keep_alive: 2s, total: 2s}
    max_request_body: 2k
    default_backend: b
    error_bodies: {503: e.json}
    connection_rules:
      - {track: t}
      - {raise: {table: t, counter: gpc0}}
      - {set_gpt0: {table: t, value: 1}, if: l}
      - {reject: true, if: n}
      - {silent_drop: true, if: i}
      - {accept: true, if: m}
    response_rules:
      - {set_header: {x-a: "%[status] %%[x]"}, if: q}
      - {add_header: {x-a: b}}
      - {remove_header: server}
    rules:
      - {track: t}
      - {deny: {status: 429}, if: a or b or c or d or e or f or g or h or i or j or k or l or n or o or p or r or s or t or u or v}
      - {delay: 1ms}
      - {redirect: {scheme: https, host: h, port: 1, status: 308}, if: a}
      - {redirect: {location: "https://h/x"}, if: a}
      - {set_header: {x-a: b}}
      - {add_header: {x-a: "%[src]-%[header(x-b)]"}}
      - {tarpit: {for: 5s, status: 429}, if: a}
      - {silent_drop: true, if: a}
      - {rewrite_path: {prefix: /a, to: /b}}
      - {rewrite_path: {regex: "^/v1/(.*)", to: "/v2/$1"}}
      - {raise: {table: t, counter: gpc1}}
      - {set_gpt0: {table: t, value: 7}}
      - {remove_header: x-b}
      - {return: {status: 201, content_type: a/b, body: x}, if: a}
      - {use_backend: b}
clients: {mode: optional, keys: [{name: k, key: x, plan: p, budget: {usd: 1}}, {name: l, key_sha256: "0000000000000000000000000000000000000000000000000000000000000000"}]}
plans: {p: {requests_per_minute: 1, tokens_per_minute: 1, concurrent: 1, priority: high, models: [g, fast], enforce: in_stream, budget: {usd: 1, per: day, alert_at: 1%}, total_budget: {usd: 5, per: month, alert_at: 1%}}}
ai:
  default_model: fast
  models: {g: {input: 1.5, output: 0.000001, cached_input: 0, fallback: [d]}, d: {input: 0, output: 0}}
  aliases: {fast: d}
  tasks: {code: {model: g, keywords: ["def "], fallback: fast}}
  budget: {usd: 9, per: day, alert_at: 1%}
  cost_header: true
  ledger: {keep_calls: 1d, keep_totals: 31d}
alerts:
  - {webhook: "https://h/x?y", format: slack, events: [latency_p95 > 1s], backends: [b, c], every: 1s}
  - {format: pagerduty, routing_key: "${KEY}"}
backends:
  b:
    balance: hash(header(x-a))
    retry: {attempts: 1, when: [timeout, 599], backoff: 0..1s, budget: 0%}
    check: {http: {method: POST, path: /x?y, headers: {a: b}, body: x, expect: {status: [200-204, 404], header: {a: b, c: {contains: d}, e: {regex: f}, g: {present: true}}, body: {json: {$.a: 1, $.b: {regex: c}, $.d: {present: true}}}}}, interval: 1s, jitter: 1%, fast_interval: 1s, down_interval: 1s, timeout: 1s, rise: 1, fall: 1, slow_above: 1ms, down_above: 2ms}
    tiers: {help_below: 50%}
    breaker: {failures: 1, open_for: 1s, trial_requests: 1}
    eject: {error_rate: 1%, over: 1, for: 1s, up_to: 1s, max_ejected: 100%}
    cooldown: {default: 1s, up_to: 1s}
    hedge: {quantile: 99.9%, at_least: 1ms, budget: 1%}
    connections: {idle_timeout: 1s, max_idle: 0}
    queue: {max: 0}
    timeouts: {connect: 3s, queue: 3s, first_byte: 3s, first_content: 3s, server: 3s, total: 3s, tunnel: 3s}
    max_request_body: 3k
    servers: {s: {url: "https://h", api_key: x, auth: x-api-key, models: {g: G}, tier: 2, weight: 0, max_concurrent: 1, send_proxy: true, slow_start: 1s, tls: {ca_file: a.pem, verify: true, sni: n, alpn: http/1.1}},
              t: {url: "https://h"}}
  c:
    check: {chat: {model: m, max_tokens: 1, prompt: p}}
    servers: {s: {url: "https://h"}}
  d:
    check: {tcp: {}}
    servers: {s: {url: "https://h"}}
"#;

#[test]
fn every_known_key_is_read() {
    let c = load(EVERYTHING);
    assert_eq!(c.admin.listen, None);
    let CheckKind::Http(http) = &c.backends[0].check.as_ref().unwrap().kind else { panic!() };
    assert_eq!(http.expect.status, [200, 201, 202, 203, 204, 404]);
    assert_eq!(c.backends[0].own_max_request_body, Some(3000));
    assert_eq!(c.acls[5].test, Test::Host(vec!["api.example.com".into()]));
    assert_eq!(c.frontends[0].binds[0].tls.as_ref().unwrap().alpn, [Alpn::H2]);
    let root = super::tree::parse(EVERYTHING).unwrap().root;
    let context = super::context::Context::new(&Fixed, &[]);
    assert!(super::section::read(&context, &root).is_some());
    let asked = context.asked.borrow();
    for keys in super::keys() {
        for key in keys.known {
            assert!(asked.contains(&(keys.path, (*key).to_owned())), "{}.{key} is never read", keys.path);
        }
    }
}

#[test]
fn every_key_not_implemented_says_so() {
    for keys in super::keys() {
        for key in keys.not_yet {
            assert!(!keys.known.contains(key), "{}.{key} is known and unknown", keys.path);
        }
    }
    let message = wrong(&small("", "shared_limits: []\npeers: {}\n"));
    assert!(
        message.contains("`peers` in the file is not implemented yet") && message.contains("2 errors"),
        "{message}"
    );
}

proptest::proptest! {
    /// Whatever a typing mistake does to a file, the answer is a list of diagnostics or a good configuration.
    #[test]
    fn a_damaged_file_never_panics(at in 0..EVERYTHING.len(), with in "[ -~\n\t]{0,3}", cut in 0usize..6) {
        let mut text = EVERYTHING.to_owned();
        text.replace_range(at..(at + cut).min(text.len()), &with);
        if let Err(d) = load_text(Path::new("x"), &text, &Fixed) {
            proptest::prop_assert!(d.errors() > 0 && !d.to_string().is_empty());
        }
    }
}

#[test]
fn a_file_with_mistakes_still_says_where_its_instance_listens() {
    let path = std::env::temp_dir().join(format!("tidegate-likely-socket-{}.yaml", std::process::id()));
    let likely = |text: &str| {
        std::fs::write(&path, text).unwrap();
        super::likely_socket(&path).map(|socket| socket.display().to_string())
    };
    assert_eq!(likely("fronteds: {}").as_deref(), Some("./state/admin.sock"));
    assert_eq!(likely("global: {state_dir: /run/t, x: 1}").as_deref(), Some("/run/t/admin.sock"));
    assert_eq!(likely("admin: {socket: /run/a.sock}\nx: 1").as_deref(), Some("/run/a.sock"));
    assert_eq!((likely("admin: {socket: off}"), likely("a: [")), (None, None));
    std::fs::remove_file(&path).unwrap();
    assert_eq!(super::likely_socket(&path), None);
}
