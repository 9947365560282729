#!/bin/sh
# Makes the certificates of this folder anew (OpenSSL 3). They are for tests alone: their keys are public.
set -eu
cd "$(dirname "$0")"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

key() { openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out "$work/$1.key"; }

# authority NAME: a root, NAME.pem, without its key
authority() {
    key "$1"
    openssl req -x509 -new -key "$work/$1.key" -subj "/CN=Waystation tests $1" -days 36500 -out "$1.pem" \
        -addext basicConstraints=critical,CA:true -addext keyUsage=critical,keyCertSign,cRLSign
}

# leaf NAME ISSUER SUBJECT_ALT_NAME START END: certificate and key in NAME.pem
leaf() {
    key "$1"
    openssl req -new -key "$work/$1.key" -subj "/CN=$1" -out "$work/$1.csr"
    : > "$work/index.txt"
    cat > "$work/ca.cnf" <<CNF
[ca]
default_ca = ours
[ours]
database = $work/index.txt
rand_serial = yes
new_certs_dir = $work
default_md = sha256
policy = any
unique_subject = no
[any]
commonName = supplied
[extensions]
subjectAltName = $3
basicConstraints = critical,CA:false
keyUsage = critical,digitalSignature
extendedKeyUsage = serverAuth,clientAuth
authorityKeyIdentifier = keyid
subjectKeyIdentifier = hash
CNF
    openssl ca -batch -notext -config "$work/ca.cnf" -extensions extensions -keyfile "$work/$2.key" -cert "$2.pem" \
        -in "$work/$1.csr" -startdate "$4" -enddate "$5" -out "$work/$1.crt"
    cat "$work/$1.crt" "$work/$1.key" > "$1.pem"
}

authority authority
authority stranger
leaf good authority "DNS:localhost,IP:127.0.0.1" 20250101000000Z 21241231000000Z
leaf wrong-host authority "DNS:elsewhere.example" 20250101000000Z 21241231000000Z
leaf expired authority "DNS:localhost" 20200101000000Z 20200102000000Z
leaf not-yet authority "DNS:localhost" 21200101000000Z 21241231000000Z
leaf client authority "DNS:client.example" 20250101000000Z 21241231000000Z
leaf strange-client stranger "DNS:client.example" 20250101000000Z 21241231000000Z

key self-signed
openssl req -x509 -new -key "$work/self-signed.key" -subj /CN=localhost -days 36500 -out "$work/self-signed.crt" \
    -addext subjectAltName=DNS:localhost
cat "$work/self-signed.crt" "$work/self-signed.key" > self-signed.pem
openssl ec -in "$work/self-signed.key" -aes256 -passout pass:secret -out locked.key.pem
