#!/bin/sh
# run.sh [--rounds N] [--seconds S] [--self]: CPU time per request and throughput of tidegate beside Debian's HAProxy, on
# loopback, with equal work. TIDEGATE names the binary; without it a release build is made. --self puts HAProxy in
# tidegate's place: what it prints then is the noise.
set -eu
cd "$(dirname "$0")/.."
PATH=$PATH:/usr/sbin

missing=""
for tool in haproxy wrk openssl python3; do
    command -v "$tool" >/dev/null || missing="$missing $tool"
done
if [ -n "$missing" ]; then
    echo "benches/run.sh needs:$missing (Debian packages of the same names: apt-get install$missing)" >&2
    exit 1
fi

case " $* " in
*" --self "*) ;;
*)
    if [ -z "${TIDEGATE:-}" ]; then
        cargo build --release --bin tidegate
        TIDEGATE=${CARGO_TARGET_DIR:-target}/release/tidegate
    fi
    export TIDEGATE
    ;;
esac
exec python3 benches/compare.py "$@"
