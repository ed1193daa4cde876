//! The sections of the file, one module each, and the order in which they are read: names before those who refer to
//! them.

mod acls;
mod admin;
mod ai;
mod alerts;
mod backends;
mod balance;
mod bind;
mod body_memory;
mod breaker;
mod budget;
mod check;
mod clients;
mod connections;
mod cooldown;
mod eject;
mod error_bodies;
mod flow;
mod forwarded_for;
mod frontends;
mod global;
mod header_text;
mod headers;
mod hedge;
mod ledger;
mod log;
mod money;
mod names_used;
mod network;
mod off;
mod plans;
mod redirect;
mod retry;
mod rules;
mod server;
mod tables;
mod tiers;
mod timeouts;
mod url;

use super::checked::{Acl, Admin, Ai, Alert, Backend, Clients, Frontend, Global, Log, Plan, Table, Timeouts};
use super::context::Context;
use super::diagnostic::Span;
use super::names::Names;
use super::reader::{Keys, Map};
use super::tree::Node;
use super::value::Value;
use ai::names::ModelNames;

const ROOT: Keys = Keys {
    path: "",
    known: &[
        "global",
        "admin",
        "log",
        "defaults",
        "tables",
        "acls",
        "frontends",
        "clients",
        "plans",
        "ai",
        "backends",
        "alerts",
    ],
    not_yet: &["peers", "shared_limits"],
    elsewhere: &[
        ("servers", "servers stand in their backend: `backends: {NAME: {servers: ...}}`"),
        ("timeouts", "timeouts stand in `defaults`, in a frontend or in a backend"),
        ("models", "they stand in `ai`: `ai: {models: {gpt-4.1: {input: 2.00, output: 8.00}}}`"),
        ("budget", "it stands in `ai`, in a plan or at a client key"),
        ("ledger", "it stands in `ai`: `ai: {ledger: {keep_calls: 31d}}`"),
        ("rules", "rules stand in their frontend: `frontends: {NAME: {rules: ...}}`"),
    ],
};

/// What the sections became.
pub(super) struct Sections {
    pub global: Global,
    pub admin: Admin,
    pub log: Log,
    pub timeouts: Timeouts,
    pub tables: Vec<Table>,
    pub acls: Vec<Acl>,
    pub frontends: Vec<Frontend>,
    pub clients: Clients,
    pub plans: Vec<Plan>,
    pub ai: Ai,
    pub backends: Vec<Backend>,
    pub alerts: Vec<Alert>,
}

/// The names that rules and ACLs refer to.
pub(super) struct Known<'t> {
    pub tables: Names,
    /// In the order of the names; `None` where the table has a mistake.
    pub table_list: &'t [Option<Table>],
    pub plans: Names,
    pub clients: Names,
    pub acls: Names,
    pub backends: Names,
    pub models: ModelNames,
    pub tasks: Names,
}

/// Reads everything, reports everything. What it gives is good only when no error was reported.
pub(super) fn read(context: &Context<'_>, root: &Node) -> Option<Sections> {
    let at = Span { end_line: root.span.line, end_column: root.span.column + 1, ..root.span };
    let root = Map::open(Value::root(context, root, at), &ROOT, "the file")?;
    let named = |section: &'static str| root.get(section).map_or(Some(Vec::new()), |v| v.named());

    let global = global::read(&root);
    let admin = admin::read(&root, &global);
    let log = log::read(&root, &admin);
    let defaults = timeouts::defaults(&root);

    let ai = ai::read(&root);
    let plan_entries = named("plans").unwrap_or_default();
    let plans: Vec<_> = plan_entries.iter().map(|(k, v)| plans::read(&k.text, *v, &ai.models)).collect();
    let plan_names = Names::of("plan", &plan_entries);

    let table_entries = named("tables").unwrap_or_default();
    let tables: Vec<_> = table_entries.iter().map(|(k, v)| tables::read(&k.text, *v, &ai.models)).collect();

    let (clients, client_names) = clients::read(&root, &plan_names, &ai.models);

    let acl_entries = named("acls").unwrap_or_default();
    let backend_entries = names_used::needed(&root, "backends", named("backends"));
    let frontend_entries = names_used::needed(&root, "frontends", named("frontends"));
    let known = Known {
        tables: Names::of("table", &table_entries),
        table_list: &tables,
        plans: plan_names,
        clients: client_names,
        acls: Names::of("acl", &acl_entries),
        backends: Names::of("backend", &backend_entries),
        models: ai.models,
        tasks: ai.tasks,
    };
    let acls: Vec<_> = acl_entries.iter().map(|(k, v)| acls::read(&k.text, k.span, *v, &known)).collect();
    let backends: Vec<_> =
        backend_entries.iter().map(|(k, v)| backends::read(&k.text, *v, &defaults, &known.models)).collect();
    let mut places = bind::Places::new(&admin);
    let around = frontends::Around { known: &known, acls: &acls, defaults: &defaults, global: &global };
    let frontends: Vec<_> =
        frontend_entries.iter().map(|(k, v)| frontends::read(&k.text, *v, &around, &mut places)).collect();
    names_used::warn(context, &known);
    let mut around = alerts::Around { backends: &known.backends, budgets: false, ledger: false };
    if let (Some(ai), Some(clients)) = (&ai.ai, &clients) {
        ai::served::warn(&root, ai, &plans, &backends);
        money::warn(&root, ai, &plans, clients);
        around.budgets = money::is_limited(ai, &plans, clients);
        around.ledger = ai.ledger.is_some();
    }
    let alerts = alerts::read(&root, around);
    body_memory::warn(&root, &global, &frontends, &backends);

    Some(Sections {
        global,
        admin,
        log,
        timeouts: defaults.timeouts,
        tables: tables.into_iter().collect::<Option<_>>()?,
        acls: acls.into_iter().collect::<Option<_>>()?,
        frontends: frontends.into_iter().collect::<Option<_>>()?,
        clients: clients?,
        ai: ai.ai?,
        plans: plans.into_iter().collect::<Option<_>>()?,
        backends: backends.into_iter().collect::<Option<_>>()?,
        alerts: alerts?,
    })
}

pub(super) fn keys() -> Vec<&'static Keys> {
    let sections: [&[&'static Keys]; 18] = [
        &[&ROOT],
        global::KEYS,
        admin::KEYS,
        log::KEYS,
        timeouts::KEYS,
        tables::KEYS,
        acls::KEYS,
        frontends::KEYS,
        bind::KEYS,
        rules::KEYS,
        clients::KEYS,
        plans::KEYS,
        ai::KEYS,
        budget::KEYS,
        backends::KEYS,
        check::KEYS,
        server::KEYS,
        alerts::KEYS,
    ];
    sections.concat()
}
