#!/usr/bin/env python3
"""Minutes of mixed traffic, good and hostile, with providers that die and come back: is every answer right, and does nothing grow?

Clients speak HTTP/1.1, HTTP/2, TLS, WebSocket and the PROXY protocol, send large bodies, leave early, drip heads, send
what is malformed and flood; servers are tidegate's own mock providers and one that is rude (soak_origin.py). What each
client must see is in soak_traffic.py and soak_hostile.py. Exit code 1, with the reasons, if
- an answer was wrong, or a good request failed while no provider had been killed;
- a flood of HTTP/2 frames was not ended, or not counted;
- resident memory at the end is above 1.1 x the level after the warm-up + 8 MB, or descriptors above 1.1 x + 40;
- afterwards something counts as in flight, a descriptor is left beside idle connections to servers, or it is still busy;
- tidegate ended, panicked, or lost a line of its access log.

TIDEGATE names the binary (else target/release/tidegate), SECONDS how long (else 300).
"""

import argparse
import collections
import json
import os
import random
import re
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import traceback
import urllib.request

sys.dont_write_bytecode = True
from proxies import THREADS, Process, certificate, free_ports, write
from soak_hostile import MAY_STAY
from soak_http import Broken, Wrong
from soak_traffic import SCENARIOS
from soak_worker import Failed, Worker

WARM_UP = 0.2  # of the time; growth is measured from there
GROWTH, SLACK = 1.1, 8e6  # memory at the end is at most GROWTH x warm + SLACK bytes
DESCRIPTORS = 40  # more at the end than GROWTH x warm: their number follows the mix of a moment
POOL_KEEPS = 35  # seconds that tidegate keeps an idle connection to a server, and a little more
KILL_EVERY, DEAD_FOR = 8.0, 3.0  # seconds
CHUNK_DELAY = 20  # milliseconds between two events of a provider's stream
PROVIDERS = ("alpha", "beta", "gamma")

CONFIG = """
global: {{threads: {threads}, max_connections: 2000, shutdown_grace: 5s, state_dir: {directory}/state}}
admin: {{listen: "127.0.0.1:{admin}", socket: {directory}/admin.sock}}
log: {{level: info, access: {{to: {directory}/access.log, format: json}}}}
defaults:
  timeouts: {{request_head: 2s, client: 4s, keep_alive: 5s, connect: 1s, queue: 5s, first_byte: 5s, server: 3s, total: 30s, tunnel: 5s}}
  max_request_body: 2m
tables:
  by_ip: {{key: src, size: 10k, expire: 1m, counters: [http_req_rate(10s), http_err_rate(10s), conn_cur]}}
  by_key: {{key: api_key, size: 10k, expire: 1m, counters: [http_req_rate(10s)]}}
  by_peer: {{key: src, size: 10k, expire: 1m, counters: [conn_cur, conn_rate(10s), bytes_in_rate(10s), bytes_out_rate(10s), gpc0]}}
acls:
  rude: {{path_beg: /rude/}}
  tarpit: {{path: /tarpit}}
  forgotten: {{path: /forgotten}}
  unwanted: {{src: 192.0.2.66}}
  ignored: {{src: 192.0.2.99}}
  flood: {{table: by_ip, counter: http_req_rate, above: 100m}}
frontends:
  web:
    bind:
      - address: 127.0.0.1:{plain}
      - address: 127.0.0.1:{tls}
        tls: {{certificates: [{certificate}]}}
      - {{address: 127.0.0.1:{proxy}, accept_proxy: [127.0.0.1/32]}}
    connection_rules:
      - {{reject: true, if: unwanted}}
      - {{silent_drop: true, if: ignored}}
      - {{track: by_peer}}
    rules:
      - {{track: by_ip}}
      - {{track: by_key}}
      - {{deny: {{status: 429}}, if: flood}}
      - {{set_header: {{x-forwarded-proto: https}}}}
      - {{tarpit: {{for: 500ms, status: 429}}, if: tarpit}}
      - {{raise: {{table: by_peer, counter: gpc0}}, if: forgotten}}
      - {{silent_drop: true, if: forgotten}}
      - {{rewrite_path: {{prefix: /old, to: /rude}}}}
      - {{use_backend: rude, if: rude}}
    response_rules: [{{set_header: {{x-soak-edge: "%[method] %[status]"}}}}]
    default_backend: providers
clients: {{mode: optional, keys: [{{name: soak, key: soak-key, plan: soak}}]}}
plans: {{soak: {{requests_per_minute: 10m, concurrent: 10k}}}}
backends:
  providers:
    retry: {{attempts: 3, backoff: 10ms..100ms, budget: 100%}}
    check: {{http: {{path: /models}}, interval: 500ms, fast_interval: 200ms, timeout: 1s, rise: 1, fall: 2}}
    servers:
      alpha: {{url: "http://127.0.0.1:{alpha}/v1", max_concurrent: 20}}
      beta: {{url: "http://127.0.0.1:{beta}/v1", max_concurrent: 20}}
      gamma: {{url: "http://127.0.0.1:{gamma}/v1", max_concurrent: 20}}
  rude:
    servers:
      one: {{url: "http://127.0.0.1:{one}"}}
      two: {{url: "http://127.0.0.1:{two}", send_proxy: true}}
"""


