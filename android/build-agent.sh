#!/usr/bin/env bash
# Builds the static 64-bit ARM zen-agent that is pushed to phones (and runs on other ARM Linux too).
#
# usage: android/build-agent.sh [--debian] [--out FILE]
#
# Takes the first of these that is installed; it never adds a Rust target and downloads no tool:
#   1. cargo-ndk, an NDK (ANDROID_NDK_HOME) and the Rust target aarch64-linux-android
#   2. cargo-zigbuild and the Rust target aarch64-unknown-linux-musl
#   3. what an earlier --debian left behind
# --debian fetches Debian 12's own cross compiler and Rust from the package mirrors that this machine's
# apt is set up with, into a private folder ($ZEN_NAS_CROSS, else ~/.cache/zen-nas/cross; 800 MB). No
# root, nothing is installed, no foreign architecture is added. Crates come through cargo as always.
set -euo pipefail

root=$(cd "$(dirname "$0")/.." && pwd)
out=$root/target/android/zen-agent
cross=${ZEN_NAS_CROSS:-${XDG_CACHE_HOME:-$HOME/.cache}/zen-nas/cross}
target_dir=${CARGO_TARGET_DIR:-$root/target/android/build}
debian=no
while [ $# -gt 0 ]; do
    case $1 in
    --debian) debian=yes ;;
    --out) out=${2:?--out needs a file name}; shift ;;
    *) sed -n '2,/^set/{/^set/d;s/^# \{0,1\}//;p}' "$0"; [ "$1" = --help ] && exit 0 || exit 2 ;;
    esac
    shift
done

say() { printf 'build-agent: %s\n' "$*" >&2; }
fail() { say "$*"; exit 1; }
has_target() { [ -d "$(rustc --print sysroot)/lib/rustlib/$1/lib" ]; }

# Copies the executable of a target to its place and says what it is.
finish() {
    mkdir -p "$(dirname "$out")"
    cp "$target_dir/$1/release/zen-agent" "$out"
    say "made with $2: $out ($(wc -c <"$out") bytes)"
}

# Debian's packages, unpacked side by side; the foreign architecture is known to this private apt only.
fetch_debian() {
    mkdir -p "$cross"/{state/lists/partial,cache/archives/partial,packages,root}
    cat >"$cross/apt.conf" <<CONF
APT::Architecture "amd64";
APT::Architectures { "amd64"; "arm64"; };
APT::Sandbox::User "";
Dir::State "$cross/state";
Dir::State::status "/var/lib/dpkg/status";
Dir::Cache "$cross/cache";
Acquire::Languages "none";
CONF
    export APT_CONFIG=$cross/apt.conf
    say "reading the lists of the package mirrors"
    apt-get -q update >/dev/null || fail "the package mirrors cannot be reached"
    depends() { apt-cache depends "$1" | sed -n 's/^ *Depends: \(.*\)/\1/p'; }
    local std llvm gcc version
    std=$(depends libstd-rust-web-dev | grep '^libstd-rust-web-[0-9]' | head -1) || true
    llvm=$(depends "${std:-rustc-web}" | grep '^libllvm[0-9]' | head -1) || true
    gcc=$(depends gcc-aarch64-linux-gnu | grep '^gcc-[0-9]*-aarch64-linux-gnu$' | head -1) || true
    version=${gcc#gcc-}; version=${version%%-*}
    [ -n "$std" ] && [ -n "$llvm" ] && [ -n "$gcc" ] || fail \
        "this Debian offers no rustc-web or no cross compiler (made for Debian 12 with its security updates);" \
        "install cargo-zigbuild and 'rustup target add aarch64-unknown-linux-musl' instead"
    local packages=(rustc-web "$std" libstd-rust-web-dev "$llvm" libstd-rust-web-dev:arm64
        gcc-aarch64-linux-gnu "$gcc" "cpp-$version-aarch64-linux-gnu" binutils-aarch64-linux-gnu
        libc6-dev-arm64-cross libc6-arm64-cross linux-libc-dev-arm64-cross "libgcc-$version-dev-arm64-cross"
        libgcc-s1-arm64-cross libedit2 libxml2 libz3-4 libffi8 libisl23 libmpc3 libmpfr6 libgmp10 libjansson4)
    cd "$cross/packages"
    say "fetching from the package mirrors:"
    apt-get -q --print-uris download "${packages[@]}" | sed "s/^'\([^']*\)'.*/  \1/" >&2
    apt-get -q download "${packages[@]}" >/dev/null || fail "a package could not be fetched"
    for package in *.deb; do dpkg -x "$package" "$cross/root"; done
    rm -f ./*.deb
    unset APT_CONFIG
    cd "$root"
    # The tools find their libraries beside themselves.
    local libraries=$cross/root/usr/lib/x86_64-linux-gnu tool
    mkdir -p "$cross/bin"
    for tool in gcc ar; do
        printf '#!/bin/sh\nLD_LIBRARY_PATH=%s exec %s "$@"\n' "$libraries" \
            "$cross/root/usr/bin/aarch64-linux-gnu-$tool" >"$cross/bin/$tool"
    done
    cat >"$cross/bin/rustc" <<RUSTC
#!/bin/sh
case " \$* " in *" --sysroot"*) sysroot= ;; *) sysroot=--sysroot=$cross/root/usr ;; esac
LD_LIBRARY_PATH=$libraries exec $cross/root/usr/bin/rustc \$sysroot "\$@"
RUSTC
    chmod +x "$cross"/bin/*
    touch "$cross/complete"
}

build_debian() {
    local target=aarch64-unknown-linux-gnu
    RUSTC=$cross/bin/rustc \
        CC_aarch64_unknown_linux_gnu=$cross/bin/gcc AR_aarch64_unknown_linux_gnu=$cross/bin/ar \
        PATH=$cross/root/usr/bin:$PATH \
        CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_LINKER=$cross/bin/gcc \
        CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_RUSTFLAGS="-C target-feature=+crt-static" \
        cargo build --locked --release -p zen-agent --target "$target" --target-dir "$target_dir"
    finish "$target" "Debian's cross compiler, static glibc"
}

cd "$root"
if [ "$debian" = no ] && [ -n "${ANDROID_NDK_HOME:-}" ] && command -v cargo-ndk >/dev/null && has_target aarch64-linux-android; then
    CARGO_TARGET_DIR=$target_dir cargo ndk -t arm64-v8a -p "${ANDROID_API:-24}" build --locked --release --package zen-agent
    finish aarch64-linux-android "the Android NDK"
elif [ "$debian" = no ] && command -v cargo-zigbuild >/dev/null && has_target aarch64-unknown-linux-musl; then
    cargo zigbuild --locked --release -p zen-agent --target aarch64-unknown-linux-musl --target-dir "$target_dir"
    finish aarch64-unknown-linux-musl "zig, static musl"
elif [ -f "$cross/complete" ] || [ "$debian" = yes ]; then
    [ -f "$cross/complete" ] || fetch_debian
    build_debian
else
    say "no compiler for 64-bit ARM was found. One of these makes one:"
    say "  cargo install cargo-zigbuild, pip install ziglang, rustup target add aarch64-unknown-linux-musl"
    say "  an Android NDK (set ANDROID_NDK_HOME), cargo install cargo-ndk, rustup target add aarch64-linux-android"
    say "  on Debian 12: $0 --debian   (fetches about 200 MB of packages from your apt mirrors, installs nothing)"
    exit 2
fi
