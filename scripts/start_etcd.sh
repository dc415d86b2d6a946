#!/bin/sh
# Starts this node's member of the etcd cluster that keeps the shared clock, in the foreground.
#
# Made to be mounted into a bare Debian or Ubuntu container and run there as root, alone:
#
#     NODE_NAME=mx-nodel sh start_etcd.sh
#
# It installs what it needs, once, and ends in `exec etcd`, so that signals reach etcd itself.
# Further arguments go to etcd after ours and so win over them. A member that lost its data is
# replaced with `etcdctl member remove`, `etcdctl member add`, and here
# `start_etcd.sh --initial-cluster-state=existing`.
#
# NODE_NAME      which node this is; required
# LAMPORT_NODES  all nodes, name=host[:port],...  (IP or DNS name; the port is for clients and
#                2379 when left out; members talk to each other on 2380)
# ETCD_VERSION   3.5.6; an etcd already here at exactly this version is used as it is
# ETCD_MIRROR    where releases come from: a base URL, or a directory (then nothing is fetched
#                and no package installed). Both have the layout of the official releases:
#                    <base>/v3.5.6/etcd-v3.5.6-linux-amd64.tar.gz
#                    <base>/v3.5.6/SHA256SUMS
# ETCD_SHA256    the checksum that the release's tarball must have. Without it: the one in this
#                script (3.5.6 on amd64 and arm64), else the one in SHA256SUMS. That list is only as
#                good as its source, so it is read from a directory or over https alone
# ETCD_DATA_DIR  /var/lib/etcd; a member that has data there rejoins with it.
#                Nobody else may have write access to it
# ETCD_BIN_DIR   /usr/local/bin; where etcd, etcdctl and etcdutl are put
#
# Other ETCD_* variables go to etcd. But etcd does not start with both a variable and its flag: if
# the flag is given here already, the variable is left out.
#
# Exit status: etcd's own once it runs; before that 2 for a wrong setting, 1 for anything else.

set -eu

