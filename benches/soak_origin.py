"""A server that answers as its path says, well or rudely; its answers carry the x-soak-id of the request. See soak.py.

What follows an answer where nothing may follow contains POISON: no client may ever see it. What it prints is a failure of
the soak: a request that nobody sent, or one that it does not understand.
"""

import asyncio
import hashlib
import sys
from urllib.parse import parse_qs, urlsplit

POISON = b"HTTP/1.1 200 OK\r\nx-soak-id: POISON\r\ncontent-length: 6\r\n\r\nPOISON"


class Request:
    def __init__(self, head):
        lines = head.decode("latin-1").split("\r\n")
        self.method, target, _ = lines[0].split(" ", 2)
        pairs = (line.split(":", 1) for line in lines[1:] if ":" in line)
        self.headers = {name.lower(): value.strip() for name, value in pairs}
        url = urlsplit(target)
        self.path, self.query = url.path, {name: all[0] for name, all in parse_qs(url.query).items()}
        self.marker = self.headers.get("x-soak-id", "none")

    async def body(self, reader):
        if "chunked" in self.headers.get("transfer-encoding", "").lower():
            whole = b""
            while size := int(await reader.readuntil(b"\n"), 16):
                whole += await reader.readexactly(size)
                await reader.readexactly(2)
            if await reader.readuntil(b"\n") != b"\r\n":
                print("a server got trailers", flush=True)
            return whole
        return await reader.readexactly(int(self.headers.get("content-length", 0)))


def head(request, *fields, status="200 OK"):
    lines = [f"HTTP/1.1 {status}", f"x-soak-id: {request.marker}", *fields]
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


def chunk(data):
    return b"%x\r\n%s\r\n" % (len(data), data)


async def echo(request, body, writer):
    """The body, framed as `as` says; False: the connection has to end."""
    digest = "x-soak-sha: " + hashlib.sha256(body).hexdigest()
    kind = request.query.get("as", "length")
    if kind == "chunked":
        pieces = [body[at : at + 9000] for at in range(0, len(body), 9000)]
        writer.write(head(request, digest, "transfer-encoding: chunked") + b"".join(map(chunk, pieces)) + b"0\r\n\r\n")
    elif kind == "close":
        writer.write(head(request, digest, "connection: close") + body)
    else:
        writer.write(head(request, digest, f"content-length: {len(body)}") + body)
    return kind != "close"


async def stream(request, body, writer):
    writer.write(head(request, "content-type: text/event-stream", "transfer-encoding: chunked"))
    for number in range(int(request.query.get("n", 10))):
        writer.write(chunk(f"data: {request.marker} {number}\n\n".encode()))
        await writer.drain()
        await asyncio.sleep(0.03)
    writer.write(chunk(b"data: [DONE]\n\n") + b"0\r\n\r\n")
    return True


async def slow(request, body, writer):
    await asyncio.sleep(0.4)
    return await echo(request, body, writer)


async def hints(request, body, writer):
    writer.write(b"HTTP/1.1 103 Early Hints\r\nlink: </x>\r\n\r\n" * 3)
    return await echo(request, body, writer)


async def upgrade(request, body, writer):
    fields = "connection: upgrade", "upgrade: websocket", "sec-websocket-accept: x"
    writer.write(head(request, *fields, status="101 Switching Protocols"))
    return None


async def stall(request, body, writer):
    writer.write(head(request, "content-length: 1000") + b"x" * 10)
    await writer.drain()
    await asyncio.sleep(60)
    return False


def says(*parts):
    """Answers these bytes and ends the connection; `{id}` is the marker."""

    async def answer(request, body, writer):
        writer.write(b"".join(parts).replace(b"{id}", request.marker.encode()))
        return False

    return answer


# Ports on which every connection begins with a PROXY header, version 2: all but the first.
BEHIND_PROXY = set()
OK = b"HTTP/1.1 200 OK\r\nx-soak-id: {id}\r\n"
PATHS = {
    "echo": echo,
    "stream": stream,
    "slow": slow,
    "hints": hints,
    "upgrade": upgrade,
    "stall": stall,
    # Answers that are no answers: 502.
    "empty": says(),
    "garbage": says(b"\x16\x03 this is not HTTP\r\n\r\n"),
    "two_lengths": says(OK + b"content-length: 3\r\ncontent-length: 4\r\n\r\nabc"),
    "junk_head": says(b"HTTP/1.1 200 OK\r\nno colon\r\n\r\n"),
    "long_head": says(OK + b"x-long: " + b"y" * 200_000 + b"\r\n\r\n"),
    "hint_flood": says(b"HTTP/1.1 103 Early Hints\r\nlink: </x>\r\n\r\n" * 20_000),
    # Answers that break off: a visibly broken transfer.
    "half": says(OK + b"content-length: 1000\r\n\r\n" + b"x" * 500),
    "half_chunk": says(OK + b"transfer-encoding: chunked\r\n\r\n" + b"100\r\nxxxx"),
    "bad_chunk": says(OK + b"transfer-encoding: chunked\r\n\r\n" + b"3\r\nabc\r\nzz\r\nabc\r\n0\r\n\r\n"),
    # Answers with something behind them, which must reach nobody.
    "after": says(OK + b"content-length: 4\r\n\r\nbody" + POISON),
    "after_chunks": says(OK + b"transfer-encoding: chunked\r\n\r\n4\r\nbody\r\n0\r\n\r\n" + POISON),
    "no_content": says(b"HTTP/1.1 204 No Content\r\nx-soak-id: {id}\r\n\r\n" + POISON),
}


async def serve(reader, writer):
    try:
        if writer.get_extra_info("sockname")[1] in BEHIND_PROXY:
            signature = await reader.readexactly(16)
            if signature[:12] != b"\r\n\r\n\0\r\nQUIT\n":
                return
            await reader.readexactly(int.from_bytes(signature[14:], "big"))
        while True:
            request = Request(await reader.readuntil(b"\r\n\r\n"))
            if request.headers.get("expect") == "100-continue":
                writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
            if request.marker == "SMUGGLED":
                print("a server got a request that was smuggled", flush=True)
            body = await request.body(reader)
            go_on = await PATHS[request.path.rsplit("/", 1)[1]](request, body, writer)
            await writer.drain()
            if go_on is None:
                while data := await reader.read(4096):
                    writer.write(data)
                    await writer.drain()
            if not go_on:
                return
    except (asyncio.IncompleteReadError, ConnectionError):
        pass
    finally:
        writer.close()


async def main(ports):
    BEHIND_PROXY.update(ports[1:])
    servers = [await asyncio.start_server(serve, "127.0.0.1", port, limit=1 << 20) for port in ports]
    await asyncio.gather(*(server.serve_forever() for server in servers))


if __name__ == "__main__":
    try:
        asyncio.run(main([int(port) for port in sys.argv[1:]]))
    except KeyboardInterrupt:
        pass
