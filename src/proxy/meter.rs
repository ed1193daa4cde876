//! Counts the tokens of an answer while it passes: what the provider tells, else what was seen. Once it is over, who pays
//! for them is told.

use std::time::Duration;

use http::HeaderValue;
use http::header::CONTENT_ENCODING;

use crate::ai::estimate::Ratios;
use crate::ai::path::Dialect;
use crate::ai::usage::{AnswerMeter, Passed, StreamMeter, Usage};
use crate::outcome::Limit;
use crate::proxy::attempt::Answer;
use crate::proxy::budget;
use crate::proxy::call::{self, AiCall};
use crate::proxy::context::Context;
use crate::runtime::streams::Live;

/// What an answer took.
#[derive(Clone, Copy, Debug)]
pub struct Used {
    pub usage: Usage,
    /// The provider did not tell: it was reckoned from what was seen.
    pub estimated: bool,
    /// In micro-dollars; `None`: the model has no price.
    pub cost: Option<u64>,
    /// From the first content to the end, for each token after the first.
    pub token_time: Option<Duration>,
}

/// One answer.
#[derive(Default)]
pub enum Meter {
    #[default]
    Off,
    /// It cannot be read: compressed, though nobody asked for that.
    Unread,
    Answer(Box<AnswerMeter>),
    Stream(Box<StreamMeter>),
    /// One that is cut where the client's limit ends.
    Bounded(Box<StreamMeter>),
}

impl Meter {
    pub fn new(context: &Context, answer: &Answer, stream: bool) -> Meter {
        let (Some(call), Some(head)) = (&context.call, answer.server.head()) else { return Meter::Off };
        let plain = |coding: &HeaderValue| coding.as_bytes().eq_ignore_ascii_case(b"identity");
        if !context.snapshot.ai.counts || !head.status.is_success() {
            Meter::Off
        } else if !head.headers.get_all(CONTENT_ENCODING).iter().all(plain) {
            Meter::Unread
        } else if stream {
            let meter = StreamMeter::new(call.dialect, call.wants_usage());
            match context.plan().is_some_and(|plan| plan.in_stream) {
                true => Meter::Bounded(Box::new(meter.holding())),
                false => Meter::Stream(Box::new(meter)),
            }
        } else {
            Meter::Answer(Box::new(AnswerMeter::new(call.dialect)))
        }
    }

    /// Whether it counts an answer that is no stream.
    pub fn is_plain(&self) -> bool {
        matches!(self, Meter::Answer(_))
    }

    /// Whether less may go to the client than came.
    pub fn strips(&self, call: Option<&AiCall>) -> bool {
        match self {
            Meter::Bounded(_) => true,
            Meter::Stream(_) => call.is_some_and(AiCall::wants_usage),
            Meter::Off | Meter::Unread | Meter::Answer(_) => false,
        }
    }

    /// The limit of the client that has no room for what the stream has come to.
    pub fn exhausted(&self, context: &Context) -> Option<Limit> {
        let Meter::Bounded(meter) = self else { return None };
        let used = so_far(context, meter)?;
        let tokens = used.total().unwrap_or(0);
        if context.permit.as_ref().is_some_and(|permit| !permit.grow(tokens, context.now())) {
            return Some(Limit::Tokens);
        }
        (!budget::grow(context, &used)).then_some(Limit::Budget)
    }

    /// Tells those who watch what has passed so far.
    pub fn tell(&self, live: Option<&Live>) {
        if let (Meter::Stream(meter) | Meter::Bounded(meter), Some(live)) = (self, live) {
            live.passed(&meter.usage(), meter.seen().content_bytes);
        }
    }

    /// The events that end the stream where the limit does, behind what was passed.
    pub fn cut(&self, context: &Context) -> Vec<u8> {
        let (Meter::Bounded(meter), Some(call)) = (self, &context.call) else { return Vec::new() };
        meter.cut(so_far(context, meter).unwrap_or_default(), call.call.asks_usage)
    }

