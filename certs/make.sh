#!/bin/sh
# Makes the certificates for development and tests, beside this script. Does nothing while they are good.
#   localhost-ca.pem   the authority that clients trust; trust it nowhere else
#   localhost.pem      localhost, api.localhost, 127.0.0.1, ::1   (leaf, authority, private key: the form tidegate reads)
#   example.pem        example.test, *.example.test               (the second certificate, for SNI)
set -eu
umask 077
cd "$(dirname "$0")"

month=2592000
good() {
    openssl x509 -in "$1" -noout -checkend "$month" >/dev/null 2>&1 &&
        openssl verify -CAfile localhost-ca.pem "$1" >/dev/null 2>&1
}
if [ "${1:-}" != "--force" ] && good localhost.pem && good example.pem; then
    exit 0
fi
command -v openssl >/dev/null || { echo "certs/make.sh: openssl is not installed" >&2; exit 1; }

work=$(mktemp -d ./.making.XXXXXX)
trap 'rm -rf "$work"' EXIT INT TERM

# Runs openssl; what it says matters only when it fails.
quietly() {
    "$@" >"$work/said" 2>&1 || { cat "$work/said" >&2; exit 1; }
}

quietly openssl ecparam -name prime256v1 -genkey -noout -out "$work/ca.key"
quietly openssl req -x509 -new -key "$work/ca.key" -sha256 -days 3650 -subj "/CN=tidegate development CA" \
    -addext "basicConstraints=critical,CA:TRUE,pathlen:0" -addext "keyUsage=critical,keyCertSign,cRLSign" \
    -out "$work/ca.pem"

# issue NAME COMMON_NAME SUBJECT_ALT_NAMES
issue() {
    quietly openssl ecparam -name prime256v1 -genkey -noout -out "$work/$1.ec"
    quietly openssl pkcs8 -topk8 -nocrypt -in "$work/$1.ec" -out "$work/$1.key"
    quietly openssl req -new -key "$work/$1.key" -subj "/CN=$2" -out "$work/$1.csr"
    printf '%s\n' "basicConstraints=critical,CA:FALSE" "keyUsage=critical,digitalSignature" \
        "extendedKeyUsage=serverAuth,clientAuth" "subjectAltName=$3" >"$work/$1.ext"
    quietly openssl x509 -req -in "$work/$1.csr" -CA "$work/ca.pem" -CAkey "$work/ca.key" -CAcreateserial \
        -sha256 -days 820 -extfile "$work/$1.ext" -out "$work/$1.crt"
    cat "$work/$1.crt" "$work/ca.pem" "$work/$1.key" >"$work/$1.pem"
}
issue localhost localhost "DNS:localhost,DNS:api.localhost,IP:127.0.0.1,IP:::1"
issue example example.test "DNS:example.test,DNS:*.example.test"

# The authority's key is thrown away with the directory: nothing else can ever be signed by it.
chmod 644 "$work/ca.pem"
mv "$work/ca.pem" localhost-ca.pem
mv "$work/localhost.pem" localhost.pem
mv "$work/example.pem" example.pem
echo "certs: made localhost-ca.pem, localhost.pem and example.pem"
