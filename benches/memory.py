#!/usr/bin/env python3
"""What a connection costs in memory: thousands are held open on HAProxy, then on tidegate, each a fresh process.

KB each is the growth of resident memory (VmRSS) divided by the connections, from a level taken when a few had come and
gone. What the kernel holds for sockets is not in it, for either. A run in which one connection was lost ends without a
figure. TIDEGATE names the binary; without it target/release/tidegate.
"""

import argparse
import os
import selectors
import shutil
import socket
import ssl
import sys
import tempfile
import time

sys.dont_write_bytecode = True
from proxies import THREADS, Process, Site

EVENT_PAUSE = 2.0  # seconds between two events of a stream
EVENTS = 150  # of a stream, which so lasts longer than the measurement
WARM = 50  # connections that come and go before the first level is taken


class Mocks(Site):
    """Three mock providers of tidegate's own behind both proxies: their streams send an event now and then."""

    def serve(self, binary):
        faults = [f"chunk_delay_ms={EVENT_PAUSE * 1000:.0f}", f"chunks={EVENTS}"]
        for port in self.values["servers"]:
            command = [binary, "mock", "--listen", f"127.0.0.1:{port}"]
            for fault in faults:
                command += ["--fault", fault]
            mock = Process(f"mock on port {port}", command)
            self.running.append(mock)
            mock.await_port(port)


class Lost(Exception):
    """A connection that should be there is not."""


def connect(port, protocol):
    context = connect.contexts.get(protocol)
    if not context:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        context.set_alpn_protocols([protocol])
        connect.contexts[protocol] = context
    plain = socket.create_connection(("127.0.0.1", port), 20)
    plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return context.wrap_socket(plain, server_hostname="localhost")


connect.contexts = {}


class Idle:
    """HTTP/1.1, kept alive after one request."""

    def __init__(self, port):
        self.socket = connect(port, "http/1.1")
        self.ask()

    def ask(self):
        self.socket.sendall(b"GET /v1/models HTTP/1.1\r\nHost: localhost\r\n\r\n")
        got = b""
        while b"\r\n\r\n" not in got:
            got += self.more()
        head, body = got.split(b"\r\n\r\n", 1)
        length = int(head.lower().split(b"content-length:")[1].split(b"\r\n")[0])
        if not head.startswith(b"HTTP/1.1 200"):
            raise Lost(head)
        while len(body) < length:
            body += self.more()

    def more(self):
        got = self.socket.recv(65536)
        if not got:
            raise Lost("closed")
        return got

    def check(self):
        """Is it still good? Called for a sample of them, when the memory has been read."""
        self.ask()


class IdleH2(Idle):
    """HTTP/2, after one request on stream 1."""

    def __init__(self, port):
        self.socket = connect(port, "h2")
        self.stream, self.buffer = -1, b""
        self.socket.sendall(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + frame(4, 0, 0))
        self.ask()

    def ask(self):
        self.stream += 2
        # HPACK, RFC 7541: indexed GET and https, then :path and :authority as literals that are not indexed.
        block = b"\x82\x87" + literal(4, b"/v1/models") + literal(1, b"localhost")
        self.socket.sendall(frame(1, 5, self.stream, block))
        while True:
            kind, flags, stream = self.next_frame()
            if kind == 4 and not flags & 1:
                self.socket.sendall(frame(4, 1, 0))
            elif kind in (3, 7):
                raise Lost("RST_STREAM" if kind == 3 else "GOAWAY")
            elif kind in (0, 1) and stream == self.stream and flags & 1:
                return

    def next_frame(self):
        while len(self.buffer) < 9 or len(self.buffer) < 9 + int.from_bytes(self.buffer[:3], "big"):
            self.buffer += self.more()
        length, kind, flags = int.from_bytes(self.buffer[:3], "big"), self.buffer[3], self.buffer[4]
        stream = int.from_bytes(self.buffer[5:9], "big")
        self.buffer = self.buffer[9 + length :]
        return kind, flags, stream


def frame(kind, flags, stream, payload=b""):
    return len(payload).to_bytes(3, "big") + bytes([kind, flags]) + stream.to_bytes(4, "big") + payload


def literal(index, value):
    return bytes([index, len(value)]) + value


