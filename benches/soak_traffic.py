"""What the clients of the soak do, well-behaved and not, and what each must see. See soak.py.

A scenario raises `Wrong` for what must never happen, `Failed` for what only a killed provider explains.
"""

import hashlib
import json
import os
import random
import re
import subprocess
import time

from memory import frame, literal
from soak_http import Broken, Client, Wrong, request

FRESH = 2.0  # seconds that an idle connection is used again; well below `keep_alive`
LARGE = 1_000_000  # bytes of the largest body


class Failed(Exception):
    """A good request that was not answered well."""


class Worker:
    """One client after the other. `site` has the ports; `made` counts markers, so that each is unique."""

    def __init__(self, site, number):
        self.site, self.number, self.made = site, number, 0
        self.random = random.Random(number)
        self.idle = {}

    def marker(self):
        self.made += 1
        return f"m{self.number}-{self.made}"

    def kind(self):
        return self.random.choice([kind for kind in self.site.ports if kind != "admin"])

    def open(self, kind=None):
        return Client(self.site.ports, kind or self.kind())

    def lease(self, kind):
        client, since = self.idle.pop(kind, (None, 0))
        if client and time.monotonic() - since < FRESH:
            return client
        if client:
            client.close()
        return self.open(kind)

    def ask(self, method, path, body=b"", **fields):
        """A good request on a connection that may have served others: the answer, which is the one to it."""
        kind, marker = self.kind(), self.marker()
        client = self.lease(kind)
        try:
            client.send(request(method, path, marker, body, **fields))
            answer = checked(client.answer(method), marker)
        except (Broken, OSError) as error:
            client.close()
            raise Failed(f"{method} {path}: {error!r}") from error
        if answer.last or client.buffer:
            client.close()
            if client.buffer:
                raise Wrong(f"{path}: bytes after the answer: {client.buffer[:80]}")
        else:
            self.idle[kind] = client, time.monotonic()
        return answer, marker

    def close(self):
        for client, _ in self.idle.values():
            client.close()
        self.idle = {}


def checked(answer, marker):
    """Is it the answer to this request?"""
    if "POISON" in str(answer.headers) or b"POISON" in answer.body:
        raise Wrong("bytes of no answer reached a client")
    for name in ("x-soak-id", "x-request-id"):
        if answer.headers.get(name, marker) != marker:
            raise Wrong(f"{name} is {answer.headers[name]} in the answer to {marker}")
    if answer.status != 101 and answer.headers.get("x-soak-edge", "").split()[1:] != [str(answer.status)]:
        raise Wrong(f"{answer.status}, and the response rule said {answer.headers.get('x-soak-edge')!r}")
    if answer.status < 400 and "x-soak-id" not in answer.headers and "x-mock-server" not in answer.headers:
        raise Wrong(f"an answer without its marker: {answer.status} {answer.headers}")
    return answer


def good(answer):
    if answer.status != 200:
        raise Failed(f"{answer.status} {answer.body[:200]}")
    return answer


def chat_body(marker, **more):
    message = {"role": "user", "content": marker}
    return json.dumps({"model": "m", "messages": [message], **more}).encode()


JSON = {"content_type": "application/json"}


def chat(worker):
    text = worker.marker()
    answer, _ = worker.ask("POST", "/v1/chat/completions", chat_body(text), **JSON)
    said = json.loads(good(answer).body)["choices"][0]["message"]["content"]
    if not said.endswith(f"You said: {text}"):
        raise Wrong(f"asked {text}, answered {said!r}")


def chat_stream(worker):
    text = worker.marker()
    answer, _ = worker.ask("POST", "/v1/chat/completions", chat_body(text, stream=True), **JSON)
    events(good(answer).body, text)


def events(body, text):
    """A stream that ended cleanly is whole: it says all of the text."""
    lines = [line[6:] for line in body.decode().split("\n\n") if line.startswith("data: ")]
    if not lines or lines[-1] != "[DONE]":
        raise Wrong(f"a stream ended as if it were whole: {lines[-1:]}")
    choices = [json.loads(line)["choices"] for line in lines[:-1]]
    said = "".join(choice[0]["delta"].get("content") or "" for choice in choices if choice)
    if not said.endswith(f"You said: {text}"):
        raise Wrong(f"asked {text}, answered {said!r}")