class Site:
    """tidegate, its providers, and what was seen of them."""

    def __init__(self, directory, binary):
        self.directory, self.binary = directory, binary
        self.lock, self.ending = threading.Lock(), threading.Event()
        self.tally = collections.defaultdict(collections.Counter)
        self.floods = collections.defaultdict(collections.Counter)
        self.wrong, self.kills, self.running = [], [], []
        names = ["plain", "tls", "admin", *PROVIDERS, "one", "two", "proxy"]
        self.every = dict(zip(names, free_ports(len(names))))
        self.provider_ports = {self.every[name] for name in (*PROVIDERS, "one", "two")}
        values = dict(self.every, directory=directory, threads=THREADS, certificate=certificate(directory))
        self.ports = {name: self.every[name] for name in ("plain", "tls", "proxy", "admin")}
        path = write(directory, "soak.yaml", CONFIG.format(**values))
        origin = os.path.join(os.path.dirname(os.path.abspath(__file__)), "soak_origin.py")
        self.origin = self.start("origin", [sys.executable, origin, str(self.every["one"]), str(self.every["two"])])
        self.origin.await_port(self.every["two"])
        self.mocks = {name: self.mock(name) for name in PROVIDERS}
        self.proxy = self.start("tidegate", [binary, "run", "-c", path])
        for port in self.ports.values():
            self.proxy.await_port(port)

    def start(self, name, command):
        process = Process(name, command)
        self.running.append(process)
        return process

    def mock(self, name):
        address = f"127.0.0.1:{self.every[name]}"
        # Streams that last: some are in their middle when their provider is killed.
        pause = f"chunk_delay_ms={CHUNK_DELAY}"
        mock = self.start(name, [self.binary, "mock", "--listen", address, "--name", name, "--fault", pause])
        mock.await_port(self.every[name])
        return mock

    def stop(self):
        for process in self.running:
            process.stop()

    def explained(self, start):
        """Was a provider killed while this request went on, or so shortly before that checks had not seen it?"""
        with self.lock:
            return any(kill > start - 1.5 for kill in self.kills)

    def flooded(self, name, ended):
        with self.lock:
            self.floods[name]["ended" if ended else "NOT ended"] += 1

    def count(self, scenario, how, took=None, why=None):
        with self.lock:
            self.tally[scenario][how] += 1
            if why:
                self.wrong.append(f"{scenario}: {why}")

    def get(self, path):
        with urllib.request.urlopen(f"http://127.0.0.1:{self.ports['admin']}{path}", timeout=5) as answer:
            return answer.read().decode()

    def command(self, text):
        with socket.socket(socket.AF_UNIX) as admin:
            admin.settimeout(5)
            admin.connect(f"{self.directory}/admin.sock")
            admin.sendall(text.encode() + b"\n")
            got = b""
            while more := admin.recv(65536):
                got += more
        return got.decode()

    def descriptors(self):
        """Open descriptors: all but connections to servers, and those."""
        to_servers, directory = set(), f"/proc/{self.proxy.process.pid}/fd"
        with open("/proc/net/tcp") as table:
            for fields in map(str.split, table.readlines()[1:]):
                if int(fields[2].split(":")[1], 16) in self.provider_ports:
                    to_servers.add(f"socket:[{fields[9]}]")
        links = []
        for name in os.listdir(directory):
            try:
                links.append(os.readlink(os.path.join(directory, name)))
            except FileNotFoundError:
                pass
        idle = sum(link in to_servers for link in links)
        return len(links) - idle, idle


