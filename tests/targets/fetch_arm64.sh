#!/bin/sh
# Puts a bare Python of Debian 12's for arm64, and the qemu that runs it here, into a directory:
#
#     tests/targets/fetch_arm64.sh DIRECTORY
set -eu

mkdir -p "$1"
into=$(cd "$1" && pwd)
apt=$into/apt
# shellcheck source=tests/targets/debian.sh
. "$(dirname "$0")/debian.sh"
ask download qemu-user-static:amd64 libc6:arm64 libgcc-s1:arm64 zlib1g:arm64 libexpat1:arm64 libssl3:arm64 \
    libffi8:arm64 libpython3.11-minimal:arm64 libpython3.11-stdlib:arm64 python3.11-minimal:arm64 python3-distutils
dpkg-deb --fsys-tarfile qemu-user-static_*.deb | tar -x ./usr/bin/qemu-aarch64-static
for package in *_arm64.deb *_all.deb; do
    dpkg-deb -x "$package" "$into/root"
done
mv usr/bin/qemu-aarch64-static "$into/"
rm -rf "$apt"
