//! One exchange: a stream of an HTTP/2 connection. Dropped before its end, it resets its stream (CANCEL) and leaves the
//! connection alone.

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use h2::client::{ResponseFuture, SendRequest};
use h2::{RecvStream, SendStream};
use http::{Method, Response, StatusCode};
use pingora::http::{RequestHeader, ResponseHeader};
use tokio::time::{Sleep, sleep};

use super::link::{Place, Seat};
use super::{fault, head};
use crate::base::clock::Tick;
use crate::runtime::target::Target;
use crate::upstream::session::Fault;
use crate::wire::check_h2_answer;

/// How long a server that has answered, and reads no more of the request, is given to go on reading.
const ANSWERED: Duration = Duration::from_millis(250);

pub struct Http2 {
    target: Arc<Target>,
    /// For the head; then only the stream holds the connection.
    request: Option<SendRequest<Bytes>>,
    send: Option<SendStream<Bytes>>,
    response: Option<ResponseFuture>,
    /// An answer that came while the request was sent.
    early: Option<Result<Response<RecvStream>, Fault>>,
    head: Option<Box<ResponseHeader>>,
    body: Option<RecvStream>,
    /// What was read last, and still counts against the window: its reader may be slow.
    part: Bytes,
    is_head: bool,
    bodiless: bool,
    /// The end of the answer was read.
    done: bool,
    /// The whole request was sent.
    finished: bool,
    /// The server takes no more.
    stopped: bool,
    /// Last, so that the place is free only when the stream is.
    seat: Seat,
}

impl Http2 {
    pub fn new(place: Place, target: &Arc<Target>, method: &Method) -> Http2 {
        Http2 {
            target: target.clone(),
            request: Some(place.request),
            send: None,
            response: None,
            early: None,
            head: None,
            body: None,
            part: Bytes::new(),
            is_head: *method == Method::HEAD,
            bodiless: false,
            done: false,
            finished: false,
            stopped: false,
            seat: place.seat,
        }
    }

    pub fn send_head(&mut self, head: Box<RequestHeader>, end: bool) -> Result<(), Fault> {
        let request = head::request(*head, &self.target.host)?;
        let mut sender = self.request.take().ok_or(Fault::Cut)?;
        let (response, send) = sender.send_request(request, end).map_err(|e| fault(&e))?;
        self.response = Some(response);
        self.send = Some(send);
        self.finished = end;
        Ok(())
    }

    pub async fn send_part(&mut self, part: &Bytes, patience: Duration) -> bool {
        if !self.stopped {
            let sent = pingora_timeout::timeout(patience, self.send(part.clone())).await;
            self.stopped = !matches!(sent, Ok(true));
            // Window that comes is for others: what it waits for here would never be sent.
            if self.stopped
                && let Some(send) = &mut self.send
            {
                send.reserve_capacity(0);
            }
        }
        !self.stopped
    }

    pub fn finish(&mut self) -> bool {
        if !self.finished && !self.stopped {
            let sent = self.send.as_mut().is_some_and(|send| send.send_data(Bytes::new(), true).is_ok());
            self.finished = sent;
            self.stopped = !sent;
        }
        !self.stopped
    }

    /// Sends as much as the server's window takes at a time. False: it takes no more.
    async fn send(&mut self, mut rest: Bytes) -> bool {
        while !rest.is_empty() {
            let Some(send) = &mut self.send else { return false };
            send.reserve_capacity(rest.len());
            let mut capacity = send.capacity();
            if capacity == 0 {
                let mut patience = None;
                let Some(more) = poll_fn(|cx| self.poll_capacity(cx, &mut patience)).await else {
                    return false;
                };
                capacity = more;
            }
            let now = rest.split_to(capacity.min(rest.len()));
            let Some(send) = &mut self.send else { return false };
            if send.send_data(now, false).is_err() {
                return false;
            }
        }
        true
    }