def client(site, number):
    """One worker: scenarios by their weight, until the end."""
    worker = Worker(site, number)
    scenarios, weights = zip(*SCENARIOS)
    while not site.ending.is_set():
        scenario = worker.random.choices(scenarios, weights)[0]
        start = time.monotonic()
        try:
            scenario(worker)
            site.count(scenario.__name__, "right")
        except Exception as error:
            plain = isinstance(error, (Failed, Broken, OSError))
            if plain and scenario.__name__.startswith("chat") and site.explained(start):
                site.count(scenario.__name__, "explained")
            else:
                known = isinstance(error, (Failed, Broken, Wrong, OSError))
                site.count(scenario.__name__, "WRONG", why=repr(error) if known else traceback.format_exc())
        time.sleep(worker.random.random() * 0.02)
    worker.close()


def killer(site):
    """Kills a provider, revives it, kills the next; now and then one is only slow, or fails a few requests."""
    turn = 0
    while not site.ending.wait(KILL_EVERY - DEAD_FOR):
        name = PROVIDERS[turn % len(PROVIDERS)]
        turn += 1
        with site.lock:
            site.kills.append(time.monotonic())
        mock = site.mocks[name]
        mock.process.send_signal(signal.SIGKILL)
        mock.process.wait()
        site.running.remove(mock)
        site.ending.wait(DEAD_FOR)
        site.mocks[name] = site.mock(name)
        faults = dict(random.choice([{"delay_ms": 50}, {"status": 503, "times": 2}, {}]), chunk_delay_ms=CHUNK_DELAY)
        url = f"http://127.0.0.1:{site.every[name]}/mock/faults"
        urllib.request.urlopen(urllib.request.Request(url, json.dumps(faults).encode(), method="POST"), timeout=5).close()


def watch(site, seconds, samples):
    """A sample every second: time, resident bytes, descriptors without and to servers. A row of the table now and then."""
    start, shown = time.monotonic(), 0
    print("\n| s | RSS MB | descriptors | of them to servers | CPU s | good | explained | wrong |")
    print("| --- | --- | --- | --- | --- | --- | --- | --- |")
    while (now := time.monotonic() - start) < seconds and site.proxy.process.poll() is None:
        other, idle = site.descriptors()
        samples.append((now, site.proxy.memory() * 1e6, other, idle))
        if now >= shown:
            shown += seconds / 12
            with site.lock:
                how = [sum(one[kind] for one in site.tally.values()) for kind in ("right", "explained", "WRONG")]
            cells = [f"{now:.0f}", f"{samples[-1][1] / 1e6:.1f}", other + idle, idle, f"{site.proxy.cpu():.1f}", *how]
            print("| " + " | ".join(map(str, cells)) + " |", flush=True)
        time.sleep(1)


def level(samples, seconds, start, end, column):
    """The median within a part of the time."""
    return statistics.median(one[column] for one in samples if start * seconds <= one[0] <= end * seconds)


