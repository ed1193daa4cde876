"""A client of the soak: its connections, its markers, and what makes an answer the right one. See soak.py."""

import random
import time

from soak_http import Broken, Client, Wrong, request

FRESH = 2.0  # seconds that an idle connection is used again; well below `keep_alive`


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


def expect(answer, *statuses):
    if answer.status not in statuses:
        raise Wrong(f"expected {statuses}, got {answer.status} {answer.body[:200]}")
