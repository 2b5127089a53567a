#!/usr/bin/env bash
# Installs the C libraries that rdo builds on where they are missing, and checks for Swift. Says nothing when all is there.
set -euo pipefail

packages=(
    libopenmpi-dev openmpi-bin libopenblas-dev libhdf5-dev libsentencepiece-dev libpcre2-dev libxxhash-dev zlib1g-dev
    libcurl4-openssl-dev pkg-config make
)

# Wanted by a command each and by nothing else: installed along with the others, and done without where that fails.
optional=(libjs-chart.js)

fail() {
    echo "setup: $1" >&2
    exit 1
}

if ! command -v swift >/dev/null; then
    fail "swift is not in PATH: install Swift 6 or newer from https://www.swift.org/install and try again"
fi
version=$(swift --version 2>/dev/null | sed -n 's/.*Swift version \([0-9][0-9]*\).*/\1/p' | head -n 1)
if [[ -z $version ]] || ((version < 6)); then
    fail "swift is version ${version:-unknown}, rdo needs 6 or newer: https://www.swift.org/install"
fi

# What counts is that the libraries are found, whoever installed them: on many clusters it is a module system.
absent=()
for module in ompi-c openblas hdf5-serial sentencepiece libpcre2-8 libxxhash zlib libcurl; do
    pkg-config --exists "$module" 2>/dev/null || absent+=("$module")
done
if ((${#absent[@]} == 0)); then
    command -v mpirun >/dev/null && exit 0
    absent=(mpirun)
fi
if ! command -v apt-get >/dev/null || ! command -v dpkg-query >/dev/null; then
    fail "not found: ${absent[*]} (pkg-config knows the libraries), and there is no apt-get here to install them.
setup: The Debian packages are ${packages[*]}: install their like and try again (docs/dependencies.md)"
fi

# Only "install ok installed" will do: a removed package may have left its configuration behind, and is listed too.
# A name that was never heard of makes dpkg-query fail, which is no failure here.
installed=" $(dpkg-query -W -f '${Package}:${Status}\n' "${packages[@]}" 2>/dev/null |
    sed -n 's/:install ok installed$//p' | tr '\n' ' ' || true)"
missing=()
for package in "${packages[@]}"; do
    [[ $installed == *" $package "* ]] || missing+=("$package")
done
((${#missing[@]} == 0)) &&
    fail "not found: ${absent[*]}, though the Debian packages are installed: is PKG_CONFIG_PATH or PATH set to hide them?"

echo "setup: installing ${missing[*]}"
as_root=()
if ((EUID != 0)); then
    command -v sudo >/dev/null ||
        fail "this needs root and there is no sudo here. As root: apt-get install ${missing[*]}"
    as_root=(sudo)
fi
# `env` because sudo drops the variable.
apt_get() { "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -qq "$@"; }
# A stale mirror list is no reason to stop: the installation tells whether it was good enough.
apt_get update || echo "setup: apt-get update failed, going on with the lists that are there" >&2
apt_get install -y --no-install-recommends "${missing[@]}" >/dev/null ||
    fail "apt-get could not install ${missing[*]}: see its message above"
apt_get install -y --no-install-recommends "${optional[@]}" >/dev/null ||
    echo "setup: going on without ${optional[*]}: rdo report then needs --chart-library (docs/report.md)" >&2