def gauges(site):
    """What says how much there is now: name with labels, and value."""
    pattern = r"^(tidegate_(?:connections|requests_in_flight|server_in_flight|queue_length|process_connections|body_memory\w*)(?:\{.*\})?) (\S+)$"
    found = {name: float(value) for name, value in re.findall(pattern, site.get("/metrics"), re.M)}
    return {name: value for name, value in found.items() if "_max" not in name}


def leftovers(site, before):
    """After the traffic: what still counts as there, as text; empty when all is back to nothing."""
    now = gauges(site)
    found = [f"{name} is {value:.0f}" for name, value in now.items() if value]
    if not any(name.startswith("tidegate_requests_in_flight") for name in now):
        found.append("/metrics says nothing of requests in flight")
    lines = site.command("show stat").splitlines()
    column = lines[0].split(",").index("scur")
    found += [f"show stat: scur of {row}" for row in lines[1:] if len(row.split(",")) > column and row.split(",")[column] not in ("", "0")]
    for table in ("by_ip", "by_key", "by_peer"):
        entries = site.command(f"show table {table}")
        found += [f"show table {table}: {one}" for one in re.findall(r"use=[1-9]\d*.*|.*conn_cur=[1-9].*", entries)]
    other, _ = site.descriptors()
    if other > before:
        found.append(f"{other} descriptors beside connections to servers, {before} before")
    return found


def uncounted(site):
    """Every flood that was ended has to show in the metrics."""
    found = re.findall(r'^tidegate_denied_total\{reason="(\w+)"\} ([1-9]\d*)$', site.get("/metrics"), re.M)
    print("\nrefused, as counted: " + ", ".join(f"{reason} {count}" for reason, count in found))
    counted = sum(int(count) for reason, count in found if reason.startswith("h2_"))
    ended = sum(counts["ended"] for name, counts in site.floods.items() if name not in MAY_STAY)
    return [f"{ended} floods were ended, {counted} counted"] if counted < ended else []


def verdict(site, samples, seconds, before):
    failures = [f"wrong: {one}" for one in site.wrong[:20]]
    if len(site.wrong) > 20:
        failures.append(f"... and {len(site.wrong) - 20} more")
    failures += [f"flood: {name} was not ended ({counts['NOT ended']} times)" for name, counts in site.floods.items() if counts["NOT ended"]]
    if site.proxy.process.poll() is not None:
        return failures + [f"tidegate ended with {site.proxy.process.returncode}"]
    warm, end = (level(samples, seconds, at, at + 0.1, 1) for at in (WARM_UP, 0.9))
    print(f"\nresident: {warm / 1e6:.1f} MB after the warm-up, {end / 1e6:.1f} MB at the end")
    if end > GROWTH * warm + SLACK:
        failures.append(f"memory grew from {warm / 1e6:.1f} to {end / 1e6:.1f} MB")
    for column, name in ((2, "descriptors"), (3, "connections to servers")):
        warm, end = (level(samples, seconds, at, at + 0.1, column) for at in (WARM_UP, 0.9))
        print(f"{name}: {warm:.0f} after the warm-up, {end:.0f} at the end")
        # Idle connections to servers gather for POOL_KEEPS: a shorter warm-up shows them growing.
        if end > GROWTH * warm + DESCRIPTORS and (column == 2 or WARM_UP * seconds > POOL_KEEPS):
            failures.append(f"{name} grew from {warm:.0f} to {end:.0f}")
    until = time.monotonic() + 20
    while (left := leftovers(site, before)) and time.monotonic() < until:
        time.sleep(0.5)
    other, idle = site.descriptors()
    print(f"afterwards: {other} descriptors ({before} before), {idle} idle connections to servers, RSS {site.proxy.memory():.1f} MB")
    failures += [f"left over: {one}" for one in left] + uncounted(site)
    busy = site.proxy.cpu()
    time.sleep(3)
    if (busy := site.proxy.cpu() - busy) > 0.3:
        failures.append(f"it took {busy:.1f} s of CPU time within 3 s of no traffic")
    return failures + ended_well(site)


