"""A blocking HTTP/1.1 client that believes nothing: an answer is whole, or it says that it is not. See soak.py."""

import random
import socket
import ssl

TIMEOUT = 15  # seconds for any single wait


# Versions 1 and 2 of the PROXY protocol: TCP over IPv4 from 192.0.2.7, and a check of the sender's own (LOCAL).
SIGNATURE = b"\r\n\r\n\0\r\nQUIT\n"
PROXY_HEADERS = [
    b"PROXY TCP4 192.0.2.7 127.0.0.1 40000 443\r\n",
    SIGNATURE + b"\x21\x11\0\x0c" + bytes([192, 0, 2, 7, 127, 0, 0, 1, 0x9C, 0x40, 1, 0xBB]),
    SIGNATURE + b"\x20\0\0\0",
]


class Wrong(Exception):
    """Something that must not happen."""


class Broken(Exception):
    """The connection ended, or fell silent, where an answer should be or go on."""


class Answer:
    def __init__(self, head):
        lines = head.decode("latin-1").split("\r\n")
        version, status, _ = (lines[0] + "  ").split(" ", 2)
        if version != "HTTP/1.1":
            raise Wrong(f"an answer begins with {lines[0]!r}")
        self.status, self.body = int(status), b""
        self.headers = {}
        for line in lines[1:]:
            name, value = line.split(":", 1)
            if name.lower() in self.headers and name.lower() == "content-length":
                raise Wrong("two content-lengths")
            self.headers[name.lower()] = value.strip()

    @property
    def last(self):
        """No other answer comes on this connection."""
        return self.headers.get("connection", "").lower() == "close"


class Client:
    """One connection to tidegate. `kind`: plain, tls or proxy (plain, behind a PROXY header, `header` if given)."""

    def __init__(self, ports, kind, header=None):
        self.buffer = b""
        self.socket = socket.create_connection(("127.0.0.1", ports[kind]), TIMEOUT)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if kind == "proxy":
            self.send(header or random.choice(PROXY_HEADERS))
        if kind == "tls":
            self.socket = self.tls().wrap_socket(self.socket, server_hostname="localhost")

    @staticmethod
    def tls(protocol="http/1.1"):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        context.set_alpn_protocols([protocol])
        return context

    def send(self, data):
        self.socket.sendall(data)

    def close(self, reset=False):
        if reset:
            # No time to linger: an RST instead of a FIN.
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        self.socket.close()

    def more(self):
        try:
            got = self.socket.recv(65536)
        except TimeoutError as error:
            raise Broken("silence") from error
        except OSError as error:
            raise Broken(repr(error)) from error
        if not got:
            raise Broken("closed")
        self.buffer += got

    def line(self, end=b"\r\n"):
        while end not in self.buffer:
            self.more()
        line, self.buffer = self.buffer.split(end, 1)
        return line

    def exactly(self, count):
        while len(self.buffer) < count:
            self.more()
        got, self.buffer = self.buffer[:count], self.buffer[count:]
        return got

    def rest(self):
        """All that comes to the end of the connection, however it ends."""
        try:
            while True:
                self.more()
        except Broken as end:
            if str(end) == "silence":
                raise
        got, self.buffer = self.buffer, b""
        return got

    def head(self):
        while True:
            answer = Answer(self.line(b"\r\n\r\n"))
            if answer.status >= 200 or answer.status == 101:
                return answer

    def answer(self, method="POST"):
        """The next whole answer. `Broken` carries no body: whoever wants the part of one reads `partial`."""
        answer = self.partial = self.head()
        if method == "HEAD" or answer.status in (101, 204, 304):
            return answer
        if "chunked" in answer.headers.get("transfer-encoding", "").lower():
            while size := int(self.line(), 16):
                answer.body += self.exactly(size)
                if self.exactly(2) != b"\r\n":
                    raise Wrong("a chunk without its end")
            if self.line():
                raise Wrong("trailers")
        elif "content-length" in answer.headers:
            answer.body = self.exactly(int(answer.headers["content-length"]))
        else:
            answer.body = self.rest()
        return answer


def request(method, path, marker, body=b"", chunked=False, **fields):
    lines = [f"{method} {path} HTTP/1.1", "Host: localhost", f"x-soak-id: {marker}", f"x-request-id: {marker}"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in fields.items()]
    lines.append("Authorization: Bearer soak-key")
    if chunked:
        lines.append("Transfer-Encoding: chunked")
        pieces = [body[at : at + 30_000] for at in range(0, len(body), 30_000)]
        body = b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in pieces) + b"0\r\n\r\n"
    elif method not in ("GET", "HEAD"):
        lines.append(f"Content-Length: {len(body)}")
    return ("\r\n".join(lines) + "\r\n\r\n").encode() + body
