//! What stays the same over the attempts of a request, and what is known of those that failed.

use std::sync::Arc;
use std::time::Instant;

use http::Method;
use pingora::protocols::http::ServerSession;

use crate::ai;
use crate::ai::path::Dialect;
use crate::base::clock;
use crate::config::checked::Priority as Wanted;
use crate::observe::stats::Session as Counted;
use crate::pool::balance::Draw;
use crate::pool::balance::hash::key;
use crate::pool::queue::{Priority, Who};
use crate::pool::retry::Tried;
use crate::pool::{Ask, Slot};
use crate::proxy::attempt::Order;
use crate::proxy::body::Body;
use crate::proxy::context::Context;
use crate::proxy::upstream_request::{self, Framing};
use crate::proxy::{balance_key, worker::Worker};
use crate::runtime::snapshot::Backend;
use crate::transport::socket::NOWHERE;

/// The way of a request through its backend.
pub struct Course<'a> {
    pub worker: &'a Arc<Worker>,
    pub backend: &'a Backend,
    pub tried: Tried,
    key: Option<u64>,
    who: Who,
    dialect: Option<Dialect>,
    until: Instant,
}

/// A place that an attempt has on a server, and its being counted there.
pub struct Place {
    pub slot: Slot,
    pub counted: Counted,
}

impl<'a> Course<'a> {
    pub fn new(
        worker: &'a Arc<Worker>,
        backend: &'a Backend,
        context: &Context,
        session: &ServerSession,
    ) -> Course<'a> {
        let head = session.req_header();
        let path = head.uri.path();
        Course {
            worker,
            backend,
            tried: Tried::default(),
            key: balance_key::of(backend, context, head),
            who: who(context),
            dialect: ai::path::is_call(path).then(|| ai::path::dialect(path)),
            until: clock::instant() + context.time_left(),
        }
    }

    /// What is asked of the pool, when those in `tried` have failed.
    pub fn ask<'t>(&self, tried: &'t Tried) -> Ask<'t> {
        let draw = Draw { key: self.key, random: self.worker.random_bits(), now: self.worker.now() };
        Ask { tried, draw, who: self.who, only: None }
    }

    /// Takes up a place for one more attempt: counts it.
    pub fn begin(&self, context: &mut Context, slot: Slot) -> Place {
        context.attempts += 1;
        let traffic = &self.backend.servers[slot.index()].stats.traffic;
        traffic.chosen.one();
        self.backend.stats.traffic.chosen.one();
        Place { slot, counted: traffic.session(self.worker.now()) }
    }

    /// An attempt on the server with this index. `reuse`: on a connection that was there, where the request may be sent
    /// twice: the server may be just closing it.
    pub fn order(
        &self,
        context: &Context,
        session: &ServerSession,
        body: &Body<'a>,
        index: usize,
        reuse: bool,
    ) -> pingora::Result<Order<'a>> {
        let (backend, head) = (self.backend, session.req_header());
        let server = &backend.servers[index];
        let client = &context.client;
        Ok(Order {
            worker: self.worker,
            backend,
            server,
            head: upstream_request::build(context, head, server, body.framing)?,
            method: head.method.clone(),
            feed: body.feed,
            bodiless: body.framing == Framing::None,
            reuse: reuse && context.repeatable,
            fresh: !reuse,
            upgrade: upstream_request::is_upgrade(head),
            client: Some((client.peer, client.local)).filter(|(peer, _)| *peer != NOWHERE),
            // The answer to a HEAD has no content to wait for.
            dialect: self.dialect.filter(|_| head.method != Method::HEAD),
            until: self.until,
        })
    }

    pub fn is_ai_call(&self) -> bool {
        self.dialect.is_some()
    }
}

/// Whose turn it is in a line: a key is one client, wherever it comes from.
fn who(context: &Context) -> Who {
    let plan = context.identity.client().and_then(|client| context.snapshot.plans.get(client.plan?));
    let priority = match plan.map_or(Wanted::Normal, |plan| plan.priority) {
        Wanted::Low => Priority::Low,
        Wanted::Normal => Priority::Normal,
        Wanted::High => Priority::High,
    };
    let client = match context.identity.digest() {
        Some(digest) => key(*digest),
        None => key(balance_key::octets(context.src)),
    };
    Who { priority, client, wants: 0 }
}
