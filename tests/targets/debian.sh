# shellcheck shell=sh disable=SC2154
# Sourced, with a directory in $apt: `ask` is apt-get with package lists of our own there, of Debian 12
# for x86_64 and arm64. Nothing is installed, and nothing outside the directory changes.
mkdir -p "$apt/lists/partial" "$apt/cache/archives/partial"
cd "$apt" || exit
for kind in deb deb-src; do
    printf '%s [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] %s bookworm main\n' \
        "$kind" http://deb.debian.org/debian
done >sources.list
ask() {
    timeout 300 apt-get -qq -o "Dir::Etc::SourceList=$apt/sources.list" -o Dir::Etc::SourceParts=/dev/null \
        -o "Dir::State::lists=$apt/lists" -o "Dir::Cache=$apt/cache" \
        -o APT::Architectures::=amd64 -o APT::Architectures::=arm64 -o APT::Sandbox::User=root "$@"
}
ask update
