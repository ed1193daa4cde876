"""What the clients of the soak do, and what each must see; the hostile ones are in soak_hostile.py. See soak.py.

A scenario raises `Wrong` for what must never happen, `Failed` for what only a killed provider explains.
"""

import hashlib
import json
import os
import re
import subprocess
import time

from soak_hostile import flood, malformed, rude_answer, strangers
from soak_http import Broken, Client, Wrong, request
from soak_worker import Failed, checked, expect, good

LARGE = 1_000_000  # bytes of the largest body


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


# Scenario and its weight. Those with a long wait in them are rare, so that they do not hold all workers.
SCENARIOS = [
    (chat, 30), (chat_stream, 15), (echo, 20), (large, 6), (slow, 2), (hints, 3), (pipelined, 4), (too_large, 1),
    (aborted, 8), (slow_head, 0.5), (stuck_body, 0.2), (malformed, 8), (strangers, 5), (rude_answer, 8), (stalled, 0.3),
    (lazy_reader, 0.6), (rewritten, 3), (tarpit, 1), (forgotten, 0.5), (unwanted, 1), (websocket, 4), (http2, 3), (flood, 0.5),
]
