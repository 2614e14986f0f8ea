#!/bin/sh
# Gets what building and running needs and records what it chose. Asks nothing, may be run
# again at any time, needs no network once everything is there.
#
#   tools/setup.sh [--if-needed] [--no-install] [--demo] [--dev]
#
#   --if-needed   return at once if an earlier set-up is recorded and still true
#   --no-install  look, record, but install nothing
#   --demo        also the data set of `make demo`
#   --dev         also what only developers need: clang-format, clang-tidy, ccache
#
# TORCH chooses the libtorch: a folder that holds one, `debian` (libtorch-dev), `cpu`,
# `cuda`, or nothing: then the first of CMAKE_PREFIX_PATH, a torch that python3 can
# import, the wheel (fetched into the cache unless it is there), Debian's libtorch-dev.
# The choice is written to build/setup/<TORCH>.env, which tools/build.sh and CMake read.
#
# Exit status: 0 all there, 1 something is missing (named) or could not be installed.
set -eu
. "$(dirname "$0")/lib.sh"

# What the wheel takes, in megabytes: to fetch, and in the cache once unpacked.
wheel_cpu_fetch=190 wheel_cpu_disk=760
wheel_cuda_fetch=2000 wheel_cuda_disk=3800
torch_cpu_index=https://download.pytorch.org/whl/cpu

if_needed=no may_install=yes want_demo=no want_dev=no
for option in "$@"; do
    case $option in
    --if-needed) if_needed=yes ;;
    --no-install) may_install=no ;;
    --demo) want_demo=yes ;;
    --dev) want_dev=yes ;;
    *)
        mm_say "usage: tools/setup.sh [--if-needed] [--no-install] [--demo] [--dev]" >&2
        exit 2
        ;;
    esac
done

# What is missing, one "package|what it is for" a line; what could not be had.
apt_wanted='' nice_wanted='' unavailable=''
newline='
'

want() {
    apt_wanted="$apt_wanted$1|$2$newline"
}

want_nice() {
    nice_wanted="$nice_wanted$1|$2$newline"
}

# ---- apt ---------------------------------------------------------------------------

# Sets `apt` to the words that install, or leaves it empty.
find_apt() {
    apt=
    mm_have apt-get || return 1
    if [ "$(id -u)" = 0 ]; then
        apt='env DEBIAN_FRONTEND=noninteractive apt-get'
    elif mm_have sudo && sudo -n true 2>/dev/null; then
        apt='sudo -n env DEBIAN_FRONTEND=noninteractive apt-get'
    else
        return 1
    fi
}

apt_candidate() {
    LC_ALL=C apt-cache policy "$1" 2>/dev/null |
        awk '/Candidate:/ && $2 != "(none)" {print $2}'
}

# Fetches the package lists when one of the packages is not in them.
apt_refresh() {
    for package in "$@"; do
        if [ -z "$(apt_candidate "$package")" ]; then
            mm_say "setup: apt knows no '$package' yet, fetching the package lists"
            $apt -qq -o DPkg::Lock::Timeout=300 update || :
            return 0
        fi
    done
}

apt_size() {
    LC_ALL=C apt-get -o Debug::NoLocking=true --no-install-recommends --assume-no install \
        "$@" 2>/dev/null </dev/null | sed -n -e 's/^Need to get \(.*\) of archives.*/\1 to fetch/p' \
        -e 's/^After this operation, \(.*\) of additional.*/\1 on disk/p' | paste -s -d, - |
        sed 's/,/, /'
}

# apt_install PACKAGE...: one transaction; if that fails, once more with fresh lists.
apt_install() {
    apt_refresh "$@"
    size=$(apt_size "$@")
    mm_say "setup: apt installs $* (${size:-size unknown})"
    set -- -y -q --no-install-recommends -o DPkg::Lock::Timeout=300 \
        -o Dpkg::Options::=--force-confold install "$@"
    log=$mm_root/build/setup/apt.log
    if $apt "$@" >"$log" 2>&1 </dev/null; then
        return 0
    fi
    $apt -qq -o DPkg::Lock::Timeout=300 update >>"$log" 2>&1 </dev/null || :
    if $apt "$@" >>"$log" 2>&1 </dev/null; then
        return 0
    fi
    tail -n 5 "$log" >&2
    return 1
}

