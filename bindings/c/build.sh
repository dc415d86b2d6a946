#!/bin/sh
# Builds the C library into a directory that looks like an installed one:
#
#     bindings/c/build.sh [DIRECTORY]        (build/c unless given)
#
#     DIRECTORY/include/lamport_clock.h
#     DIRECTORY/lib/liblamport_clock.so -> liblamport_clock.so.0
#     DIRECTORY/lib/liblamport_clock.a
#
# A program links with -I DIRECTORY/include -L DIRECTORY/lib -llamport_clock, or names the .a and
# adds the system's libraries: -lm -lpthread -ldl.
set -eu

root=$(cd "$(dirname "$0")/../.." && pwd)
case ${1:-} in
    '') out=$root/build/c ;;
    /*) out=$1 ;;
    *) out=$PWD/$1 ;;
esac
cd "$root"
target=${CARGO_TARGET_DIR:-target}
soname=liblamport_clock.so.0

# nodelete: the library's thread would run on in code that a dlclose() had unmapped.
cargo rustc --quiet --locked --release --package lamport-clock-c --lib \
    --crate-type cdylib,staticlib -- \
    -C "link-arg=-Wl,-soname,$soname" -C link-arg=-Wl,-z,nodelete

mkdir -p "$out/lib" "$out/include"
# To a new file each, then renamed: a program that has the old one loaded keeps it.
put() {
    cp "$1" "$2.new"
    mv -f "$2.new" "$2"
}
put "$target/release/liblamport_clock_c.so" "$out/lib/$soname"
put "$target/release/liblamport_clock_c.a" "$out/lib/liblamport_clock.a"
put bindings/c/include/lamport_clock.h "$out/include/lamport_clock.h"
ln -sf "$soname" "$out/lib/liblamport_clock.so"
