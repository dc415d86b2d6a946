#!/bin/sh
# Puts an etcd of Debian's into a directory, with the etcdctl of its version:
#
#     tests/support/fetch_etcd.sh VERSION DIRECTORY        such as 3.4.23
#
# The packages are unpacked, with a list of Debian's suites of our own: nothing is installed, nothing
# outside of the directory changes, and root is not needed. apt checks Debian's signatures.
# DEBIAN_MIRROR names another mirror. A version that no suite has any more cannot be had.
set -eu

version=$1
mkdir -p "$2"
into=$(cd "$2" && pwd)
apt=$into/apt
trap 'rm -rf "$apt"' EXIT
mkdir -p "$apt/lists/partial" "$apt/cache/archives/partial"
for suite in bookworm trixie forky; do
    echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg]" \
        "${DEBIAN_MIRROR:-http://deb.debian.org/debian} $suite main"
done >"$apt/sources.list"
ask() {
    apt-get -qq -o "Dir::State::lists=$apt/lists" -o "Dir::Cache=$apt/cache" \
        -o "Dir::Etc::sourcelist=$apt/sources.list" -o Dir::Etc::sourceparts=/dev/null \
        -o APT::Sandbox::User=root -o Acquire::Languages=none "$@"
}
ask update
cd "$apt"
ask download "etcd-server=$version-*" "etcd-client=$version-*"
for package in *.deb; do
    dpkg-deb -x "$package" unpacked
done
install -m 755 unpacked/usr/bin/etcd unpacked/usr/bin/etcdctl ..