version=${ETCD_VERSION:-3.5.6}
version=${version#v}
mirror=${ETCD_MIRROR:-https://github.com/etcd-io/etcd/releases/download}
mirror=${mirror#file://}
mirror=${mirror%/}
checksum=${ETCD_SHA256:-}
data_dir=${ETCD_DATA_DIR:-/var/lib/etcd}
bin_dir=${ETCD_BIN_DIR:-/usr/local/bin}
nodes=${LAMPORT_NODES:-mx-nodel=172.21.0.10,mx-nodel2=172.21.0.11,mx-nodel3=172.21.0.12}
node_name=${NODE_NAME:-}
# etcd takes every ETCD_* variable for a flag: ETCD_VERSION alone would stop it
# ("--version" wants true or false).
unset ETCD_VERSION ETCD_MIRROR ETCD_SHA256 ETCD_DATA_DIR ETCD_BIN_DIR

token="etcd-cluster-1"
peer_port=2380
quota_bytes=2147483648
# Without compaction any clock fills the quota one day, a busy one within the hour. The limit counts
# revisions, because a crowd makes as many in minutes as three quiet nodes in a week. etcd compacts every
# 5 minutes: at 5 MB/s, the most that docs/SCALING.md found, it holds 1.5 GB at worst. Three nodes at rest
# keep hours of history.
retention=20000
# Seconds one download, or one run of the package manager, may take.
patience=600

work=
child=

say() { printf 'start_etcd: %s\n' "$*"; }

warn() { printf 'start_etcd: warning: %s\n' "$*" >&2; }

# die STATUS WHAT...
die() {
    status=$1
    shift
    printf 'start_etcd: error: %s\n' "$*" >&2
    exit "$status"
}

cleanup() {
    if [ -n "$child" ]; then
        kill "$child" 2>/dev/null || :
        wait "$child" 2>/dev/null || :
        child=
    fi
    [ -z "$work" ] || rm -rf "$work"
    work=
}
trap cleanup EXIT
trap 'exit 129' HUP
trap 'exit 130' INT
trap 'exit 143' TERM

# Runs a command with a deadline, in the background. A shell acts on a signal only when its
# foreground command has ended, but a container must also stop in the middle of a download.
bounded() {
    if command -v timeout >/dev/null 2>&1; then
        timeout "$patience" "$@" &
    else
        "$@" &
    fi
    child=$!
    wait "$child" && ended=0 || ended=$?
    child=
    return "$ended"
}

# --- which node is this ---------------------------------------------------------------------

bad_nodes() {
    die 2 "LAMPORT_NODES='$nodes': $1; wanted: name=host[:port],name=host[:port],..." \
        "(letters, digits, '.', '_' and '-' in names and hosts; port 1 to 65535)"
}

# Sets host, port, listen, known and cluster, or stops.
find_node() {
    host='' port='' known='' cluster='' names=' ' hosts=' '
    rest=$nodes,
    while [ -n "$rest" ]; do
        entry=${rest%%,*}
        rest=${rest#*,}
        # Blanks around an entry are harmless: "a=1.2.3.4, b=1.2.3.5".
        entry=${entry#"${entry%%[! ]*}"}
        entry=${entry%"${entry##*[! ]}"}
        case $entry in
        '') bad_nodes "an entry is empty" ;;
        *=*) ;;
        *) bad_nodes "'$entry' has no '='" ;;
        esac
        name=${entry%%=*}
        at=${entry#*=}
        # An IPv6 address stands in brackets, as in a URL.
        case $at in
        \[*\]) entry_host=$at entry_port=2379 ;;
        \[*\]:* | *:*) entry_host=${at%:*} entry_port=${at##*:} ;;
        *) entry_host=$at entry_port=2379 ;;
        esac
        case $name in
        '' | *[!A-Za-z0-9._-]*) bad_nodes "'$entry' has no valid name" ;;
        esac
        case $entry_host in
        \[*[!A-Fa-f0-9:.]*\] | \[\]) bad_nodes "'$entry' has no valid host" ;;
        \[*\]) ;;
        '' | *[!A-Za-z0-9._-]*) bad_nodes "'$entry' has no valid host" ;;
        esac
        case $entry_port in
        '' | *[!0-9]* | ??????*) bad_nodes "'$entry' has no valid port" ;;
        esac
        if [ "$entry_port" -lt 1 ] || [ "$entry_port" -gt 65535 ]; then
            bad_nodes "'$entry' has no valid port"
        fi
        if [ "$entry_port" -eq "$peer_port" ]; then
            bad_nodes "'$entry' gives clients port $peer_port, which the members need"
        fi
        case $names in
        *" $name "*) bad_nodes "'$name' appears twice" ;;
        esac
        # Members all listen on the same peer port, so two of them cannot share a host.
        case $hosts in
        *" $entry_host "*) bad_nodes "host '$entry_host' appears twice" ;;
        esac
        names="$names$name "
        hosts="$hosts$entry_host "
        known="${known:+$known, }$name ($entry_host)"
        cluster="${cluster:+$cluster,}$name=http://$entry_host:$peer_port"
        if [ "$name" = "$node_name" ]; then
            host=$entry_host port=$entry_port
            case $host in
            \[*) listen="[::]" ;;
            *) listen=0.0.0.0 ;;
            esac
        fi
    done
    if [ -z "$node_name" ]; then
        die 2 "NODE_NAME is not set; set it to one of: $known"
    fi
    if [ -z "$host" ]; then
        die 2 "NODE_NAME='$node_name' is not a known node; known: $known;" \
            "set NODE_NAME to one of them or add it to LAMPORT_NODES"
    fi
}

# --- etcd's own variables -------------------------------------------------------------------

# leave_out FLAG...: takes the variables of these flags out of the environment. A variable that is
# set but empty stops etcd as well.
leave_out() {
    for flag in "$@"; do
        variable=ETCD_$(printf '%s' "$flag" | tr 'a-z-' 'A-Z_')
        case $variable in
        *[!A-Z0-9_]*) continue ;;
        esac
        eval "set_to=\${$variable+anything}"
        if [ -n "$set_to" ]; then
            unset "$variable"
            warn "$variable is left out, since it does not go with the flags that etcd gets" \
                "here; an argument to this script does (--$flag=...)"
        fi
    done
}

