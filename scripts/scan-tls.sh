#!/bin/sh
# scan-tls.sh: what testssl.sh finds in tidegate's TLS when the configuration says nothing about it but the certificates, an ECDSA
# one and an RSA one. Prints every finding above INFO; exit code 1 if there is one. TIDEGATE names the binary; without it the one of `make demo` is built.
# SCAN_KEEP=DIR keeps the whole report and tidegate's output there. Takes two to three minutes.
set -eu
cd "$(dirname "$0")/.."
PATH=$PATH:/usr/sbin
scripts/install-tools.sh scan

# Findings that are not tidegate's, by id. Everything else counts.
#   engine_problem            about the scanner's own openssl
#   cert_revocation           the private authority of this test publishes no revocations
#   HSTS, security_headers    what stands in the head of an answer is the operator's choice
#   sessionresumption_ticket  the scanner hangs up with the handshake, mostly before the ticket arrives (of HAProxy's as well)
excluded='engine_problem cert_revocation HSTS security_headers sessionresumption_ticket'

if [ -z "${TIDEGATE:-}" ]; then
    cargo build --profile demo --bin tidegate
    TIDEGATE=${CARGO_TARGET_DIR:-target}/demo/tidegate
fi

work=$(mktemp -d)
tidegate=""
finish() {
    if [ -n "$tidegate" ]; then
        kill "$tidegate" 2>/dev/null || true
        wait "$tidegate" 2>/dev/null || true
    fi
    if [ -n "${SCAN_KEEP:-}" ]; then
        mkdir -p "$SCAN_KEEP"
        cp -f "$work"/ECDSA.* "$work"/RSA.* "$work"/tidegate.log "$SCAN_KEEP" 2>/dev/null || true
    fi
    rm -rf "$work"
}
trap finish EXIT
trap 'exit 130' INT TERM

# Runs openssl; what it says matters only when it fails.
quietly() {
    "$@" >"$work/said" 2>&1 || { cat "$work/said" >&2; exit 1; }
}
umask 077
quietly openssl req -x509 -newkey rsa:3072 -nodes -sha256 -days 30 -subj "/CN=tidegate scan CA" \
    -addext "basicConstraints=critical,CA:TRUE,pathlen:0" -addext "keyUsage=critical,keyCertSign,cRLSign" \
    -keyout "$work/ca.key" -out "$work/ca.pem"

# issue NAME KEY_USAGE NEWKEY...: NAME.pem, as tidegate reads it. 90 days: scanners warn below 60.
issue() {
    name=$1 usage=$2
    shift 2
    quietly openssl req -new "$@" -nodes -subj "/CN=localhost" -keyout "$work/$name.key" -out "$work/$name.csr"
    printf '%s\n' "basicConstraints=critical,CA:FALSE" "keyUsage=critical,$usage" "extendedKeyUsage=serverAuth" \
        "subjectKeyIdentifier=hash" "authorityKeyIdentifier=keyid" "subjectAltName=DNS:localhost" >"$work/$name.ext"
    quietly openssl x509 -req -in "$work/$name.csr" -CA "$work/ca.pem" -CAkey "$work/ca.key" -CAcreateserial \
        -sha256 -days 90 -extfile "$work/$name.ext" -out "$work/$name.crt"
    cat "$work/$name.crt" "$work/$name.key" >"$work/$name.pem"
}
issue ecdsa digitalSignature -newkey ec -pkeyopt ec_paramgen_curve:P-256
issue rsa digitalSignature -newkey rsa:2048

free_port() { python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'; }
ecdsa=$(free_port)
rsa=$(free_port)
cat >"$work/scan.yaml" <<END
global: {state_dir: "$work/state"}
admin: {listen: "off", socket: "off"}
log: {level: warn, access: {to: "off"}}
frontends:
  scanned:
    bind:
      - {address: "127.0.0.1:$ecdsa", tls: {certificates: ["$work/ecdsa.pem"]}}
      - {address: "127.0.0.1:$rsa", tls: {certificates: ["$work/rsa.pem"]}}
    rules: [{return: {status: 200, body: "ok\n"}}]
backends: {unused: {servers: {none: {url: "http://127.0.0.1:9"}}}}
END
"$TIDEGATE" run -c "$work/scan.yaml" >"$work/tidegate.log" 2>&1 &
tidegate=$!
alive() {
    kill -0 "$tidegate" 2>/dev/null && return
    echo "scan-tls.sh: tidegate $1:" >&2
    cat "$work/tidegate.log" >&2
    exit 1
}
for _ in $(seq 100); do
    python3 -c "import socket; socket.create_connection(('127.0.0.1', $rsa), 1)" 2>/dev/null && break
    alive "did not start"
    sleep 0.1
done

# scan NAME PORT OPTIONS...: nothing of it leaves the machine, for the address is given and no name is looked up.
scan() {
    name=$1 port=$2
    shift 2
    echo "scanning $("$TIDEGATE" --version) with an $name certificate"
    testssl --quiet --warnings off --nodns none --color 0 --ip 127.0.0.1 --add-ca "$work/ca.pem" "$@" \
        --jsonfile "$work/$name.json" "localhost:$port" >"$work/$name.log" 2>&1 || true
    alive "ended during the scan"
    report "$name"
}

report() {
    EXCLUDED=$excluded python3 - "$work/$1.json" "$work/$1.log" <<'END'
import json, os, sys

try:
    with open(sys.argv[1]) as report:
        findings = json.load(report)
except (OSError, ValueError) as error:
    with open(sys.argv[2]) as log:
        sys.exit(f"scan-tls.sh: testssl.sh left no report ({error}):\n{log.read()[-3000:]}")
# A scan that was cut short finds nothing either. Ids may end in the number of a certificate: "cert_keySize <cert#1>".
said = {one["id"].split()[0] for one in findings}
missing = [one for one in ("TLS1_2", "TLS1_3", "cipher_order", "cert_chain_of_trust", "LUCKY13", "RC4") if one not in said]
if missing or "scanProblem" in said:
    sys.exit(f"scan-tls.sh: the scan is not complete, nothing about {', '.join(missing)}")
bad = [one for one in findings if one["severity"] not in ("OK", "INFO", "DEBUG")]
own = [one for one in bad if one["id"].split()[0] not in os.environ["EXCLUDED"].split()]
for one in bad:
    print(f"{one['severity']:8} {one['id']}: {one['finding']}" + ("" if one in own else "  (not counted)"))
print(f"{len(findings)} results, {len(own)} findings above INFO")
sys.exit(1 if own else 0)
END
}

failed=0
scan ECDSA "$ecdsa" || failed=1
# What depends on the certificate: protocols, suites, forward secrecy, preferences, defaults, vulnerabilities.
scan RSA "$rsa" -p -s -f -P -S -U || failed=1
exit $failed