class Stream(Idle):
    """An event stream in its middle, HTTP/1.1."""

    def __init__(self, port):
        self.socket = connect(port, "http/1.1")
        body = b'{"model":"m","stream":true,"messages":[{"role":"user","content":"hello"}]}'
        head = b"POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
        self.socket.sendall(head + b"Content-Length: %d\r\n\r\n" % len(body) + body)
        got = b""
        while b"\r\n\r\n" not in got:
            got += self.more()
        if not got.startswith(b"HTTP/1.1 200") or b"text/event-stream" not in got:
            raise Lost(got)
        self.events = 0
        self.socket.setblocking(False)

    def drain(self):
        """Reads what is there; False at the end of the stream."""
        try:
            while True:
                got = self.socket.recv(65536)
                if not got:
                    return False
                self.events += got.count(b"data: ")
        except (ssl.SSLWantReadError, BlockingIOError):
            return True

    def check(self):
        # The pause between two events is over many times when the last stream has begun and the memory is still.
        if self.events < 2 or not self.drain():
            raise Lost(f"a stream ended, or gave {self.events} events")


WORKS = {
    "idle TLS connection, HTTP/1.1": (Idle, 5000),
    "idle TLS connection, HTTP/2": (IdleH2, 2000),
    "open event stream over TLS, HTTP/1.1": (Stream, 1000),
}


def rest(held, seconds):
    """Lets time pass, while what streams send is read."""
    end = time.monotonic() + seconds
    if not isinstance(held[0], Stream):
        time.sleep(seconds)
        return
    with selectors.DefaultSelector() as selector:
        for one in held:
            selector.register(one.socket, selectors.EVENT_READ, one)
        while (left := end - time.monotonic()) > 0:
            for key, _ in selector.select(left):
                if not key.data.drain():
                    raise Lost("a stream ended")


def settled(proxy, held, least):
    """The resident bytes, when they have stopped moving; after at least `least` seconds."""
    rest(held, least)
    level = proxy.memory()
    for _ in range(10):
        rest(held, 1)
        before, level = level, proxy.memory()
        if abs(level - before) <= 0.005 * level:
            break
    return level * 1e6


def measured(kind, count, proxy):
    """Bytes for each connection, bytes in all, bytes in all when they have gone."""
    for one in [kind(proxy.tls) for _ in range(WARM)]:
        one.socket.close()
    time.sleep(1)
    before = proxy.memory() * 1e6
    held = []
    try:
        while len(held) < count:
            held += [kind(proxy.tls) for _ in range(min(200, count - len(held)))]
            rest(held, 0.05)
        full = settled(proxy, held, 2 * EVENT_PAUSE if kind is Stream else 1)
        for one in held if kind is Stream else held[:: max(1, count // 200)]:
            one.check()
    finally:
        for one in held:
            one.socket.close()
    time.sleep(3)
    return (full - before) / count, full, proxy.memory() * 1e6


def row(name, kind, count, binary):
    with tempfile.TemporaryDirectory() as directory:
        site = Mocks(directory, binary)
        try:
            theirs = measured(kind, count, site.haproxy)
            ours = measured(kind, count, site.other)
        except (Lost, OSError) as error:
            raise SystemExit(f"{name}: not every connection stayed: {error!r}") from error
        finally:
            site.stop()
    cells = [
        name,
        f"{count}",
        f"{theirs[0] / 1000:.1f}",
        f"{ours[0] / 1000:.1f}",
        f"**{ours[0] / theirs[0]:.2f}**",
        f"{theirs[1] / 1e6:.0f} / {ours[1] / 1e6:.0f}",
        f"{theirs[2] / 1e6:.0f} / {ours[2] / 1e6:.0f}",
    ]
    print("| " + " | ".join(cells) + " |", flush=True)


def main():
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--share", type=float, default=1, help="of the usual number of connections: 0.1 for a quick try")
    chosen = arguments.parse_args()
    binary = os.environ.get("TIDEGATE", "target/release/tidegate")
    if not os.access(binary, os.X_OK):
        sys.exit(f"no binary at {binary}: set TIDEGATE, or `make build`")
    os.environ["PATH"] += ":/usr/sbin"
    for tool in ("haproxy", "openssl"):
        if not shutil.which(tool):
            sys.exit(f"memory.py needs {tool} (Debian package of the same name)")
    print(f"{THREADS} threads each\n")
    print("| held | count | HAProxy KB each | tidegate KB each | ratio | MB with them, both | MB when they have gone, both |")
    print("| --- | --- | --- | --- | --- | --- | --- |")
    for name, (kind, count) in WORKS.items():
        row(name, kind, max(20, int(count * chosen.share)), os.path.abspath(binary))


if __name__ == "__main__":
    main()
