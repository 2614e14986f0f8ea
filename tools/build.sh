#!/bin/sh
# Configures, where that is needed, and builds one preset with the libtorch that setup.sh
# recorded for TORCH.
#
#   tools/build.sh PRESET [TARGET...]      build
#   tools/build.sh --test PRESET [ARG...]  run the tests of a built preset; ARGs go to CTest
#   tools/build.sh --install PRESET [ARG...]  ARGs go to `cmake --install`
#   tools/build.sh --dir PRESET            print the build folder
#
# PRESET is one of CMakePresets.json. MM_JOBS limits the compilers that run at once.
set -eu
. "$(dirname "$0")/lib.sh"

action=build
case ${1:-} in
--dir | --test | --install)
    action=${1#--}
    shift
    ;;
esac
[ $# -gt 0 ] || mm_die "which preset? one of release, debug, asan, tsan"
preset=$1
shift

mm_load_record || mm_die "not set up for TORCH=${TORCH:-auto}: run make setup"
dir=$mm_root/build/$preset-$MM_FLAVOUR
cd "$mm_root"

# The folder was configured for another libtorch, compiler or build tool.
is_configured() {
    [ -f "$dir/build.ninja" ] && [ -f "$dir/CMakeCache.txt" ] &&
        grep -qxF "MM_TORCH_DIR:PATH=$MM_TORCH_DIR" "$dir/CMakeCache.txt" &&
        grep -qxF "CMAKE_MAKE_PROGRAM:FILEPATH=$MM_NINJA" "$dir/CMakeCache.txt"
}

configure() {
    log=$dir/configure.log
    mkdir -p "$dir"
    # CMake caches the path of ninja on its own, as another type; start afresh.
    if [ -f "$dir/CMakeCache.txt" ] && ! is_configured; then
        rm -f "$dir/CMakeCache.txt"
    fi
    if ! "$MM_CMAKE" --preset "$preset" -B "$dir" -DMM_TORCH_DIR:PATH="$MM_TORCH_DIR" \
        -DCMAKE_MAKE_PROGRAM:FILEPATH="$MM_NINJA" >"$log" 2>&1; then
        cat "$log" >&2
        mm_die "CMake could not configure $dir"
    fi
}

case $action in
dir)
    mm_say "$dir"
    ;;
build)
    is_configured || configure
    # Word for word: no jobs option unless asked for.
    # shellcheck disable=SC2086
    "$MM_NINJA" -C "$dir" ${MM_JOBS:+-j "$MM_JOBS"} "$@"
    ;;
test)
    "${MM_CMAKE%cmake}ctest" --test-dir "$dir" --output-on-failure "$@"
    ;;
install)
    "$MM_CMAKE" --install "$dir" "$@"
    ;;
esac