# leave_out_variables ARGUMENT...: leaves out the variables of our flags, and of the flags among the
# arguments.
leave_out_variables() {
    leave_out name data-dir listen-client-urls advertise-client-urls listen-peer-urls \
        initial-advertise-peer-urls initial-cluster initial-cluster-token \
        initial-cluster-state auto-compaction-mode auto-compaction-retention quota-backend-bytes
    # With a config file etcd reads no flags. With discovery it refuses the members given here.
    leave_out config-file discovery discovery-srv
    for argument in "$@"; do
        case $argument in
        -*)
            argument=${argument#-}
            argument=${argument#-}
            leave_out "${argument%%=*}"
            ;;
        esac
    done
}

# --- etcd at the wanted version -------------------------------------------------------------

# version_of BINARY: prints "3.5.6", or nothing if BINARY is no working etcd.
version_of() {
    "$1" --version 2>/dev/null | while read -r first second number _; do
        if [ "$first $second" = "etcd Version:" ]; then
            printf '%s\n' "$number"
        fi
    done || :
}

# Sets etcd to a binary of the wanted version that is already here, or returns 1.
find_etcd() {
    etcd=
    for candidate in "$bin_dir/etcd" "$(command -v etcd || :)"; do
        if [ "$candidate" != "$etcd" ] && [ -x "$candidate" ]; then
            etcd=$candidate
            found=$(version_of "$etcd")
            if [ "$found" = "$version" ]; then
                say "using etcd $version, already here as $etcd"
                return 0
            fi
            say "$etcd is version ${found:-unknown}; $version is wanted"
        fi
    done
    return 1
}

install_packages() {
    missing=
    for pair in wget:wget curl:curl netstat:net-tools; do
        command -v "${pair%%:*}" >/dev/null 2>&1 || missing="$missing ${pair##*:}"
    done
    case $mirror in
    https://*) [ -e /etc/ssl/certs/ca-certificates.crt ] || missing="$missing ca-certificates" ;;
    esac
    if [ -z "$missing" ]; then
        say "wget, curl and net-tools are already here"
        return
    fi
    if ! command -v apt-get >/dev/null 2>&1; then
        say "no apt-get here to install$missing; going on without"
        return
    fi
    say "updating the package lists and installing$missing"
    # A missing package is no reason to stop: if the download needs it, the download says so.
    # shellcheck disable=SC2086  # the list is meant to split into words
    if ! { apt_get update && apt_get install $missing; } >"$work/log" 2>&1; then
        say "apt-get could not install$missing ($(last_line)); going on without"
    fi
}

apt_get() {
    bounded env DEBIAN_FRONTEND=noninteractive apt-get -qq -y --no-install-recommends \
        -o Acquire::Retries=2 -o Acquire::http::Timeout=30 -o DPkg::Lock::Timeout=60 "$@"
}

# Prints the last line that the last command wrote, for a message of ours.
last_line() {
    line=$(tail -n 1 "$work/log" 2>/dev/null) || line=
    printf '%s' "${line:-it said nothing}"
}

# fetch NAME: brings NAME of this release into the work directory, or stops.
fetch() {
    from=$mirror/v$version/$1
    # A redirect must not leave https either. wget has no option for that.
    case $mirror in
    https://*) only="--proto =https --proto-redir =https" ;;
    *) only= ;;
    esac
    case $mirror in
    http://* | https://*)
        if command -v curl >/dev/null 2>&1; then
            # shellcheck disable=SC2086  # the list is meant to split into words
            set -- "$1" curl -fsSL $only --retry 2 --connect-timeout 15 --speed-limit 1000 \
                --speed-time 30 -o "$work/$1" "$from"
        elif command -v wget >/dev/null 2>&1; then
            set -- "$1" wget -nv --tries=3 --timeout=30 -O "$work/$1" "$from"
        else
            die 1 "cannot download $from: neither curl nor wget is here; install one of them," \
                "put etcd $version on PATH, or set ETCD_MIRROR to a directory"
        fi
        ;;
    *) set -- "$1" cp "$from" "$work/$1" ;;
    esac
    say "fetching $from"
    shift
    bounded "$@" >"$work/log" 2>&1 && return
    ended=$?
    case $ended in
    124) why="nothing complete after $patience s" ;;
    *) why=$(last_line) ;;
    esac
    die 1 "could not download $from: $why; check the network and ETCD_VERSION ($version)," \
        "or set ETCD_MIRROR to another base URL or a directory"
}

pick_architecture() {
    machine=$(uname -m)
    case $machine in
    x86_64 | amd64) arch=amd64 ;;
    aarch64 | arm64) arch=arm64 ;;
    ppc64le | s390x) arch=$machine ;;
    *)
        die 1 "no etcd release for this machine: uname -m says '$machine'; there are" \
            "x86_64, aarch64, ppc64le and s390x; put an etcd $version of your own on PATH"
        ;;
    esac
}