# install_wanted LINES: installs the packages of LINES or adds them to `unavailable`.
install_wanted() {
    packages=$(printf '%s' "$1" | sed 's/|.*//')
    [ -n "$packages" ] || return 0
    if [ "$may_install" = yes ] && find_apt; then
        # Package names hold no blanks.
        # shellcheck disable=SC2086
        if apt_install $packages; then
            return 0
        fi
    fi
    unavailable="$unavailable$1"
    return 1
}

# ---- pip ---------------------------------------------------------------------------

has_pip() {
    mm_have python3 && python3 -m pip --version >/dev/null 2>&1
}

# Python is used for fetching only, never by the build or the program.
need_pip() {
    has_pip && return 0
    lines="python3-pip|to fetch wheels$newline"
    mm_have python3 || lines="python3|to fetch wheels$newline$lines"
    install_wanted "$lines" && has_pip
}

# What a killed run left behind; another run's folder, still in use, stays.
drop_leftovers() {
    for leftover in "$1".partial.*; do
        if [ -d "$leftover" ] && ! kill -0 "${leftover##*.}" 2>/dev/null; then
            rm -rf "$leftover"
        fi
    done
}

# pip_into FOLDER ARGUMENT...: unpacks beside FOLDER first, so that an interrupted run
# leaves nothing half-written under the final name, and needs no second file system.
pip_into() {
    folder=$1
    shift
    mkdir -p "$(dirname "$folder")"
    drop_leftovers "$folder"
    partial=$folder.partial.$$
    mkdir "$partial" "$partial/tmp"
    trap 'rm -rf "$partial"' EXIT
    trap 'exit 130' INT
    trap 'exit 143' TERM
    log=$mm_root/build/setup/pip.log
    if ! TMPDIR=$partial/tmp python3 -m pip install --quiet --disable-pip-version-check \
        --no-input --no-cache-dir --no-warn-script-location --target "$partial/to" "$@" \
        >"$log" 2>&1 </dev/null; then
        tail -n 3 "$log" >&2
        rm -rf "$partial"
        trap - EXIT INT TERM
        return 1
    fi
    rm -rf "$folder"
    mv "$partial/to" "$folder"
    rm -rf "$partial"
    trap - EXIT INT TERM
}

# ---- libtorch ----------------------------------------------------------------------

choose() {
    mm_say "setup: libtorch $mm_torch_version ($mm_torch_kind, C++ ABI $mm_torch_abi) in $mm_torch_dir: $1"
}

torch_from_prefix_path() {
    rest=${CMAKE_PREFIX_PATH:-}
    while [ -n "$rest" ]; do
        case $rest in
        *[:\;]*)
            entry=${rest%%[:;]*}
            rest=${rest#*[:;]}
            ;;
        *)
            entry=$rest
            rest=
            ;;
        esac
        if [ -n "$entry" ] && mm_probe_torch "$entry"; then
            choose "named by CMAKE_PREFIX_PATH"
            return 0
        fi
    done
    return 1
}

