//! What stays the same over the attempts of a request, and what is known of those that failed.

use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use http::HeaderValue;
use http::header::{CONTENT_LENGTH, TRANSFER_ENCODING};

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
use crate::pool::{Allowed, Ask, Slot};
use crate::proxy::attempt::Order;
use crate::proxy::body::Body;
use crate::proxy::context::Context;
use crate::proxy::feed::Feed;
use crate::proxy::upstream_request::{self, Framing};
use crate::proxy::{balance_key, budget, realtime, worker::Worker};
use crate::runtime::models::Known;
use crate::runtime::snapshot::Backend;
use crate::runtime::streams::{Gauge, Way};
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
    /// Who serves the model that is asked for now; `None`: whoever, or nobody.
    known: Option<&'a Known>,
    /// Models of the chain that were asked for or passed over.
    fallbacks: usize,
    /// Attempts with the models before this one.
    before: u32,
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
        let known = context.call.as_ref().filter(|call| !call.model.is_empty());
        Course {
            known: known.and_then(|call| backend.models.of(&call.model)),
            fallbacks: 0,
            before: 0,
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
    pub fn ask<'t>(&self, tried: &'t Tried) -> Ask<'t>
    where
        'a: 't,
    {
        let draw = Draw { key: self.key, random: self.worker.random_bits(), now: self.worker.now() };
        Ask {
            tried,
            draw,
            who: Who { wants: self.known.map_or(0, |known| known.wants), ..self.who },
            only: self.only(),
        }
    }

    /// The servers that know the model; `None`: any will do.
    pub fn only(&self) -> Option<&'a Allowed> {
        self.known.and_then(|known| known.servers.as_ref())
    }

    /// Whether some server knows the model.
    pub fn has_server(&self, context: &Context) -> bool {
        self.known.is_some() || context.call.as_ref().is_none_or(|call| call.model.is_empty())
    }

    /// Attempts with the model that is asked for now.
    pub fn attempts(&self, context: &Context) -> u32 {
        context.attempts - self.before
    }

    /// Goes on with the next model that stands in for the one that could not be had; false: there is none.
    pub fn next_model(&mut self, context: &mut Context) -> bool {
        let snapshot = context.snapshot.clone();
        while let Some(id) =
            context.call.as_ref().and_then(|call| call.route.chain.get(self.fallbacks).copied())
        {
            self.fallbacks += 1;
            let Some(name) = snapshot.ai.catalogue.name(id) else { continue };
            let Some(known) = self.backend.models.of(name) else { continue };
            if !budget::affords(context, id) {
                continue;
            }
            let Some(call) = &mut context.call else { return false };
            (call.model, call.id) = (name.clone(), Some(id));
            (self.known, self.before, self.tried) = (Some(known), context.attempts, Tried::default());
            return true;
        }
        false
    }

    /// Takes up a place for one more attempt: counts it.
    pub fn begin(&self, context: &mut Context, slot: Slot) -> Place {
        context.attempts += 1;
        let traffic = &self.backend.servers[slot.index()].stats.traffic;
        traffic.chosen.one();
        self.backend.stats.traffic.chosen.one();
        self.show(context, slot.index());
        Place { slot, counted: traffic.session(self.worker.now()) }
    }

    /// Shows those who watch the streams where this one goes.
    fn show(&self, context: &Context, index: usize) {
        let Some(live) = &context.live else { return };
        let call = context.call.as_ref();
        let ai = &context.snapshot.ai;
        let gauge = call.filter(|_| ai.counts).map(|call| Gauge {
            ratios: ai.ratios_of(call.id).clone(),
            price: call.id.and_then(|id| ai.prices.get(id).copied()),
            prompt_bytes: call.call.text_bytes,
        });
        live.goes(Way {
            model: call.map_or_else(|| Arc::from(""), |call| call.model.clone()),
            place: Some((self.backend.name.clone(), self.backend.servers[index].target.name.clone())),
            attempts: context.attempts,
            streamed: None,
            gauge,
        });
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
        let (backend, request) = (self.backend, session.req_header());
        let server = &backend.servers[index];
        let client = &context.client;
        let mut head = upstream_request::build(context, request, server, body.framing)?;
        let name = self.known.and_then(|known| known.name_at(index)).map(|name| &**name);
        if let Some(model) = context.call.as_ref().and_then(|call| call.renamed(name))
            && realtime::begins(request)
        {
            let target = head.uri.path_and_query().map_or("/", |target| target.as_str());
            head.set_raw_path(realtime::with_model(target, model).as_bytes())?;
        }
        let edited = context.call.as_ref().and_then(|call| call.body_for(name, context.snapshot.ai.counts));
        if let Some(parts) = &edited {
            let length: usize = parts.iter().map(Bytes::len).sum();
            head.remove_header(&TRANSFER_ENCODING);
            head.insert_header(CONTENT_LENGTH, HeaderValue::from(length))?;
        }
        Ok(Order {
            worker: self.worker,
            backend,
            server,
            head,
            method: request.method.clone(),
            feed: body.feed,
            edited: edited.map(Feed::of),
            bodiless: body.framing == Framing::None,
            reuse: reuse && context.repeatable,
            fresh: !reuse,
            upgrade: upstream_request::is_upgrade(request),
            client: Some((client.peer, client.local)).filter(|(peer, _)| *peer != NOWHERE),
            // The answer to a HEAD has no content to wait for.
            dialect: self.dialect.filter(|_| request.method != Method::HEAD),
            whole: context.snapshot.ai.cost_header,
            until: self.until,
        })
    }

    pub fn is_ai_call(&self) -> bool {
        self.dialect.is_some()
    }
}

/// Whose turn it is in a line: a key is one client, wherever it comes from.
fn who(context: &Context) -> Who {
    let priority = match context.plan().map_or(Wanted::Normal, |plan| plan.priority) {
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
