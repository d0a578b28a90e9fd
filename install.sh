#!/bin/sh
# Installs ba-agent: downloads the binary of this platform, checks it against the checksums of its
# release, and puts it in place as a whole.
#
#   curl -fsSL https://raw.githubusercontent.com/ba-agent/ba-agent/main/install.sh | sh
#   curl -fsSL https://raw.githubusercontent.com/ba-agent/ba-agent/main/install.sh | sh -s -- --version 0.1.0 --to ~/bin
#
# Everything stands in functions, and the last line calls them: half of this file does nothing.

set -eu

REPOSITORY=https://github.com/ba-agent/ba-agent

usage() {
  cat <<'USAGE'
usage: install.sh [--version VERSION] [--to DIR] [--from URL]

  --version VERSION  a release, for instance 0.1.0; without it the latest
  --to DIR           the folder to install to; without it ~/.local/bin
  --from URL         a folder with the files of a release, for instance of a mirror
USAGE
}

fail() {
  printf 'error: %s\n' "$1" >&2
  shift
  if [ $# -gt 0 ]; then
    printf '\n' >&2
    for hint in "$@"; do printf 'hint: %s\n' "$hint" >&2; done
  fi
  exit 1
}

has() {
  command -v "$1" >/dev/null 2>&1
}

# The name of this platform as releases have it.
find_target() {
  system=$(uname -s)
  machine=$(uname -m)
  # A shell that Rosetta translates says x86_64 on an arm64 machine.
  if [ "$system" = Darwin ] && [ "$machine" = x86_64 ] && [ "$(sysctl -n hw.optional.arm64 2>/dev/null || true)" = 1 ]; then
    machine=arm64
  fi
  case $system in
    Linux) tail=unknown-linux-musl ;;
    Darwin) tail=apple-darwin ;;
    *) fail "there is no binary for $system that this script can install" \
      "for Windows take the .zip of $REPOSITORY/releases" "elsewhere: cargo install ba-agent" ;;
  esac
  case $machine in
    x86_64 | amd64) printf 'x86_64-%s\n' "$tail" ;;
    aarch64 | arm64) printf 'aarch64-%s\n' "$tail" ;;
    *) fail "there is no binary for $machine" "build it: cargo install ba-agent" ;;
  esac
}

# download URL FILE
download() {
  # What begins on https is not redirected off it.
  case $1 in
    https://*) proto='=https' ;;
    *) proto='=https,http' ;;
  esac
  if has curl; then
    curl --proto "$proto" --fail --silent --show-error --location --retry 2 --output "$2" "$1" ||
      fail "$1 cannot be downloaded" "is the version right? see $REPOSITORY/releases"
  elif has wget; then
    wget -q -O "$2" "$1" || fail "$1 cannot be downloaded" "is the version right? see $REPOSITORY/releases"
  else
    fail "neither curl nor wget is installed"
  fi
}

sha256_of() {
  if has sha256sum; then
    sha256sum "$1" | cut -d' ' -f1
  elif has shasum; then
    shasum -a 256 "$1" | cut -d' ' -f1
  elif has openssl; then
    openssl dgst -sha256 -r "$1" | cut -d' ' -f1
  else
    fail "no program here computes SHA-256: sha256sum, shasum or openssl"
  fi
}

# verify FOLDER FILE: FILE is what SHA256SUMS says.
verify() {
  expected=$(awk -v name="$2" '$2 == name || $2 == "*" name { print $1 }' "$1/SHA256SUMS")
  case $expected in
    *[!0-9a-f]* | '') fail "the release has no checksum of $2" ;;
  esac
  found=$(sha256_of "$1/$2")
  if [ "$expected" != "$found" ]; then
    fail "$2 is not the file of the release, so nothing is installed: expected sha256 $expected, found $found" \
      "try again; if it stays so, tell $REPOSITORY/issues"
  fi
}

parse() {
  version=
  to=
  from=
  while [ $# -gt 0 ]; do
    case $1 in
      --help | -h) usage && exit 0 ;;
      --version | --to | --from)
        [ $# -ge 2 ] || fail "$1 needs a value"
        case $1 in
          --version) version=${2#v} ;;
          --to) to=$2 ;;
          --from) from=${2%/} ;;
        esac
        shift 2
        ;;
      *) usage >&2 && fail "unknown argument $1" ;;
    esac
  done
  case $version in
    *[!0-9A-Za-z.+-]*) fail "$version is not a version" ;;
  esac
  if [ -z "$to" ]; then
    [ -n "${HOME:-}" ] || fail "HOME is not set" "name a folder with --to DIR"
    to=$HOME/.local/bin
  fi
  if [ -z "$from" ]; then
    from=$REPOSITORY/releases/latest/download
    [ -z "$version" ] || from=$REPOSITORY/releases/download/v$version
  fi
}

main() {
  parse "$@"
  target=$(find_target)
  archive=ba-agent-$target.tar.gz
  scratch=$(mktemp -d)
  new=
  trap 'rm -rf "$scratch"; [ -z "$new" ] || rm -f "$new"' EXIT
  trap 'exit 130' INT TERM HUP

  download "$from/SHA256SUMS" "$scratch/SHA256SUMS"
  download "$from/$archive" "$scratch/$archive"
  verify "$scratch" "$archive"
  tar -xzf "$scratch/$archive" -C "$scratch" "ba-agent-$target/ba-agent" ||
    fail "$archive cannot be unpacked"
  binary=$scratch/ba-agent-$target/ba-agent
  chmod 755 "$binary"

  mkdir -p "$to" || fail "$to cannot be made" "name another folder with --to DIR"
  # Beside its place, so that putting it there is one rename.
  new=$to/.ba-agent.new.$$
  cp "$binary" "$new" || fail "$to cannot be written" "name another folder with --to DIR"
  said=$("$new" --version) || fail "the binary does not run on this machine, so nothing is installed" \
    "build it: cargo install ba-agent"
  if [ -n "$version" ] && [ "$said" != "ba-agent $version" ]; then
    fail "the release says $version, its binary $said, so nothing is installed"
  fi
  [ ! -d "$to/ba-agent" ] || fail "$to/ba-agent is a folder"
  mv -f "$new" "$to/ba-agent"
  new=

  printf 'Installed %s as %s\n' "$said" "$to/ba-agent"
  case ":${PATH:-}:" in
    *":$to:"*) ;;
    *) printf "note: %s is not in your PATH: add  export PATH=\"%s:\$PATH\"  to your shell's configuration\n" "$to" "$to" ;;
  esac
}

main "$@"
