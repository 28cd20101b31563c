#!/bin/sh
# Installs a compiler for Solana programs (sBPF), without root, from upstream parts:
#   LLVM 23 (Debian sid), sbpf-linker (a crate), and Rust's library sources of rustc's own version
#   (rustup's component rust-src where it is installed, else Debian's package).
# Prints where the compiler's own parts are; does nothing else when they are there already.
# Set SBPF_TOOLCHAIN_DIR to choose where, SBPF_DEBIAN_MIRROR to choose Debian's mirror.
set -eu

LLVM=23
LINKER=0.2.6
KEYRING=/usr/share/keyrings/debian-archive-keyring.gpg
here=$(cd "$(dirname "$0")" && pwd)
dir=${SBPF_TOOLCHAIN_DIR:-${XDG_CACHE_HOME:-$HOME/.cache}/sbpf-toolchain}

say() { echo "sbpf-toolchain: $*" >&2; }
die() { say "$@"; exit 1; }

rust=$(rustc -vV | sed -n 's/^release: //p')
[ -n "$rust" ] || die "rustc not found"
# Cargo takes a standard library for unchanging: other sources, or another linker, are another path.
key=$(cat "$here/install.sh" "$here/patch-std.sh" "$here"/rt/* | sha256sum | cut -c1-12)
ready="$dir/$rust-$key"
if [ -e "$ready" ]; then
    echo "$ready"
    exit
fi

[ "$(uname -sm)" = "Linux x86_64" ] || die "needs Linux on x86_64"
for tool in cargo cc apt-get apt-cache dpkg-deb flock perl tar; do
    command -v $tool >/dev/null || die "$tool not found"
done
perl -MJSON::PP -e 1 2>/dev/null || die "perl's JSON::PP not found: apt-get install perl"
mkdir -p "$dir"
exec 9>"$dir/.lock"
flock 9
if [ -e "$ready" ]; then # by someone else, meanwhile
    echo "$ready"
    exit
fi
rm -rf "$dir"/.installing.*
tmp=$(mktemp -d "$dir/.installing.XXXXXX")
trap 'rm -rf "$tmp"' EXIT

# apt with its own lists, cache and (empty) package state
a="$dir/apt"
private() {
    cmd=$1
    shift
    "$cmd" -q -oDir::Etc::SourceList="$a/sources.list" -oDir::Etc::SourceParts=/dev/null \
        -oDir::State="$a" -oDir::State::status="$a/status" -oDir::Cache="$a/cache" \
        -oAcquire::Languages=none -oAcquire::IndexTargets::deb::DEP-11::DefaultEnabled=false \
        -oAPT::Sandbox::User=root -oDebug::NoLocking=true -oAPT::Update::Error-Mode=any "$@"
}

# Reads the package lists, once
apt_update() {
    [ -z "${updated-}" ] || return 0
    [ -r "$KEYRING" ] || die "$KEYRING not found: install debian-archive-keyring"
    sites=$(apt-get indextargets --format '$(SITE) $(RELEASE)' 'Created-By: Packages' | sort -u)
    mirror=${SBPF_DEBIAN_MIRROR:-$(echo "$sites" |
        awk '$2 ~ /^(bookworm|trixie|forky|sid|stable|testing|unstable)$/ { print $1; exit }')}
    [ -n "$mirror" ] || die "no Debian mirror among apt's sources: set SBPF_DEBIAN_MIRROR"
    mkdir -p "$a/lists/partial" "$a/cache/archives/partial"
    : >"$a/status"
    {
        for suite in sid experimental trixie-backports; do echo "$mirror $suite"; done
        echo "$sites" | awk '$2 ~ /^(bookworm|trixie|forky)-security$/'
    } | sed "s|.*|deb [signed-by=$KEYRING] & main|" >"$a/sources.list"
    say "reading package lists from $mirror"
    private apt-get update >"$tmp/log" 2>&1 || { cat "$tmp/log" >&2; die "apt-get update failed"; }
    updated=1
}

lib="$dir/llvm-$LLVM/usr/lib/x86_64-linux-gnu"
if [ ! -e "$lib" ]; then
    apt_update
    [ -n "$(private apt-cache madison libllvm$LLVM)" ] || die "libllvm$LLVM is not in Debian's archive"
    say "downloading libllvm$LLVM and its libraries"
    private apt-get install -y --no-install-recommends --download-only libllvm$LLVM >"$tmp/log" 2>&1 ||
        { cat "$tmp/log" >&2; die "download failed"; }
    for deb in "$a"/cache/archives/*.deb; do dpkg-deb -x "$deb" "$tmp/llvm"; done
    l="$tmp/llvm/usr/lib/x86_64-linux-gnu"
    deps=$(LD_LIBRARY_PATH=$l "$l/ld-linux-x86-64.so.2" --list "$l"/libLLVM.so.$LLVM.*) || die "$deps"
    ! echo "$deps" | grep -vF "=> $l/" | grep '=>' >&2 || die "libraries of LLVM are missing"
    rm -rf "$dir/llvm-$LLVM" "$a"/cache/archives/*.deb
    mv "$tmp/llvm" "$dir/llvm-$LLVM"
fi

linker="$dir/sbpf-linker-$LINKER/bin/sbpf-linker"
if [ ! -x "$linker" ]; then
    say "building sbpf-linker $LINKER"
    env -u RUSTFLAGS -u CARGO_ENCODED_RUSTFLAGS -u CARGO_BUILD_TARGET -u RUSTC_BOOTSTRAP \
        CARGO_TARGET_DIR="$tmp/target" cargo install -q sbpf-linker --version "=$LINKER" --locked \
        --no-track --root "$tmp/linker" >"$tmp/log" 2>&1 ||
        { cat "$tmp/log" >&2; die "building sbpf-linker failed"; }
    rm -rf "$dir/sbpf-linker-$LINKER"
    mv "$tmp/linker" "$dir/sbpf-linker-$LINKER"
fi

mkdir "$tmp/new"
src="$(rustc --print sysroot)/lib/rustlib/src/rust/library"
deb="$dir/rust-src-$rust.deb"
if [ -e "$src/Cargo.lock" ]; then
    cp -R "$src" "$tmp/new/std"
else
    if [ ! -e "$deb" ]; then
        apt_update
        found=$(private apt-cache madison rust-src rust-web-src | awk '{ print $1 "=" $3 }')
        want=$(echo "$found" | grep -m1 "=$(echo "$rust" | sed 's/\./\\./g')[-+]") ||
            die "Debian has rust-src only for" $(echo "$found" | sed 's/.*=//; s/[-+].*//' | sort -Vu) \
                "but rustc is $rust: run \`rustup component add rust-src\`"
        say "downloading $want"
        (cd "$tmp" && private apt-get download "$want" >log 2>&1) ||
            { cat "$tmp/log" >&2; die "download failed"; }
        mv "$tmp"/rust-*.deb "$deb"
    fi
    dpkg-deb --fsys-tarfile "$deb" | tar x -C "$tmp" --wildcards '*/library'
    mv "$tmp"/usr/src/*/library "$tmp/new/std"
fi
"$here/patch-std.sh" "$tmp/new/std"

cp "$here/rt/sbpf-solana.json" "$tmp/new/"
# An empty archive whose name tells sbpf-linker that the builtins are there (they are, in std).
printf '!<arch>\n' >"$tmp/new/libsolana_compiler_builtins.a"
sed "s/@LLVM@/$LLVM/; s/@LINKER@/$LINKER/" "$here/rt/sbpf-ld" >"$tmp/new/sbpf-ld"
chmod +x "$tmp/new/sbpf-ld"
mv "$tmp/new" "$ready"
"$ready/sbpf-ld" --version >/dev/null || { rm -rf "$ready"; die "sbpf-linker does not run"; }
rm -rf "$a"
say "installed in $ready"
echo "$ready"