# A torch is found without importing it: that would take seconds.
torch_from_python() {
    mm_have python3 || return 1
    site=$(python3 -c 'import importlib.util as u
s = u.find_spec("torch")
print(list(s.submodule_search_locations)[0] if s and s.submodule_search_locations else "")' \
        2>/dev/null) || return 1
    [ -n "$site" ] || return 1
    if ! mm_probe_torch "$site"; then
        mm_say "setup: passing over the torch of $(command -v python3): $mm_torch_why"
        return 1
    fi
    missing=$(mm_torch_missing_libs "$mm_torch_lib" | paste -s -d' ' -)
    if [ -n "$missing" ]; then
        mm_say "setup: passing over the torch of $(command -v python3): it lacks $missing"
        return 1
    fi
    choose "$(command -v python3) imports it"
}

cpu_index_answers() {
    python3 - "$torch_cpu_index/torch/" <<'PYTHON' >/dev/null 2>&1
import sys, urllib.request
urllib.request.urlopen(sys.argv[1], timeout=5).read(1)
PYTHON
}

# free_mb FOLDER: megabytes free where FOLDER is or will be.
free_mb() {
    place=$1
    while [ ! -d "$place" ]; do
        place=$(dirname "$place")
    done
    df -Pk "$place" | awk 'NR == 2 {printf "%d\n", $4 / 1024}'
}

# fetch_wheel KIND FOLDER: KIND cpu or cuda. The wheel of any Python version will do, only
# headers and libraries are used, so a python3 too old or too new asks for another's.
fetch_wheel() {
    index=
    if [ "$1" = cpu ] && cpu_index_answers; then
        index="--index-url $torch_cpu_index"
    fi
    for other in '' '--python-version 3.12 --only-binary=:all:'; do
        # Options without blanks inside.
        # shellcheck disable=SC2086
        if pip_into "$2" --no-deps $index $other "torch==$MM_WHEEL_VERSION"; then
            return 0
        fi
    done
    return 1
}

# Where PyTorch's CPU index does not answer, the default one serves the CUDA build. Without
# a GPU its CUDA half is dropped; what is left needs two small libraries of NVIDIA's.
drop_cuda() {
    [ "$mm_torch_kind" = cuda ] || return 0
    rm -f "$mm_torch_lib"/libtorch_cuda*.so "$mm_torch_lib"/libc10_cuda.so \
        "$mm_torch_lib"/libtorch_nvshmem.so "$mm_torch_lib"/libcaffe2_nvrtc.so
    mm_torch_kind=cpu
}

# fetch_companions FOLDER: what libtorch needs beside it, as the wheel's own metadata names
# it; everything else that wheel asks for serves Python only.
fetch_companions() {
    missing=$(mm_torch_missing_libs "$mm_torch_lib" | paste -s -d' ' -)
    [ -n "$missing" ] || return 0
    mm_say "setup: this build needs $missing; pip fetches NVIDIA's packages"
    requirements=$mm_root/build/setup/companions.txt
    sed -n -e 's/\r$//' -e 's/^Requires-Dist: //p' "$1"/torch-*.dist-info/METADATA |
        grep -v 'extra *==' | grep -E '^(nvidia-|cuda-toolkit)' >"$requirements" || :
    if [ "$mm_torch_kind" = cpu ]; then
        # Only the runtime and the profiler's interface, which libtorch_cpu is linked to.
        sed -n 's/^cuda-toolkit\[[^]]*\]/cuda-toolkit[cudart,cupti]/p' "$requirements" \
            >"$requirements.cpu"
        mv "$requirements.cpu" "$requirements"
    fi
    # Into the same folder: libtorch looks for them at ../../nvidia.
    log=$mm_root/build/setup/pip.log
    if ! python3 -m pip install --quiet --disable-pip-version-check --no-input \
        --no-cache-dir --target "$1" -r "$requirements" >"$log" 2>&1 </dev/null; then
        tail -n 3 "$log" >&2
        return 1
    fi
    missing=$(mm_torch_missing_libs "$mm_torch_lib" | paste -s -d' ' -)
    if [ -n "$missing" ]; then
        mm_say "setup: still missing: $missing" >&2
        return 1
    fi
}

# torch_from_wheel KIND
torch_from_wheel() {
    if [ "$1" = cuda ]; then
        folder=$mm_cache/libtorch-$MM_WHEEL_VERSION-cuda
        fetch=$wheel_cuda_fetch disk=$wheel_cuda_disk
    else
        folder=$mm_cache/libtorch-$MM_WHEEL_VERSION
        fetch=$wheel_cpu_fetch disk=$wheel_cpu_disk
    fi
    if mm_probe_torch "$folder/torch" && [ -z "$(mm_torch_missing_libs "$mm_torch_lib")" ]; then
        choose "fetched by an earlier set-up"
        return 0
    fi
    [ "$may_install" = yes ] && need_pip || return 1
    free=$(free_mb "$mm_cache")
    if [ "$free" -lt $((disk * 2)) ]; then
        mm_say "setup: $free MB free for $mm_cache, the wheel needs $((disk * 2)) MB" >&2
        return 1
    fi
    mm_say "setup: pip fetches torch $MM_WHEEL_VERSION, $1 build (about $fetch MB to fetch, $disk MB on disk) into $folder"
    fetch_wheel "$1" "$folder" && mm_probe_torch "$folder/torch" || return 1
    if [ "$1" = cpu ]; then
        drop_cuda
    fi
    fetch_companions "$folder" && choose "the wheel, kept in the cache"
}

# OpenBLAS comes along: with Debian's reference BLAS matrix products are 20 times slower.
torch_from_debian() {
    lines=
    if ! mm_probe_torch /usr; then
        lines="libtorch-dev|libtorch of the distribution$newline"
    fi
    if ! mm_has_openblas; then
        lines="${lines}libopenblas0-pthread|fast matrix products for Debian's libtorch$newline"
    fi
    if [ -n "$lines" ]; then
        install_wanted "$lines" || return 1
    fi
    mm_probe_torch /usr && choose "the distribution's package"
}

mm_has_openblas() {
    for file in /usr/lib/*/openblas-*/libblas.so.3 /usr/lib/openblas*/libblas.so.3; do
        [ -e "$file" ] && return 0
    done
    return 1
}

# Sets the mm_torch_* names to the libtorch that TORCH asks for.
find_torch() {
    case ${TORCH:-auto} in
    auto)
        kind=cpu
        if mm_has_driver; then
            kind=cuda
        fi
        torch_from_prefix_path || torch_from_python || torch_from_wheel $kind ||
            torch_from_debian
        ;;
    cpu) torch_from_wheel cpu ;;
    cuda) torch_from_wheel cuda ;;
    debian) torch_from_debian ;;
    *)
        if mm_probe_torch "$TORCH"; then
            choose "named by TORCH"
        else
            mm_die "TORCH=$TORCH: $mm_torch_why"
        fi
        ;;
    esac
}

