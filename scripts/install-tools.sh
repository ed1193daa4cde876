#!/bin/sh
# Installs what is missing for the purposes named, and does nothing where all is there.
#   build   a C compiler and cmake: the cryptography and compression libraries are compiled from source
#   demo    certificates, and curl for the lines that the demo prints
#   python  an interpreter that can make environments, for the official OpenAI SDK
#   bench   HAProxy to compare with, wrk to drive both
#   scan    testssl.sh, to look at the TLS side from outside
#   test    all that the tests use beside those: HAProxy to compare with, an HTTP/2 client, Prometheus' promtool
set -eu

packages=""
need() { # need PACKAGE TEST...
    package=$1
    shift
    "$@" >/dev/null 2>&1 || packages="$packages $package"
}
has() { command -v "$1" || [ -x "/usr/sbin/$1" ]; }

for purpose in "$@"; do
    case $purpose in
    build)
        need build-essential has cc
        need build-essential test -e /usr/include/stdlib.h
        need cmake has cmake
        ;;
    demo)
        need openssl has openssl
        need curl has curl
        ;;
    test)
        need openssl has openssl
        need curl has curl
        need haproxy has haproxy
        need haproxy has halog
        need socat has socat
        need nghttp2-client has nghttp
        need prometheus has promtool
        ;;
    bench)
        need openssl has openssl
        need haproxy has haproxy
        need wrk has wrk
        need python3 has python3
        ;;
    scan)
        need openssl has openssl
        need python3 has python3
        need testssl.sh has testssl
        ;;
    python)
        need python3 has python3
        need python3-venv python3 -c "import venv, ensurepip"
        ;;
    *)
        echo "install-tools.sh: unknown purpose '$purpose' (build, demo, python, bench, scan, test)" >&2
        exit 64
        ;;
    esac
done

if [ -n "$packages" ]; then
    # ca-certificates comes along: without recommended packages nothing else brings it.
    packages=$(printf '%s\n' $packages ca-certificates | sort -u | tr '\n' ' ')
    if ! command -v apt-get >/dev/null; then
        echo "Missing: $packages(names as of Debian). Install them, then run this again." >&2
        exit 1
    fi
    as_root=""
    if [ "$(id -u)" -ne 0 ]; then
        as_root="sudo -n"
        if ! sudo -n true 2>/dev/null; then
            echo "Missing: $packages- install them with: sudo apt-get install $packages" >&2
            exit 1
        fi
    fi
    echo "installing: $packages"
    log=$(mktemp)
    if ! { $as_root apt-get update -q &&
        $as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends $packages; } >"$log" 2>&1; then
        cat "$log" >&2
        rm -f "$log"
        echo "apt-get failed. Install these yourself, then run this again: $packages" >&2
        exit 1
    fi
    rm -f "$log"
fi

case " $* " in
*" build "*)
    if ! command -v "${CARGO:-cargo}" >/dev/null; then
        echo "cargo is not here. Install Rust (https://rustup.rs), then run this again." >&2
        exit 1
    fi
    ;;
esac