def echo(worker, size=None, path="/rude/echo"):
    body = os.urandom(64) * (size // 64 if size else worker.random.randrange(0, 40))
    framing = worker.random.choice(["length", "chunked", "close"])
    fields = {"expect": "100-continue"} if size and worker.random.random() < 0.3 else {}
    answer, _ = worker.ask("POST", f"{path}?as={framing}", body, chunked=worker.random.random() < 0.4, **fields)
    if good(answer).body != body or answer.headers["x-soak-sha"] != hashlib.sha256(body).hexdigest():
        raise Wrong(f"{len(body)} bytes were sent, {len(answer.body)} others came back")


def large(worker):
    echo(worker, size=worker.random.randrange(50_000, LARGE))


def slow(worker):
    echo(worker, path="/rude/slow")


def hints(worker):
    echo(worker, path="/rude/hints")


def rewritten(worker):
    echo(worker, path="/old/echo")


def tarpit(worker):
    start, (answer, _) = time.monotonic(), worker.ask("GET", "/tarpit")
    expect(answer, 429)
    if not 0.5 <= time.monotonic() - start < 3:
        raise Wrong(f"held for {time.monotonic() - start:.2f} s instead of 0.5 s")


def silence(client):
    """Nothing comes. A client on this machine may see the kernel's reset, which goes no further than one hop."""
    client.socket.settimeout(1)
    try:
        client.more()
    except Broken as end:
        if str(end) == "closed":
            raise Wrong(f"dropped, but not silently: {end}") from end
    else:
        raise Wrong(f"dropped, but not silently: {client.buffer[:80]}")
    client.close()


def forgotten(worker):
    """A request that a rule drops silently."""
    client = worker.open()
    client.send(request("GET", "/forgotten", worker.marker()))
    silence(client)


def unwanted(worker):
    """Sources that a connection rule rejects, or drops silently."""
    last = worker.random.choice([66, 99])
    client = Client(worker.site.ports, "proxy", b"PROXY TCP4 192.0.2.%d 127.0.0.1 40000 443\r\n" % last)
    try:
        client.send(request("GET", "/rude/echo", worker.marker()))
    except OSError:
        pass
    if last == 99:
        return silence(client)
    if got := client.rest():
        raise Wrong(f"rejected, but it said {got[:80]}")
    client.close()


def too_large(worker):
    marker = worker.marker()
    client = worker.open()
    client.send(request("POST", "/rude/echo", marker, b"")[:-2].replace(b"Content-Length: 0", b"Content-Length: 9000000") + b"\r\n")
    expect(checked(client.answer(), marker), 413)
    client.close()


def expect(answer, *statuses):
    if answer.status not in statuses:
        raise Wrong(f"expected {statuses}, got {answer.status} {answer.body[:200]}")


def pipelined(worker):
    markers = [worker.marker() for _ in range(4)]
    client = worker.open()
    client.send(b"".join(request("GET", "/rude/echo", marker) for marker in markers))
    for marker in markers:
        if (answer := good(checked(client.answer("GET"), marker))).last:
            raise Wrong("a pipelined request was not answered")
        if answer.headers["x-soak-id"] != marker:
            raise Wrong("pipelined answers out of order")
    client.close()


def aborted(worker):
    """A client that leaves: in its head, in its body, before the answer, within a stream."""
    marker, way = worker.marker(), worker.random.randrange(4)
    client = worker.open()
    if way == 0:
        client.send(request("GET", "/rude/echo", marker)[:30])
    elif way == 1:
        client.send(request("POST", "/rude/echo", marker, b"x" * 200_000)[:90_000])
    elif way == 2:
        client.send(request("POST", "/rude/slow", marker, b"x" * 100))
        time.sleep(worker.random.random() * 0.3)
    else:
        client.send(request("GET", "/rude/stream?n=40", marker))
        checked(client.head(), marker)
        client.line(b"\n\n")
    client.close(reset=worker.random.random() < 0.5)


def slow_head(worker):
    client = worker.open()
    text = request("GET", "/rude/echo", worker.marker())
    start = time.monotonic()
    try:
        for byte in text[:40]:
            client.send(bytes([byte]))
            time.sleep(0.1)
    except OSError:
        pass
    expect(client.answer(), 408)
    client.rest()
    if not 1.5 < time.monotonic() - start < 6:
        raise Wrong(f"408 after {time.monotonic() - start:.1f} s, request_head is 2 s")
    client.close()


def stuck_body(worker):
    """A client that stops sending in the middle of a body."""
    client = worker.open()
    client.send(request("POST", "/rude/echo", worker.marker(), b"x" * 1000)[:-500])
    expect(client.answer(), 408)
    client.close()


NEXT = b"GET /rude/echo HTTP/1.1\r\nHost: localhost\r\nx-soak-id: SMUGGLED\r\n\r\n"
HOST = b"Host: localhost\r\n"
MALFORMED = [
    (b"GET /rude/echo HTTP/1.1\r\n\r\n", 400),
    (b"GET /rude/echo HTTP/1.1\r\n" + HOST + HOST + b"\r\n", 400),
    (b"GET /rude/echo HTTP/1.1\n" + HOST + b"\r\n", 400),
    (b"GET /rude/ echo HTTP/1.1\r\n" + HOST + b"\r\n", 400),
    (b"GET rude HTTP/1.1\r\n" + HOST + b"\r\n", 400),
    (b"GET /rude/echo http/1.1\r\n" + HOST + b"\r\n", 400),
    (b"GET /rude/echo\r\n\r\n", 400),
    (b"GET /rude/echo HTTP/1.1\r\n" + HOST + b"a : b\r\n\r\n", 400),
    (b"GET /rude/echo HTTP/1.1\r\n" + HOST + b"a: b\r\n c\r\n\r\n", 400),
    (b"GET /rude/echo HTTP/1.1\r\n" + HOST + b"a: \x00\r\n\r\n", 400),
    (b"POST /rude/echo HTTP/1.1\r\n" + HOST + b"Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello", 400),
    (b"POST /rude/echo HTTP/1.1\r\n" + HOST + b"Content-Length: +5\r\n\r\nhello", 400),
    (b"POST /rude/echo HTTP/1.1\r\n" + HOST + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400),
    (b"POST /rude/echo HTTP/1.1\r\n" + HOST + b"Transfer-Encoding: chunked, x\r\n\r\n0\r\n\r\n", 400),
    (b"POST /rude/echo HTTP/1.1\r\n" + HOST + b"Transfer-Encoding: chunked\r\n\r\n0x3\r\nabc\r\n0\r\n\r\n", 400),
    (b"POST /rude/echo HTTP/1.1\r\n" + HOST + b"Transfer-Encoding: chunked\r\n\r\n3\r\nabcd\r\n0\r\n\r\n", 400),
    (b"GET /" + b"x" * 20_000 + b" HTTP/1.1\r\n" + HOST + b"\r\n", 414),
    (b"GET /rude/echo HTTP/1.1\r\n" + HOST + b"x: " + b"y" * 20_000 + b"\r\n\r\n", 431),
    (b"GET /rude/echo HTTP/1.1\r\n" + HOST + b"x: y\r\n" * 150 + b"\r\n", 431),
]


def malformed(worker):
    """Refused, and what came behind it is never read as a request."""
    text, status = worker.random.choice(MALFORMED)
    client = worker.open("plain")
    try:
        client.send(text + NEXT)
    except OSError:
        pass
    answer = client.answer("GET")
    if answer.status != status:
        raise Wrong(f"{text[:90]!r}: {answer.status}, expected {status}")
    if b"HTTP/1.1" in client.rest():
        raise Wrong(f"{text[:90]!r}: what followed it was answered")
    client.close()


def strangers(worker):
    """Not even HTTP, or not even a byte."""
    kind = worker.kind()
    client = worker.open("plain")
    if kind == "tls":
        client.close()
        client = Client({"tls": worker.site.ports["tls"]}, "tls") if worker.random.random() < 0.5 else worker.open("plain")
    if worker.random.random() < 0.7:
        client.send(worker.random.choice([os.urandom(300), b"\r\n\r\n", b"\x16\x03\x01\x02\x00\x01", b"SSH-2.0-x\r\n"]))
        time.sleep(worker.random.random() * 0.2)
    client.close(reset=worker.random.random() < 0.3)


REFUSED = ["empty", "garbage", "two_lengths", "junk_head", "long_head", "hint_flood"]
CUT = ["half", "half_chunk", "bad_chunk"]
WHOLE = {"after": b"body", "after_chunks": b"body"}


def rude_answer(worker):
    """502 for what is no answer, a visible cut for what breaks off, and nothing of what follows an answer."""
    path, marker = worker.random.choice([*REFUSED, *CUT, *WHOLE, "no_content"]), worker.marker()
    client = worker.open()
    try:
        client.send(request("GET", "/rude/" + path, marker))
        answer = checked(client.answer("GET"), marker)
    except Broken as error:
        if path not in CUT or b"POISON" in client.buffer:
            raise Wrong(f"{path}: {error!r}") from error
        client.close()
        return
    if path in WHOLE:
        expect(answer, 200)
        if answer.body != WHOLE[path]:
            raise Wrong(f"{path}: {answer.body}")
    else:
        # A cut may come before the head has left.
        expect(answer, *((204, 502) if path == "no_content" else (502,)))
    if not answer.last:
        follow = worker.marker()
        client.send(request("GET", "/rude/echo", follow))
        good(checked(client.answer("GET"), follow))
    client.close()


def stalled(worker):
    marker, client = worker.marker(), worker.open()
    client.send(request("GET", "/rude/stall", marker))
    try:
        answer = checked(client.answer("GET"), marker)
    except Broken as error:
        if str(error) == "silence":
            raise Wrong("a server that fell silent was waited for too long") from error
    else:
        expect(answer, 504)
    client.close()


def lazy_reader(worker):
    """Asks for much, reads nothing for a while, then all of it or nothing more."""
    marker, client = worker.marker(), worker.open()
    body = os.urandom(1000) * 900
    client.send(request("POST", "/rude/echo", marker, body))
    time.sleep(worker.random.random() * 2)
    if worker.random.random() < 0.5 and checked(client.answer(), marker).body != body:
        raise Wrong("a slow reader got other bytes")
    client.close()


def websocket(worker):
    marker, client = worker.marker(), worker.open()
    fields = {"connection": "Upgrade", "upgrade": "websocket", "sec_websocket_version": "13", "sec_websocket_key": "eHh4"}
    client.send(request("GET", "/rude/upgrade", marker, **fields))
    expect(checked(client.answer("GET"), marker), 101)
    for _ in range(worker.random.randrange(1, 20)):
        data = os.urandom(worker.random.randrange(1, 5000))
        client.send(data)
        if client.exactly(len(data)) != data:
            raise Wrong("a tunnel changed bytes")
    client.close(reset=worker.random.random() < 0.3)


def http2(worker):
    """Ten requests at once on one HTTP/2 connection, by curl; one of them gives up early."""
    blocks, directory = [], worker.site.directory
    plan = []
    for number in range(10):
        marker = worker.marker()
        file = os.path.join(directory, marker)
        path = f"/rude/echo?as={worker.random.choice(['length', 'chunked', 'close'])}" if number else "/rude/stream?n=100"
        body = f"{marker} " * worker.random.randrange(1, 3000)
        plan.append((marker, file, body))
        lines = [
            f'url = "https://127.0.0.1:{worker.site.ports["tls"]}{path}"', "insecure", "http2", "silent",
            f'header = "x-soak-id: {marker}"', f'header = "x-request-id: {marker}"', 'header = "authorization: Bearer soak-key"',
            f'data-binary = "{body}"', f'output = "{file}"', f'dump-header = "{file}.head"',
            f"max-time = {0.5 if number == 0 else 20}", f'write-out = "{marker} %{{http_version}} %{{http_code}}\\n"',
        ]
        blocks.append("\n".join(lines))
    done = subprocess.run(
        ["curl", "--disable", "--parallel", "--config", "-"],
        input="\nnext\n".join(blocks), capture_output=True, text=True, timeout=60,
    )
    codes = dict(re.findall(r"^(\S+) (\S+ \S+)$", done.stdout, re.M))
    try:
        for number, (marker, file, body) in enumerate(plan):
            if number == 0:
                continue
            if codes.get(marker) != "2 200":
                raise Failed(f"{marker}: {codes.get(marker)} {done.stderr}")
            with open(file) as got, open(file + ".head") as fields:
                if got.read() != body or f"x-soak-id: {marker}\n" not in fields.read():
                    raise Wrong(f"{marker}: another answer over HTTP/2")
    finally:
        for _, file, _ in plan:
            for path in (file, file + ".head"):
                if os.path.exists(path):
                    os.unlink(path)


GET = b"\x82\x87" + literal(4, b"/rude/slow") + literal(1, b"localhost")


def ids(count):
    return range(1, 2 * count, 2)


# What no client has reason to send; each is as long as an attack has to be to cost something.
FLOODS = {
    "rapid reset": lambda: b"".join(frame(1, 5, i, GET) + frame(3, 0, i, b"\0\0\0\x08") for i in ids(3000)),
    "PING": lambda: frame(6, 0, 0, b"12345678") * 20_000,
    "SETTINGS": lambda: frame(4, 0, 0, b"\0\x04\0\0\xff\xff") * 20_000,
    "CONTINUATION": lambda: frame(1, 1, 1, GET) + frame(9, 0, 1, literal(0, b"a") + b"\1b") * 20_000,
    "empty DATA": lambda: frame(1, 4, 1, GET.replace(b"\x82", b"\x83")) + frame(0, 0, 1) * 20_000,
    "tiny DATA": lambda: frame(1, 4, 1, GET.replace(b"\x82", b"\x83")) + frame(0, 0, 1, b"x") * 20_000,
    "WINDOW_UPDATE": lambda: frame(8, 0, 0, b"\0\0\0\1") * 20_000,
    "window overflow": lambda: frame(8, 0, 0, b"\x7f\xff\xff\xff") * 2,
    "too many streams": lambda: b"".join(frame(1, 5, i, GET) for i in ids(3000)),
}
# Each stream too many may be refused by itself.
MAY_STAY = {"too many streams"}


def flood(worker):
    """A flood of HTTP/2 frames: the connection is ended, whoever is beside it does not notice."""
    name = worker.random.choice(list(FLOODS))
    plain = Client({"plain": worker.site.ports["tls"]}, "plain")
    plain.socket.settimeout(3)
    plain.socket = Client.tls("h2").wrap_socket(plain.socket, server_hostname="localhost")
    data = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + frame(4, 0, 0) + FLOODS[name]()
    try:
        for at in range(0, len(data), 16_000):
            plain.send(data[at : at + 16_000])
            plain.socket.settimeout(0.001)
            try:
                plain.more()
            except Broken as end:
                if str(end) == "silence":
                    continue
                break
            finally:
                plain.socket.settimeout(3)
        ended = end_of(plain)
    except OSError:
        ended = True
    worker.site.flooded(name, ended or name in MAY_STAY)
    plain.close()


def end_of(client):
    """Did the server end it: GOAWAY or a closed connection?"""
    try:
        client.rest()
        return True
    except Broken:
        pass
    buffer = client.buffer
    while len(buffer) >= 9:
        if buffer[3] == 7:
            return True
        buffer = buffer[9 + int.from_bytes(buffer[:3], "big") :]
    return False


# Scenario and its weight. Those with a long wait in them are rare, so that they do not hold all workers.
SCENARIOS = [
    (chat, 30), (chat_stream, 15), (echo, 20), (large, 6), (slow, 2), (hints, 3), (pipelined, 4), (too_large, 1),
    (aborted, 8), (slow_head, 0.5), (stuck_body, 0.2), (malformed, 8), (strangers, 5), (rude_answer, 8), (stalled, 0.3),
    (lazy_reader, 0.6), (rewritten, 3), (tarpit, 1), (forgotten, 0.5), (unwanted, 1), (websocket, 4), (http2, 3), (flood, 0.5),
]