# Prints the checksum of the wanted release if it came with this script, or nothing.
known_checksum() {
    case $version-$arch in
    3.5.6-amd64) echo 4db32e3bc06dd0999e2171f76a87c1cffed8369475ec7aa7abee9023635670fb ;;
    3.5.6-arm64) echo 888e25c9c94702ac1254c7655709b44bb3711ebaabd3cb05439f3dd1f2b51a87 ;;
    esac
}

# choose_checksum NAME: sets wanted to the checksum that NAME must have and told_by to where it is
# from, or stops. Anyone who can change the file can also change a checksum list beside it. So the
# list counts only if nobody on the way can have changed it.
choose_checksum() {
    wanted=$checksum told_by=ETCD_SHA256
    [ -z "$wanted" ] || return 0
    wanted=$(known_checksum) told_by="this script"
    [ -z "$wanted" ] || return 0
    told_by="$mirror/v$version/SHA256SUMS"
    case $mirror in
    http://*)
        die 2 "ETCD_MIRROR='$mirror' can be read and changed by anybody on the way, and this" \
            "script knows no checksum of $1; set ETCD_SHA256 to it, or use https"
        ;;
    https://*)
        command -v curl >/dev/null 2>&1 ||
            die 1 "curl is not here, wget follows a redirect out of https, and this script" \
                "knows no checksum of $1; install curl, or set ETCD_SHA256 to the checksum"
        ;;
    esac
    say "this script knows no checksum of $1: going by the list at the same source" \
        "(ETCD_SHA256 gives one)"
    fetch SHA256SUMS
    while read -r sum file; do
        # "*name" is how the list marks a file that was read as binary.
        if [ "${file#\*}" = "$1" ]; then
            wanted=$sum
        fi
    done <"$work/SHA256SUMS"
    if [ -z "$wanted" ]; then
        die 1 "$told_by has no line for $1, so it cannot be checked; nothing was installed;" \
            "set ETCD_MIRROR to a complete release, or ETCD_SHA256 to the checksum"
    fi
}

# Puts the three binaries in place and sets etcd, or stops and leaves nothing behind.
install_etcd() {
    case $mirror in
    http://* | https://*) ;;
    *)
        if [ ! -d "$mirror" ]; then
            die 2 "ETCD_MIRROR='$mirror' is neither an http(s) URL nor a directory"
        fi
        ;;
    esac
    pick_architecture
    release=etcd-v$version-linux-$arch
    tarball=$release.tar.gz
    # The work directory is beside the target: a rename within one file system is atomic.
    if ! mkdir -p "$bin_dir" 2>/dev/null ||
        ! work=$(mktemp -d "$bin_dir/.etcd-install.XXXXXX" 2>/dev/null); then
        die 1 "cannot write into $bin_dir; run as root or set ETCD_BIN_DIR to another directory"
    fi
    case $mirror in
    http://* | https://*) install_packages ;;
    esac

    choose_checksum "$tarball"
    fetch "$tarball"
    actual=$(sha256sum "$work/$tarball")
    actual=${actual%% *}
    if [ "$actual" != "$wanted" ]; then
        die 1 "wrong checksum of $mirror/v$version/$tarball: $told_by says $wanted," \
            "the file has $actual; nothing was installed; try again, set ETCD_MIRROR to" \
            "another source, or ETCD_SHA256 if this build is one of your own"
    fi

    tar -xzf "$work/$tarball" --no-same-owner -C "$work" >"$work/log" 2>&1 ||
        die 1 "cannot unpack $tarball: $(last_line); nothing was installed"
    found=$(version_of "$work/$release/etcd")
    if [ "$found" != "$version" ]; then
        die 1 "$tarball holds no etcd $version that runs here (it says" \
            "'${found:-nothing}'); nothing was installed; check ETCD_MIRROR"
    fi
    # etcd comes last: its presence says that the installation is complete.
    for binary in etcdctl etcdutl etcd; do
        if [ ! -f "$work/$release/$binary" ]; then
            say "$tarball has no $binary"
            continue
        fi
        if ! chmod 0755 "$work/$release/$binary" ||
            ! mv -f "$work/$release/$binary" "$bin_dir/$binary" 2>"$work/log"; then
            die 1 "cannot put $binary into $bin_dir: $(last_line); set ETCD_BIN_DIR"
        fi
    done
    etcd=$bin_dir/etcd
    say "installed etcd $version in $bin_dir"
}