# ---- tools -------------------------------------------------------------------------

look_for_compilers() {
    mm_has_cc || want gcc "C17 compiler"
    mm_has_cxx || want g++ "C++20 compiler, for the bridge to libtorch"
    # The headers of the C library come with neither when recommends are off.
    [ -e /usr/include/stdio.h ] || want libc6-dev "headers of the C library"
    mm_has_zlib || want zlib1g-dev "gzip and zip files"
    mm_has_yaml || want libyaml-dev "YAML files"
    mm_has_cmocka || want libcmocka-dev "unit tests"
    mm_have git || want_nice git "list of files for the lint"
}

# look_for_tool NAME PACKAGE OLDEST: by apt where its version will do.
look_for_tool() {
    if ! mm_find_tool "$1" "$3" && [ "$may_install" = yes ] && find_apt; then
        apt_refresh "$2"
        candidate=$(apt_candidate "$2")
        if [ -n "$candidate" ] && mm_at_least "$candidate" "$3"; then
            want "$2" "build tool, $3 or newer"
        fi
    fi
}

# fetch_tool NAME PACKAGE OLDEST: by pip where apt could not.
fetch_tool() {
    mm_find_tool "$1" "$3" && return 0
    if [ "$may_install" = yes ] && need_pip; then
        mm_say "setup: pip fetches $1 (about 30 MB) into $mm_cache/tools/$1"
        pip_into "$mm_cache/tools/$1" "$1" || :
    fi
    if ! mm_find_tool "$1" "$3"; then
        unavailable="$unavailable$2|build tool, $3 or newer$newline"
    fi
}

look_for_dev_tools() {
    mm_find_clang clang-format || want_nice clang-format-14 "lint: layout"
    mm_find_clang clang-tidy || want_nice clang-tidy-14 "lint: static checks"
    mm_have ccache || want_nice ccache "faster rebuilds"
    mm_have pkg-config || want_nice pkg-config "test of the installed package"
}

# ---- data set ----------------------------------------------------------------------