    /// Takes a part; what of it goes to the client.
    pub fn feed(&mut self, part: &[u8]) -> Passed<'_> {
        match self {
            Meter::Off | Meter::Unread => Passed::Whole,
            Meter::Answer(meter) => {
                meter.feed(part);
                Passed::Whole
            }
            Meter::Stream(meter) | Meter::Bounded(meter) => meter.feed(part),
        }
    }

    /// What was held back of the last event.
    pub fn rest(&mut self) -> &[u8] {
        match self {
            Meter::Stream(meter) | Meter::Bounded(meter) => meter.finish(),
            _ => &[],
        }
    }

    /// The answer is over, whole or not: what it took is counted where it limits, and learned from.
    pub fn settle(self, context: &mut Context) {
        let plain = matches!(self, Meter::Answer(_));
        // `ended`: it told its own end, so there is something to learn from.
        let (usage, content, ended) = match self {
            Meter::Off => return,
            Meter::Unread => return assume(context),
            Meter::Answer(meter) => {
                let content = meter.content_bytes();
                (meter.finish(), content, true)
            }
            Meter::Stream(meter) | Meter::Bounded(meter) => {
                let seen = meter.seen();
                (meter.usage(), seen.content_bytes, seen.done || seen.finish_reason_seen)
            }
        };
        let Some(call) = &context.call else { return };
        let ai = &context.snapshot.ai;
        let ratios = ai.ratios_of(call.id);
        // Anthropic tells at the start what was written by then, and the whole only at the end.
        let told = usage.total().is_some() && (ended || call.dialect != Dialect::Messages);
        if told && ended {
            // What is typical is typical of one completion.
            let each = usage.completion.map(|tokens| tokens / call.completions());
            ratios.learn(call.call.text_bytes, &Usage { completion: each, ..usage });
            ratios.learn_content(content, &usage);
        }
        let usage = match told {
            true => usage,
            // Nothing is known of what it took: an image, say.
            false if content == 0 && usage == Usage::default() => {
                // A response in the background is written after its answer, where nobody sees it.
                if plain && call.dialect == Dialect::Responses {
                    assume(context);
                }
                return;
            }
            false => reckoned(usage, call, ratios, content),
        };
        let token_time = token_time(context, &usage);
        pay(context, usage, !told, token_time);
    }
}

/// Counts what a call took wherever it limits, once.
fn pay(context: &mut Context, usage: Usage, estimated: bool, token_time: Option<Duration>) {
    let price = context.call.as_ref().and_then(|call| context.snapshot.ai.prices.get(call.id?));
    let cost = price.and_then(|price| price.cost(&usage));
    let (tokens, now) = (usage.total().unwrap_or(0), context.now());
    if let Some(permit) = &context.permit {
        permit.settle(tokens, now);
    }
    budget::settle(context, cost);
    for (_, tracked) in &context.tracked {
        tracked.tokens(tokens, now);
        tracked.cost(cost.unwrap_or(0), now);
    }
    context.usage = Some(Used { usage, estimated, cost, token_time });
}

/// What the call took nobody can tell: what was expected of it counts, and of a completion that may be long, what is typical.
fn assume(context: &mut Context) {
    let Some(call) = &context.call else { return };
    let typical = context.snapshot.ai.ratios_of(call.id).typical_completion() * call.completions();
    if let Some(expected) = call::expected(context, call.id) {
        let completion = expected.completion.map(|tokens| tokens.min(typical));
        pay(context, Usage { completion, ..expected }, true, None);
    }
}

/// The client left, or an operator ended the call, while a server had it and nothing of the answer was seen yet. The server
/// has read it all the same, and leaving early must not be a way to pay for nothing: the prompt counts. Not where the
/// server has refused it: nobody asks money for an error.
pub fn abandoned(context: &mut Context) {
    let Some(call) = context.call.as_ref().filter(|_| context.snapshot.ai.counts) else { return };
    let refused = context.status.is_some_and(|status| status >= 400);
    if context.usage.is_some() || context.slot.is_none() || call.call.text_bytes == 0 || refused {
        return;
    }
    let prompt = context.snapshot.ai.ratios_of(call.id).prompt_tokens(call.call.text_bytes);
    pay(context, Usage { prompt: Some(prompt), completion: Some(0), ..Usage::default() }, true, None);
}

/// What a stream took so far: what the provider told, or what was seen where that is more.
fn so_far(context: &Context, meter: &StreamMeter) -> Option<Usage> {
    let call = context.call.as_ref()?;
    let ratios = context.snapshot.ai.ratios_of(call.id);
    Some(reckoned(meter.usage(), call, ratios, meter.seen().content_bytes))
}

/// What the provider told, with what the rest comes to by the bytes that were seen.
fn reckoned(told: Usage, call: &AiCall, ratios: &Ratios, content: u64) -> Usage {
    Usage {
        prompt: told.prompt.or_else(|| Some(ratios.prompt_tokens(call.call.text_bytes))),
        completion: told.completion.max(Some(ratios.completion_tokens(content))),
        ..told
    }
}

fn token_time(context: &Context, usage: &Usage) -> Option<Duration> {
    let (first, completion) = (context.times.first_content?, usage.completion?);
    let more = u32::try_from(completion.checked_sub(1)?).ok().filter(|more| *more > 0)?;
    Some(context.times.begun.elapsed().saturating_sub(first) / more)
}
