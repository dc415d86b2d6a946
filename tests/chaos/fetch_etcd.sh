#!/bin/sh
# Puts an etcd into a directory whose members may be killed while they write:
#
#     tests/chaos/fetch_etcd.sh DIRECTORY
#
# Members of etcd 3.5.0 to 3.5.2 may differ after that (etcd issue 13766), and the one that the other
# tests use is of those. Debian's is not. Its package is unpacked into the directory, with package
# lists of our own: nothing is installed and nothing outside the directory changes.
set -eu

into=$1
apt=$into/apt
mkdir -p "$apt/lists/partial" "$apt/cache/archives/partial"
ask() {
    apt-get -qq -o "Dir::State::lists=$apt/lists" -o "Dir::Cache=$apt/cache" \
        -o APT::Sandbox::User=root "$@"
}
ask update
cd "$apt"
ask download etcd-server etcd-client
for package in *.deb; do
    dpkg-deb -x "$package" unpacked
done
install -m 755 unpacked/usr/bin/etcd unpacked/usr/bin/etcdctl ..
rm -rf "$apt"