def output(process):
    process.log.seek(0)
    return process.log.read().decode(errors="replace")


def ended_well(site):
    """The log is whole, the process stops as ordered, and it said nothing of a panic."""
    metrics = site.get("/metrics")
    requests = sum(float(value) for value in re.findall(r"^tidegate_requests_total\{.*\} (\S+)$", metrics, re.M))
    dropped = sum(float(value) for value in re.findall(r"^tidegate_log_lines_dropped_total (\S+)$", metrics, re.M))
    site.proxy.process.send_signal(signal.SIGTERM)
    try:
        code = site.proxy.process.wait(10)
    except subprocess.TimeoutExpired:
        return ["tidegate does not stop, though nothing is in flight"]
    with open(f"{site.directory}/access.log") as log:
        # What ended a connection before there was a request has its line too, without a request's id.
        lines = sum('"request_id":' in line for line in log)
    failures = [f"tidegate stopped with {code}"] if code else []
    if lines + dropped != requests:
        failures.append(f"{requests:.0f} requests were counted, {lines} lines logged, {dropped:.0f} dropped")
    failures += [f"the rude server says: {line}" for line in output(site.origin).splitlines()[-5:]]
    said = output(site.proxy)
    return failures + [f"tidegate said: {line}" for line in said.splitlines() if "panick" in line or " ERROR " in line][:5]


def soak(site, seconds, workers):
    time.sleep(1)
    before, _ = site.descriptors()
    samples = []
    threads = [threading.Thread(target=client, args=(site, number), daemon=True) for number in range(workers)]
    threads.append(threading.Thread(target=killer, args=(site,), daemon=True))
    for thread in threads:
        thread.start()
    watch(site, seconds, samples)
    site.ending.set()
    for thread in threads:
        thread.join(60)
    print("\n| scenario | right | explained by a killed provider | wrong |\n| --- | --- | --- | --- |")
    for name, how in sorted(site.tally.items()):
        print(f"| {name} | {how['right']} | {how['explained']} | {how['WRONG']} |")
    print("\nfloods: " + ", ".join(f"{name} {dict(counts)}" for name, counts in sorted(site.floods.items())))
    print(f"providers killed: {len(site.kills)}")
    failures = verdict(site, samples, seconds, before)
    if any(thread.is_alive() for thread in threads):
        failures.append("a client still waits for its answer")
    return failures


def main():
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--seconds", type=int, default=int(os.environ.get("SECONDS", 300)))
    arguments.add_argument("--workers", type=int, default=12)
    arguments.add_argument("--keep", help="directory to keep configuration and logs in")
    chosen = arguments.parse_args()
    binary = os.path.abspath(os.environ.get("TIDEGATE", "target/release/tidegate"))
    if not os.access(binary, os.X_OK):
        sys.exit(f"no binary at {binary}: set TIDEGATE, or `make build`")
    for tool in ("curl", "openssl"):
        if not shutil.which(tool):
            sys.exit(f"soak.py needs {tool} (Debian package of the same name)")
    with tempfile.TemporaryDirectory() as directory:
        site = Site(directory, binary)
        try:
            failures = soak(site, chosen.seconds, chosen.workers)
        finally:
            site.stop()
            if chosen.keep:
                write(directory, "tidegate.log", output(site.proxy))
                write(directory, "origin.log", output(site.origin))
                shutil.copytree(directory, chosen.keep, dirs_exist_ok=True, ignore=shutil.ignore_patterns("*.sock"))
    print("\n" + "\n".join(["FAILED", *failures] if failures else ["PASSED: every answer was right, nothing grew, nothing is left"]))
    sys.exit(1 if failures else 0)


if __name__ == "__main__":
    main()
