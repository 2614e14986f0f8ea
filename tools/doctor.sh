#!/bin/sh
# Prints what this machine has and lacks for building, running and the demo. Changes
# nothing. Exit status: 0 everything needed is there, 1 something needed is missing.
set -eu
. "$(dirname "$0")/lib.sh"

missing=0

# row STATE NAME WHAT: STATE is ok, missing (needed) or absent (optional).
row() {
    case $1 in
    ok) mark='  ok     ' ;;
    absent) mark='  -      ' ;;
    *)
        mark='  MISSING'
        missing=$((missing + 1))
        ;;
    esac
    printf '%s  %-16s %s\n' "$mark" "$2" "$3"
}

first_line() {
    "$@" 2>/dev/null | sed -n 1p
}

compilers() {
    # A compiler may be several words ("ccache gcc").
    # shellcheck disable=SC2086
    if mm_has_cc; then
        row ok 'C17 compiler' "$(first_line ${CC:-cc} --version)"
    else
        row missing 'C17 compiler' 'package gcc'
    fi
    # shellcheck disable=SC2086
    if mm_has_cxx; then
        row ok 'C++20 compiler' "$(first_line ${CXX:-c++} --version)"
    else
        row missing 'C++20 compiler' 'package g++'
    fi
}

# tool NAME OLDEST PACKAGE
tool() {
    if mm_find_tool "$1" "$2"; then
        row ok "$1" "$mm_tool_version, $mm_tool"
    elif mm_have "$1"; then
        row missing "$1" "$(first_line "$1" --version), older than $2; make setup gets one by pip"
    else
        row missing "$1" "$2 or newer: package $3, or pip"
    fi
}

# library NAME TEST PACKAGE STATE
library() {
    if "$2"; then
        version=$(pkg-config --modversion "$1" 2>/dev/null || printf 'found')
        row ok "$1" "$version"
    else
        row "$4" "$1" "package $3"
    fi
}

has_png() {
    mm_has_header '#include <png.h>'
}

has_cairo() {
    mm_has_header '#include <cairo/cairo.h>'
}

dev_tools() {
    for name in clang-format clang-tidy; do
        if mm_find_clang $name; then
            row ok $name "version $mm_tool_version, $mm_tool"
        else
            row absent $name "for make lint: package $name-14"
        fi
    done
    if mm_have ccache; then
        row ok ccache "$(first_line ccache --version)"
    else
        row absent ccache 'faster rebuilds: package ccache'
    fi
    if mm_have python3; then
        row ok python3 "$(python3 --version 2>&1), used for fetching libtorch only"
    else
        row absent python3 'for fetching libtorch: packages python3, python3-pip'
    fi
}

# The OpenMP runtime that libtorch_cpu loads; the bridge must use the same file.
openmp_file() {
    mm_have ldd || return 0
    ldd "$mm_torch_lib/libtorch_cpu.so" 2>/dev/null |
        awk '$1 ~ /lib(gomp|iomp|omp)/ {print $3; exit}'
}

torch() {
    if ! mm_load_record; then
        row missing libtorch "not set up for TORCH=${TORCH:-auto}: make setup"
        return 0
    fi
    row ok libtorch "$mm_torch_version in $mm_torch_dir"
    row ok '  build' "$mm_torch_kind, C++ ABI $mm_torch_abi"
    lacking=$(mm_torch_missing_libs "$mm_torch_lib" | paste -s -d' ' -)
    if [ -n "$lacking" ]; then
        row missing '  needs' "$lacking"
    fi
    openmp=$(openmp_file)
    if [ -n "$openmp" ]; then
        row ok '  OpenMP' "$openmp"
    else
        row absent '  OpenMP' 'this libtorch uses none'
    fi
    if mm_has_driver; then
        row ok '  driver' 'an NVIDIA driver is there'
    else
        row absent '  driver' 'no NVIDIA driver: training on the CPU'
    fi
    for record in "$mm_root"/build/setup/*.env; do
        if [ -f "$record" ] && [ "$record" != "$(mm_record_path)" ]; then
            name=${record##*/}
            row ok '  also' "${name%.env}: $(sed -n "s/^MM_TORCH_VERSION='\(.*\)'/\1/p" "$record")"
        fi
    done
}

data() {
    if mm_find_dataset; then
        row ok 'Fashion-MNIST' "$mm_data"
    else
        row absent 'Fashion-MNIST' 'for make demo: package dataset-fashion-mnist, 31 MB (else: the digits in the repository)'
    fi
}

machine() {
    row ok system "$(uname -srm)$(sed -n 's/^PRETTY_NAME="\(.*\)"/, \1/p' /etc/os-release 2>/dev/null)"
    memory=$(awk '/^MemTotal/ {printf ", %.1f GB memory", $2 / 1048576}' /proc/meminfo 2>/dev/null || :)
    row ok cores "$(mm_cores)$memory"
    disk=$(df -Pk "$mm_root" | awk 'NR == 2 {printf "%d", $4 / 1024}')
    if [ "$disk" -lt 1000 ]; then
        row missing disk "$disk MB free here, a build takes about 1000 MB"
    else
        row ok disk "$disk MB free here"
    fi
    row ok cache "$mm_cache ($(du -sh "$mm_cache" 2>/dev/null | awk '{print $1}'))"
}

compilers
tool cmake "$MM_NEED_CMAKE" cmake
tool ninja "$MM_NEED_NINJA" ninja-build
library zlib mm_has_zlib zlib1g-dev missing
library yaml-0.1 mm_has_yaml libyaml-dev missing
library cmocka mm_has_cmocka libcmocka-dev missing
library libpng has_png libpng-dev absent
library cairo has_cairo libcairo2-dev absent
dev_tools
torch
data
machine
if [ "$missing" -gt 0 ]; then
    mm_say "$missing missing; make setup gets what it may"
    exit 1
fi
mm_say 'all that is needed is there'
