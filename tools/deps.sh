#!/bin/sh
# Installs what nextn is built and tested with, from Debian 12's own packages. Run it as root, or as a user who has sudo.
#
#   tools/deps.sh       compiler, libraries, tests
#   tools/deps.sh ci    and what .ci/run needs besides: formatter, fuzzer, emulation of AVX-512
set -eu

packages="g++ cmake ninja-build libcli11-dev libfmt-dev nlohmann-json3-dev libutf8proc-dev libxxhash-dev libgtest-dev
          libboost1.81-dev libssl-dev prometheus-cpp-dev libedit-dev
          python3 python3-numpy"
if [ "${1:-}" = ci ]; then
  packages="$packages clang-19 libclang-rt-19-dev clang-format-19 binutils git libsimde-dev python3-jsonschema chromium openssl
            python3-venv"
elif [ $# -gt 0 ]; then
  echo "deps.sh: expected nothing or ci, found '$1'" >&2
  exit 2
fi

as_root=
if [ "$(id -u)" -ne 0 ]; then as_root=sudo; fi
export DEBIAN_FRONTEND=noninteractive
$as_root apt-get update -qq
# shellcheck disable=SC2086  # one argument for each package
$as_root apt-get install -y -qq --no-install-recommends $packages
