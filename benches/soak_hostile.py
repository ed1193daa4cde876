"""What hostile clients and rude servers do in the soak: malformed requests, strangers, broken answers, floods. See soak.py."""

import os
import time

from memory import frame, literal
from soak_http import Broken, Client, Wrong, request
from soak_worker import checked, expect, good

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
