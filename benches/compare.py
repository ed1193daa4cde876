"""Rounds of load against HAProxy and tidegate in turn; prints medians and ratios. See run.sh."""

import argparse
import os
import platform
import re
import shutil
import statistics
import subprocess
import tempfile

from proxies import THREADS, Site

CONNECTIONS = 64


def run(command, seconds):
    done = subprocess.run(command, capture_output=True, text=True, timeout=seconds + 30)
    if done.returncode != 0:
        raise SystemExit(f"{' '.join(command)} failed:\n{done.stdout}{done.stderr}")
    return done.stdout


def number(pattern, text):
    found = re.search(pattern, text)
    if not found:
        raise SystemExit(f"no {pattern!r} in:\n{text}")
    return float(found.group(1))


def wrk(url, seconds, *more):
    """Requests answered and the seconds it took; anything but a 2xx ends the run."""
    text = run(["wrk", "-t2", f"-c{CONNECTIONS}", f"-d{seconds}s", "--latency", *more, url], seconds)
    if "Non-2xx" in text or "Socket errors" in text:
        raise SystemExit(f"not every request was answered well:\n{text}")
    count = number(r"(\d+) requests in", text)
    return count, count / number(r"Requests/sec:\s+([\d.]+)", text), milliseconds(text)


def milliseconds(text):
    value, unit = re.search(r"99%\s+([\d.]+)(us|ms|s)", text).groups()
    return float(value) * {"us": 0.001, "ms": 1, "s": 1000}[unit]


def h2load(url, seconds):
    """Ten connections with ten streams each."""
    command = ["h2load", "-t1", "-c10", "-m10", "-D", str(seconds), url]
    text = run(command, seconds)
    count = number(r"requests: \d+ total, \d+ started, \d+ done, (\d+) succeeded", text)
    if number(r"(\d+) errored", text) or number(r"status codes: \d+ 2xx, (\d+) 3xx", text):
        raise SystemExit(f"not every request was answered well:\n{text}")
    if not re.search(r"status codes: [1-9]\d* 2xx, 0 3xx, 0 4xx, 0 5xx", text):
        raise SystemExit(f"not every request was answered well:\n{text}")
    return count, seconds, None


WORKS = {
    "HTTP/1.1 keep-alive, plain, 1 KB": lambda proxy, s: wrk(f"http://127.0.0.1:{proxy.plain}/v1/x", s),
    "HTTP/1.1 keep-alive, TLS 1.3, 1 KB": lambda proxy, s: wrk(f"https://127.0.0.1:{proxy.tls}/v1/x", s),
    "HTTP/2 over TLS, 10 x 10 streams": lambda proxy, s: h2load(f"https://127.0.0.1:{proxy.tls}/v1/x", s),
}


def measured(work, proxy, seconds):
    """CPU microseconds per request, requests per second, 99th percentile in ms (or None)."""
    before = proxy.cpu()
    count, took, p99 = work(proxy, seconds)
    return (proxy.cpu() - before) / count * 1e6, count / took, p99


def spread(values):
    return f"{min(values):.2f}-{max(values):.2f}"


def compare(site, name, work, rounds, seconds):
    results = {site.haproxy: [], site.other: []}
    for proxy in results:
        work(proxy, 1)  # connections to the servers are open, caches are warm
    for turn in range(rounds):
        # A B, B A, ...: what drifts with time weighs on both alike.
        for proxy in sorted(results, key=lambda p: p is site.other, reverse=turn % 2 == 1):
            results[proxy].append(measured(work, proxy, seconds))
    ours, theirs = results[site.other], results[site.haproxy]
    cpu = [o[0] / t[0] for o, t in zip(ours, theirs)]
    rate = [o[1] / t[1] for o, t in zip(ours, theirs)]
    median = statistics.median
    cells = [
        name,
        f"{median(t[0] for t in theirs):.1f}",
        f"{median(o[0] for o in ours):.1f}",
        f"**{median(cpu):.2f}** ({spread(cpu)})",
        f"{median(t[1] for t in theirs):.0f}",
        f"{median(o[1] for o in ours):.0f}",
        f"**{median(rate):.2f}** ({spread(rate)})",
        " / ".join(f"{median(r[2] for r in side):.1f}" for side in (theirs, ours)) if ours[0][2] else "-",
    ]
    print("| " + " | ".join(cells) + " |", flush=True)


def machine():
    with open("/proc/cpuinfo") as info:
        names = re.findall(r"model name\s*: (.*)", info.read())
    version = run(["haproxy", "-v"], 5).splitlines()[0]
    return f"{names[0] if names else platform.machine()}, {os.cpu_count()} cores; {platform.release()}; {version}"


def main():
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--rounds", type=int, default=3)
    arguments.add_argument("--seconds", type=int, default=3, help="of each round")
    arguments.add_argument("--self", action="store_true", help="HAProxy against HAProxy")
    chosen = arguments.parse_args()
    binary = None if chosen.self else os.environ["TIDEGATE"]
    works = dict(WORKS)
    if not shutil.which("h2load"):
        works.popitem()
        print("h2load is not installed (Debian: nghttp2-client): no HTTP/2")
    with tempfile.TemporaryDirectory() as directory:
        site = Site(directory, binary)
        try:
            print(machine())
            print(f"{THREADS} threads each, {CONNECTIONS} connections, median of {chosen.rounds} x {chosen.seconds} s")
            other = site.other.name
            print(f"\n| work | HAProxy us | {other} us | CPU ratio | HAProxy req/s | {other} req/s | ratio | p99 ms, both |")
            print("| --- | --- | --- | --- | --- | --- | --- | --- |")
            for name, work in works.items():
                compare(site, name, work, chosen.rounds, chosen.seconds)
            print(f"\nresident after it: HAProxy {site.haproxy.memory():.0f} MB, {other} {site.other.memory():.0f} MB")
        finally:
            site.stop()


if __name__ == "__main__":
    main()
