"""The two proxies under equal work, and the servers behind them, each a process that ends with this one.

Equal work: three headers toward the server (x-forwarded-for, x-request-id, x-forwarded-proto), one stick table tracked
by address and compared with a limit, round robin over three servers, connections to them kept, no access log.
"""

import os
import signal
import socket
import subprocess
import tempfile
import time

THREADS = 2
ANSWER = 1024  # bytes of a server's answer

HAPROXY = """
global
  nbthread {threads}
  maxconn 8000
  stats socket {directory}/{name}.sock
defaults
  mode http
  timeout client 50s
  timeout server 60s
  timeout connect 5s
  timeout http-request 10s
  timeout http-keep-alive 300s
  option http-no-delay
  http-reuse always
  unique-id-format %{{+X}}o\\ %ci:%cp_%fi:%fp_%Ts_%rt:%pid
frontend web
  bind 127.0.0.1:{plain}
  bind 127.0.0.1:{tls} ssl crt {certificate} alpn h2,http/1.1 ssl-min-ver TLSv1.2
  stick-table type ip size 100k expire 30s store http_req_rate(10s)
  http-request track-sc0 src
  http-request deny deny_status 429 if {{ sc_http_req_rate(0) gt 100000000 }}
  option forwardfor
  unique-id-header X-Request-Id
  http-request set-header X-Forwarded-Proto https
  default_backend servers
backend servers
  balance roundrobin
  server a 127.0.0.1:{servers[0]}
  server b 127.0.0.1:{servers[1]}
  server c 127.0.0.1:{servers[2]}
"""

TIDEGATE = """
global: {{threads: {threads}, state_dir: {directory}/state}}
admin: {{listen: 127.0.0.1:{admin}, socket: {directory}/admin.sock}}
log: {{level: warn, access: {{to: "off", format: json}}}}
defaults: {{timeouts: {{keep_alive: 300s}}}}
tables:
  by_ip: {{key: src, size: 100k, expire: 30s, counters: [http_req_rate(10s)]}}
acls:
  flood: {{table: by_ip, counter: http_req_rate, above: 100000000}}
frontends:
  web:
    bind:
      - address: 127.0.0.1:{plain}
      - address: 127.0.0.1:{tls}
        tls: {{certificates: [{certificate}], min_version: "1.2", alpn: [h2, http/1.1]}}
    rules:
      - {{track: by_ip}}
      - {{deny: {{status: 429}}, if: flood}}
      - {{set_header: {{x-forwarded-proto: https}}}}
    default_backend: servers
backends:
  servers:
    servers:
      a: {{url: "http://127.0.0.1:{servers[0]}"}}
      b: {{url: "http://127.0.0.1:{servers[1]}"}}
      c: {{url: "http://127.0.0.1:{servers[2]}"}}
"""

SERVERS = """
global
  nbthread 1
  maxconn 4000
defaults
  mode http
  timeout client 600s
  timeout http-keep-alive 600s
frontend servers
  bind 127.0.0.1:{servers[0]}
  bind 127.0.0.1:{servers[1]}
  bind 127.0.0.1:{servers[2]}
  http-request return status 200 content-type application/json file {directory}/answer
"""


class Process:
    """A running program; `cpu` is the user and system time of all its threads so far, in seconds."""

    def __init__(self, name, command):
        self.name = name
        self.log = tempfile.TemporaryFile()
        self.process = subprocess.Popen(command, stdout=self.log, stderr=self.log, stdin=subprocess.DEVNULL)

    def cpu(self):
        with open(f"/proc/{self.process.pid}/stat") as stat:
            fields = stat.read().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def memory(self):
        """Resident memory, in MB."""
        with open(f"/proc/{self.process.pid}/statm") as statm:
            return int(statm.read().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6

    def await_port(self, port):
        end = time.monotonic() + 20
        while time.monotonic() < end:
            if self.process.poll() is not None:
                break
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    return
            time.sleep(0.02)
        self.log.seek(0)
        raise SystemExit(f"{self.name} does not listen on port {port}:\n{self.log.read().decode()}")

    def stop(self):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
            try:
                self.process.wait(5)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()


class Proxy(Process):
    def __init__(self, name, command, plain, tls):
        super().__init__(name, command)
        self.plain, self.tls = plain, tls
        self.await_port(plain)
        self.await_port(tls)


def free_ports(count):
    held = [socket.socket() for _ in range(count)]
    for one in held:
        one.bind(("127.0.0.1", 0))
    ports = [one.getsockname()[1] for one in held]
    for one in held:
        one.close()
    return ports


def write(directory, name, text):
    path = os.path.join(directory, name)
    with open(path, "w") as file:
        file.write(text)
    return path


def certificate(directory):
    """A P-256 certificate with its key in one file, good for this run."""
    key, cert = os.path.join(directory, "key.pem"), os.path.join(directory, "cert.pem")
    command = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=localhost"
    names = ["-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1", "-keyout", key, "-out", cert]
    subprocess.run(command.split() + names, check=True, capture_output=True)
    with open(cert) as first, open(key) as second:
        return write(directory, "both.pem", first.read() + second.read())


class Site:
    """Servers, HAProxy, and tidegate (or a second HAProxy in its place)."""

    def __init__(self, directory, binary):
        self.running = []
        try:
            self.open(directory, binary)
        except BaseException:
            self.stop()
            raise

    def open(self, directory, binary):
        write(directory, "answer", "{" + '"x":"' + "y" * (ANSWER - 8) + '"}')
        self.values = {"directory": directory, "threads": THREADS, "servers": free_ports(3)}
        self.values["certificate"] = certificate(directory)
        self.serve(binary)
        self.haproxy = self.proxy("haproxy", ["haproxy", "-db", "-f"], HAPROXY)
        if binary:
            self.other = self.proxy("tidegate", [binary, "run", "-c"], TIDEGATE)
        else:
            self.other = self.proxy("haproxy-again", ["haproxy", "-db", "-f"], HAPROXY)

    def serve(self, binary):
        servers = self.start(Process, "servers", ["haproxy", "-db", "-f"], SERVERS)
        servers.await_port(self.values["servers"][0])

    def proxy(self, name, command, template):
        plain, tls, admin = free_ports(3)
        return self.start(Proxy, name, command, template, plain=plain, tls=tls, admin=admin)

    def start(self, kind, name, command, template, **ports):
        text = template.format(name=name, **self.values, **ports)
        path = write(self.values["directory"], name + ".conf", text)
        ports.pop("admin", None)
        process = kind(name, command + [path], **ports)
        self.running.append(process)
        return process

    def stop(self):
        for process in self.running:
            process.stop()