    /// Waits for the window to open, a while only if the answer is here.
    fn poll_capacity(
        &mut self,
        cx: &mut Context<'_>,
        patience: &mut Option<Pin<Box<Sleep>>>,
    ) -> Poll<Option<usize>> {
        let Some(send) = &mut self.send else { return Poll::Ready(None) };
        match send.poll_capacity(cx) {
            Poll::Ready(Some(Ok(capacity))) => return Poll::Ready(Some(capacity)),
            Poll::Ready(_) => return Poll::Ready(None),
            Poll::Pending => {}
        }
        ready!(self.poll_early(cx));
        if matches!(self.early, Some(Err(_))) {
            return Poll::Ready(None);
        }
        let patience = patience.get_or_insert_with(|| Box::pin(sleep(ANSWERED)));
        patience.as_mut().poll(cx).map(|()| None)
    }

    /// Ready when the answer has begun, or will not. What was interim by then is passed over.
    fn poll_early(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        while let Some(response) = &mut self.response {
            match ready!(poll_answer(response, cx)) {
                Ok(Answer::Interim(_)) => {}
                Ok(Answer::Final(answer)) => self.early = Some(Ok(answer)),
                Err(fault) => self.early = Some(Err(fault)),
            }
            if self.early.is_some() {
                self.response = None;
            }
        }
        Poll::Ready(())
    }

    pub async fn read_head(&mut self) -> Result<(), Fault> {
        let answer = match (self.early.take(), &mut self.response) {
            (Some(early), _) => Answer::Final(early?),
            (None, Some(response)) => poll_fn(|cx| poll_answer(response, cx)).await?,
            (None, None) => return Err(Fault::Cut),
        };
        match answer {
            Answer::Interim(answer) => {
                let parts = answer.into_parts().0;
                check_h2_answer(&parts).map_err(|e| Fault::Broken(e.reason()))?;
                self.head = Some(Box::new(head::answer(parts, true, false)));
            }
            Answer::Final(answer) => {
                self.response = None;
                let (parts, body) = answer.into_parts();
                check_h2_answer(&parts).map_err(|e| Fault::Broken(e.reason()))?;
                self.bodiless =
                    self.is_head || matches!(parts.status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED);
                self.done = body.is_end_stream();
                self.head = Some(Box::new(head::answer(parts, self.bodiless, self.done)));
                self.body = Some(body);
            }
        }
        Ok(())
    }

    pub fn head(&self) -> Option<&ResponseHeader> {
        self.head.as_deref()
    }

    pub async fn read_body(&mut self) -> Result<Option<&[u8]>, Fault> {
        let Some(body) = &mut self.body else { return Err(Fault::Cut) };
        if !self.part.is_empty() {
            // Its reader comes for more: it has taken this.
            let _ = body.flow_control().release_capacity(self.part.len());
            self.part = Bytes::new();
        }
        if self.done {
            return Ok(None);
        }
        match poll_fn(|cx| body.poll_data(cx)).await {
            Some(Ok(part)) if self.bodiless && !part.is_empty() => Err(Fault::Broken("forbidden_body")),
            Some(Ok(part)) => {
                self.part = part;
                Ok(Some(&self.part))
            }
            // Trailers, or nothing, behind it: END_STREAM has come either way.
            None => {
                self.done = true;
                Ok(None)
            }
            // It has begun to answer, so it has acted.
            Some(Err(e)) => Err(match fault(&e) {
                Fault::Refused | Fault::Goodbye | Fault::Reset => Fault::Cut,
                other => other,
            }),
        }
    }

    pub fn body_done(&self) -> bool {
        self.done || self.body.as_ref().is_some_and(RecvStream::is_end_stream)
    }

    /// The place is free again at `now`.
    pub fn end(self, now: Tick) {
        self.seat.used(now);
    }
}

enum Answer {
    Interim(Response<()>),
    Final(Response<RecvStream>),
}

fn poll_answer(response: &mut ResponseFuture, cx: &mut Context<'_>) -> Poll<Result<Answer, Fault>> {
    match ready!(response.poll_informational(cx)) {
        Some(Ok(interim)) => return Poll::Ready(Ok(Answer::Interim(interim))),
        Some(Err(e)) => return Poll::Ready(Err(fault(&e))),
        None => {}
    }
    Pin::new(response).poll(cx).map(|answer| match answer {
        Ok(answer) => Ok(Answer::Final(answer)),
        Err(e) => Err(fault(&e)),
    })
}