# Recommends the first release of the same minor version without a known fault. The releases are
# those of cli/src/faults.rs.
advise() {
    case $version in
    3.[0-5].*) mended=3.5.33 ;;
    3.6.*) mended=3.6.14 ;;
    3.7.*) mended=3.7.1 ;;
    *) return 0 ;;
    esac
    rest=${version#3.}
    patch=${rest#*.}
    patch=${patch%%[!0-9]*}
    if [ "3.${rest%%.*}" != "${mended%.*}" ] || [ "${patch:-0}" -lt "${mended##*.}" ]; then
        say "etcd $version has known faults: move to $mended or later, one member after the" \
            "other (ETCD_VERSION=$mended; docs/MIGRATING.md says how, SECURITY.md what they are)"
    fi
}

# --- the data -------------------------------------------------------------------------------

# Makes the data directory, or checks that nobody else can write into the existing one: it holds this
# member's votes and all that the cluster agreed on.
secure_data_dir() {
    (umask 077 && mkdir -p "$data_dir") 2>/dev/null ||
        die 1 "cannot make $data_dir; run as root or set ETCD_DATA_DIR to another directory"
    # With a slash at the end, because it may be a symbolic link.
    read -r mode _ owner _ <<END
$(LC_ALL=C ls -ldn -- "$data_dir/" 2>/dev/null)
END
    user=$(id -u)
    if [ "$owner" != "$user" ]; then
        die 1 "$data_dir belongs to user ${owner:-unknown}, and this runs as user $user: its" \
            "owner could change what this member has stored; run as that user, give it away" \
            "(chown -R $user $data_dir), or set ETCD_DATA_DIR to another directory"
    fi
    # An empty directory holds nothing yet that anybody could have changed.
    if [ -z "$(ls -A "$data_dir")" ]; then
        chmod 0700 "$data_dir"
        return
    fi
    case $mode in
    ?????w* | ????????w*)
        die 1 "others can write into $data_dir ($mode) and could change what this member has" \
            "stored; if you trust what lies there, chmod 0700 $data_dir; else set" \
            "ETCD_DATA_DIR to another directory"
        ;;
    esac
}

# Sets state. With a write-ahead log, etcd goes on as the member it was, whatever the cluster flags
# say. Without a log, "existing" would wait for a cluster that is not there yet. So the log decides,
# not the directory: a start that was cut short leaves a directory behind, too.
prepare_data() {
    secure_data_dir
    state=new
    for log in "$data_dir"/member/wal/*.wal; do
        [ ! -e "$log" ] || state=existing
    done
    if [ "$state" = existing ]; then
        say "$data_dir holds this member's data: rejoining the cluster with it"
    else
        say "no data in $data_dir: bootstrapping a new cluster with: $known"
    fi
}

case $version in
'' | *[!A-Za-z0-9.+-]*) die 2 "ETCD_VERSION='$version' is not a version; wanted: like 3.5.6" ;;
esac
case $checksum in
*[!0-9a-f]*) checksum_length=0 ;;
*) checksum_length=${#checksum} ;;
esac
if [ -n "$checksum" ] && [ "$checksum_length" -ne 64 ]; then
    die 2 "ETCD_SHA256='$checksum' is no checksum; wanted: 64 digits from 0-9 and a-f, as" \
        "sha256sum prints them"
fi
find_node
leave_out_variables "$@"
find_etcd || install_etcd
prepare_data
cleanup
say "$node_name at $host: clients on http://$host:$port, members on http://$host:$peer_port"
advise
say "history kept: the newest $retention revisions, quota 2 GiB"
[ $# -eq 0 ] || say "further arguments for etcd: $*"
exec "$etcd" \
    --name "$node_name" \
    --data-dir "$data_dir" \
    --listen-client-urls "http://$listen:$port" \
    --advertise-client-urls "http://$host:$port" \
    --listen-peer-urls "http://$listen:$peer_port" \
    --initial-advertise-peer-urls "http://$host:$peer_port" \
    --initial-cluster "$cluster" \
    --initial-cluster-token "$token" \
    --initial-cluster-state "$state" \
    --auto-compaction-mode revision \
    --auto-compaction-retention "$retention" \
    --quota-backend-bytes "$quota_bytes" \
    "$@"