# Without the right to install, the package is unpacked into the cache: it is data only.
get_dataset() {
    mm_find_dataset && return 0
    if [ "$may_install" = no ] || ! mm_have apt-get; then
        return 1
    fi
    mm_say "setup: data set Fashion-MNIST, package dataset-fashion-mnist (31 MB)"
    if find_apt && apt_install dataset-fashion-mnist; then
        mm_find_dataset
        return
    fi
    partial=$mm_cache/datasets/partial.$$
    mkdir -p "$partial"
    if (cd "$partial" && apt-get -q download dataset-fashion-mnist &&
        dpkg-deb -x dataset-fashion-mnist_*.deb x) >/dev/null 2>&1; then
        mv "$partial/x/usr/share/datasets/fashion-mnist" "$mm_cache/datasets/" || :
    fi
    rm -rf "$partial"
    mm_find_dataset
}

# ---- the run -----------------------------------------------------------------------

write_record() {
    mm_find_tool cmake "$MM_NEED_CMAKE"
    cmake=$mm_tool
    mm_find_tool ninja "$MM_NEED_NINJA"
    record=$(mm_record_path)
    {
        printf '# Written by tools/setup.sh; read by tools/build.sh and cmake/MMSetup.cmake.\n'
        for pair in "MM_TORCH_DIR=$mm_torch_dir" "MM_TORCH_LIB=$mm_torch_lib" \
            "MM_TORCH_VERSION=$mm_torch_version" "MM_TORCH_KIND=$mm_torch_kind" \
            "MM_TORCH_ABI=$mm_torch_abi" \
            "MM_FLAVOUR=$(mm_torch_flavour "$mm_torch_version" "$mm_torch_kind")" \
            "MM_CMAKE=$cmake" "MM_NINJA=$mm_tool"; do
            # In single quotes, for the shell; a quote inside is closed and escaped.
            printf "%s='%s'\n" "${pair%%=*}" "$(printf '%s' "${pair#*=}" | sed "s/'/'\\\\''/g")"
        done
    } >"$record.$$"
    mv "$record.$$" "$record"
}

# The shortest way to a libtorch from here, as a line of `unavailable`.
torch_hint() {
    if [ "${TORCH:-auto}" = debian ]; then
        printf 'libtorch-dev|libtorch; with libopenblas0-pthread'
    elif has_pip; then
        printf 'libtorch-dev|libtorch, since the wheel could not be had; or TORCH=<folder that holds one>'
    else
        printf 'python3-pip|to fetch libtorch; or libtorch-dev, or TORCH=<folder that holds one>'
    fi
}

report_missing() {
    mm_say "setup: these are missing and could not be installed here:" >&2
    printf '%s' "$unavailable" | sort -u | awk -F'|' '!seen[$1]++ {printf "  %-24s %s\n", $1, $2}' >&2
    names=$(printf '%s' "$unavailable" | sed 's/|.*//' | sort -u | paste -s -d' ' -)
    if mm_have apt-get; then
        mm_say "setup: as an administrator: apt-get install $names" >&2
    else
        mm_say "setup: the names are Debian's; install what your system calls them" >&2
    fi
    exit 1
}

main() {
    mkdir -p "$mm_root/build/setup"
    if [ "$if_needed" = yes ] && mm_load_record && mm_has_cmocka; then
        if [ "$want_demo" = no ] || mm_find_dataset; then
            return 0
        fi
    fi
    look_for_compilers
    look_for_tool cmake cmake "$MM_NEED_CMAKE"
    look_for_tool ninja ninja-build "$MM_NEED_NINJA"
    install_wanted "$apt_wanted" || :
    fetch_tool cmake cmake "$MM_NEED_CMAKE"
    fetch_tool ninja ninja-build "$MM_NEED_NINJA"
    if [ "$want_dev" = yes ]; then
        look_for_dev_tools
        needed=$unavailable
        install_wanted "$nice_wanted" ||
            mm_say "setup: going on without the developers' tools" >&2
        unavailable=$needed
    fi
    needed=$unavailable
    if find_torch; then
        unavailable=$needed
    else
        unavailable=$needed$(torch_hint)$newline
    fi
    if [ -n "$unavailable" ]; then
        report_missing
    fi
    write_record
    if [ "$want_demo" = yes ] && ! get_dataset; then
        mm_say "setup: no Fashion-MNIST here; the demo will use the digits in the repository"
    fi
    mm_say "setup: done; recorded in $(mm_record_path)"
}

main
