#!/bin/sh
# Builds the C library into a directory that is laid out like a prefix:
#
#     bindings/c/build.sh [DIRECTORY]        (build/c unless given)
#
#     DIRECTORY/include/lamport_clock.h, lamport_clock.hpp
#     DIRECTORY/lib/liblamport_clock.so -> liblamport_clock.so.0 -> liblamport_clock.so.VERSION
#     DIRECTORY/lib/liblamport_clock.a
#     DIRECTORY/lib/pkgconfig/lamport_clock.pc
#     DIRECTORY/lib/cmake/lamport_clock/lamport_clock-config.cmake, ...-config-version.cmake
#     DIRECTORY/share/licenses/lamport_clock/LICENSE-...
#
# No file in DIRECTORY names it, so it may be used where it is, copied or moved; `make install` copies
# it to a prefix. docs/C.md says how programs link with the library. Run this script through
# scripts/for-target to build the library for another target.
set -eu

root=$(cd "$(dirname "$0")/../.." && pwd)
case ${1:-} in
    '') out=$root/build/c ;;
    /*) out=$1 ;;
    *) out=$PWD/$1 ;;
esac
cd "$root"
target=${CARGO_TARGET_DIR:-target}${CARGO_BUILD_TARGET:+/$CARGO_BUILD_TARGET}
version=$(sed -n 's/^version = "\(.*\)"$/\1/p' Cargo.toml)
soname=liblamport_clock.so.0

set --
if [ -n "${CARGO_BUILD_TARGET:-}" ]; then
    set -- -C "linker=$root/scripts/zig-cc" -C strip=symbols
fi
# nodelete: after a dlclose() the library's thread would go on to run code that is no longer mapped.
cargo rustc --quiet --locked --release --package lamport-clock-c --lib \
    --crate-type cdylib,staticlib -- \
    -C "link-arg=-Wl,-soname,$soname" -C link-arg=-Wl,-z,nodelete "$@"

mkdir -p "$out/include" "$out/lib/pkgconfig" "$out/lib/cmake/lamport_clock" \
    "$out/share/licenses/lamport_clock"
# Copies to a new file, then renames it: a program that has the old file loaded keeps the old one.
put() {
    cp "$1" "$2.new"
    mv -f "$2.new" "$2"
}
put "$target/release/liblamport_clock_c.so" "$out/lib/liblamport_clock.so.$version"
put "$target/release/liblamport_clock_c.a" "$out/lib/liblamport_clock.a"
for file in lamport_clock.h lamport_clock.hpp; do
    put "bindings/c/include/$file" "$out/include/$file"
done
for file in lamport_clock-config.cmake lamport_clock-config-version.cmake; do
    put "bindings/c/install/$file" "$out/lib/cmake/lamport_clock/$file"
done
for file in LICENSE-*; do
    put "$file" "$out/share/licenses/lamport_clock/$file"
done
sed "s/@VERSION@/$version/" bindings/c/install/lamport_clock.pc.in >"$out/lib/pkgconfig/lamport_clock.pc"
ln -sf "liblamport_clock.so.$version" "$out/lib/$soname"
ln -sf "$soname" "$out/lib/liblamport_clock.so"
