#!/bin/bash
# Builds a CPython on musl, of Debian 12's sources by zig, and puts it into a directory:
#
#     tests/targets/build_musl_python.sh DIRECTORY      (for x86_64; 3 minutes on two cores)
#
# To wheels it is what Alpine's Python is: dynamic, with musl's loader. It has zlib, which pip unpacks
# wheels with, and neither OpenSSL nor libffi. No root is needed, nothing is installed, and what was
# begun and not ended is begun again. ziglang is in .tools/venv.
set -euo pipefail

mkdir -p "$1"
into=$(cd "$1" && pwd)
here=$(cd "$(dirname "$0")" && pwd)
work=$into/build
apt=$work/apt
rm -rf "$work"
# shellcheck source=tests/targets/debian.sh
. "$here/debian.sh"
ask download musl:amd64
ask source --download-only zlib python3.11
cd "$work"
dpkg-deb --fsys-tarfile "$apt"/musl_*.deb | tar -x ./lib/x86_64-linux-musl/libc.so
loader=$into/lib/ld-musl-x86_64.so.1
mkdir -p "$into/bin" "$into/lib/python3.11/lib-dynload"
mv lib/x86_64-linux-musl/libc.so "$loader"
tar -xf "$apt"/zlib_*.orig.tar.*
tar -xf "$apt"/python3.11_*.orig.tar.*

zig=$(python3 -c 'import ziglang; print(ziglang.__path__[0])')/zig
export CC="$zig cc -target x86_64-linux-musl -fno-sanitize=undefined -Wno-date-time" AR="$zig ar" RANLIB="$zig ranlib"
# Of a make that calls this: its `--no-builtin-rules` would take rules away that these Makefiles rely on.
unset MAKEFLAGS MFLAGS
exec 3>&2 >"$into/build.log" 2>&1
trap 'tail -n 20 "$into/build.log" >&3' ERR
cd "$work"/zlib-*
CFLAGS='-O1 -fPIC' ./configure --static
make -j"$(nproc)" libz.a
zlib=$PWD
# Built as if by its own system: its programs run here, by the loader that is named. zig's musl is newer
# than that one: what it alone has is not to be used. -fPIC, since no variable of that library may be
# copied into the program: zig does not know that `environ` has other names there.
cd "$work"/Python-*
./configure --build=x86_64-linux-musl --prefix="$into" --disable-test-modules --without-ensurepip \
    --without-doc-strings ac_cv_func_preadv2=no ac_cv_func_pwritev2=no OPT='-O1 -DNDEBUG -fPIC' CPPFLAGS="-I$zlib" \
    LDFLAGS="-L$zlib -Wl,--dynamic-linker=$loader -dynamic"
timeout 900 make -j"$(nproc)" build_all
install python "$into/bin/python3"
rm -rf Lib/test Lib/idlelib Lib/lib2to3
cp -r Lib/. "$into/lib/python3.11/"
cp build/lib.*/*.so "$into/lib/python3.11/lib-dynload/"
cp build/lib.*/_sysconfigdata*.py "$into/lib/python3.11/"
"$into/bin/python3" -c 'import _socket, _posixsubprocess, asyncio, select, zlib'
rm -rf "$work"
