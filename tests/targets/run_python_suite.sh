#!/bin/sh
# Runs the tests of the wheel, tests/python, once more by a Python on musl:
#
#     tests/targets/run_python_suite.sh PYTHON RELEASE      (the folder of wheels, of which pip takes one)
#
# That Python has no TLS to fetch packages by: this machine's pip puts musl's wheels beside it. What
# has none, or can't run without OpenSSL, is named at the end.
set -eu

python=$1 release=$2
root=$(cd "$(dirname "$0")/../.." && pwd)
site=$("$python" -c 'import sysconfig; print(sysconfig.get_path("purelib"))')
rm -rf "$site"
# Of gevent's dependencies one has no wheel for musl.
grep -v '^gevent==' "$root/tests/python/requirements.txt" >"$site.txt"
pip() { "$root/.tools/venv/bin/python" -m pip install --quiet --disable-pip-version-check --target "$site" \
    --platform musllinux_1_2_x86_64 --platform musllinux_1_1_x86_64 --python-version 3.11 --only-binary=:all: "$@"; }
pip -r "$site.txt"
pip --upgrade --no-index --no-deps --find-links "$release" lamport-clock
# The scripts name the Python that ran pip.
for name in lamport logical_count; do
    sed "1s,.*,#!$python," "$site/bin/$name" >"${python%/*}/$name"
    chmod +x "${python%/*}/$name"
done
cd "$root/tests/python"
PYTHONPATH=$root/tests/targets "$python" -m pytest -q -p no:cacheprovider -p musl -n 2 --dist loadfile .
