# shellcheck shell=sh disable=SC2034,SC2153
# What setup.sh, build.sh, doctor.sh and lint.sh share: where things are, what counts as
# new enough, how a libtorch is recognised. Sourced, never run. POSIX sh.
#
# Probes set variables and return a status; they print nothing and change nothing.

MM_NEED_CMAKE=3.25
MM_NEED_NINJA=1.10
MM_WHEEL_VERSION=2.13.0 # the libtorch that setup fetches when there is none
MM_OLDEST_TORCH=1.13

mm_root=$(cd "$(dirname "$0")/.." && pwd)

# The user's cache: kept across clones. Without a home it is the build folder.
if [ -n "${XDG_CACHE_HOME:-}" ]; then
    mm_cache=$XDG_CACHE_HOME/mmengine
elif [ -n "${HOME:-}" ]; then
    mm_cache=$HOME/.cache/mmengine
else
    mm_cache=$mm_root/build/cache
fi

mm_say() {
    printf '%s\n' "$*"
}

mm_die() {
    printf '%s: %s\n' "${0##*/}" "$*" >&2
    exit 1
}

mm_have() {
    command -v "$1" >/dev/null 2>&1
}

# mm_at_least HAVE WANT: dotted numbers; anything after the numbers is ignored.
mm_at_least() {
    awk -v have="$1" -v want="$2" 'BEGIN {
        split(have, h, /[^0-9]+/); n = split(want, w, /[^0-9]+/)
        for (i = 1; i <= n; i++) {
            if (h[i] + 0 > w[i] + 0) exit 0
            if (h[i] + 0 < w[i] + 0) exit 1
        }
        exit 0
    }'
}

# ---- tools -------------------------------------------------------------------------

# mm_find_tool NAME OLDEST: sets mm_tool and mm_tool_version. First the PATH, then the
# system's own, which an older one may hide, then those that setup put into the cache.
mm_find_tool() {
    mm_tool='' mm_tool_version=''
    for candidate in "$(command -v "$1" 2>/dev/null || :)" "/usr/bin/$1" \
        "$mm_cache/tools/$1/$1/data/bin/$1" "$mm_cache/tools/$1/bin/$1"; do
        if [ -z "$candidate" ] || [ ! -x "$candidate" ]; then
            continue
        fi
        version=$("$candidate" --version 2>/dev/null | sed -n '1s/^[^0-9]*//p')
        if [ -n "$version" ] && mm_at_least "$version" "$2"; then
            mm_tool=$candidate
            mm_tool_version=${version%% *}
            return 0
        fi
    done
    return 1
}

# mm_compiles LANGUAGE STANDARD TEXT: does the system's compiler accept it?
mm_compiles() {
    if [ "$1" = c ]; then
        compiler=${CC:-cc}
    else
        compiler=${CXX:-c++}
    fi
    # The compiler may be several words ("ccache gcc").
    # shellcheck disable=SC2086
    mm_have ${compiler%% *} &&
        printf '%b\n' "$3" | $compiler -x "$1" "-std=$2" -fsyntax-only - >/dev/null 2>&1
}

mm_has_cc() {
    mm_compiles c c17 '#include <stdatomic.h>\nint main(void){return 0;}'
}

mm_has_cxx() {
    mm_compiles c++ c++20 '#include <optional>\n#include <memory>\nstatic_assert(__cplusplus >= 202002L || __GNUC__ >= 10);\nint main(){return 0;}'
}

# mm_has_header LINES: `LINES` are includes.
mm_has_header() {
    mm_compiles c c17 "$1\nint main(void){return 0;}"
}

mm_has_zlib() {
    mm_has_header '#include <zlib.h>'
}

mm_has_yaml() {
    mm_has_header '#include <yaml.h>'
}

mm_has_cmocka() {
    mm_has_header '#include <stdarg.h>\n#include <stddef.h>\n#include <stdint.h>\n#include <setjmp.h>\n#include <cmocka.h>'
}

# mm_find_clang NAME: clang-format or clang-tidy, version 14 if there are several, since
# others format and warn differently. Sets mm_tool and mm_tool_version (major number).
mm_find_clang() {
    mm_tool='' mm_tool_version=''
    for candidate in "$1-14" "$1"; do
        if mm_have "$candidate"; then
            mm_tool=$(command -v "$candidate")
            mm_tool_version=$("$mm_tool" --version 2>/dev/null |
                sed -n 's/.*version \([0-9]*\).*/\1/p' | sed -n 1p)
            [ "$mm_tool_version" = 14 ] && return 0
        fi
    done
    [ -n "$mm_tool" ]
}

# ---- libtorch ----------------------------------------------------------------------

# mm_probe_torch FOLDER: is there a libtorch to build with? FOLDER may be a libtorch, a
# prefix such as /usr, a folder that holds `torch/`, or what PyTorch calls its cmake
# prefix path. Sets mm_torch_dir (holds include/), mm_torch_lib (holds libtorch_cpu.so),
# mm_torch_version, mm_torch_kind (cpu or cuda), mm_torch_abi (0 or 1: _GLIBCXX_USE_CXX11_ABI)
# or mm_torch_why.
mm_probe_torch() {
    mm_torch_dir='' mm_torch_lib='' mm_torch_version='' mm_torch_kind=cpu mm_torch_abi=1
    mm_torch_why="no libtorch in '$1'"
    for base in "$1" "$1/torch" "${1%/share/cmake}"; do
        [ -f "$base/include/ATen/ATen.h" ] || continue
        for lib in "$base/lib" "$base"/lib/*-linux-* "$base/lib64"; do
            if [ -e "$lib/libtorch_cpu.so" ] && [ -e "$lib/libc10.so" ]; then
                mm_torch_dir=$(cd "$base" && pwd)
                mm_torch_lib=$(cd "$lib" && pwd)
                break 2
            fi
        done
        mm_torch_why="headers without libtorch_cpu.so in '$base'"
    done
    [ -n "$mm_torch_dir" ] || return 1
    mm_probe_torch_version
    if [ -z "$mm_torch_version" ]; then
        mm_torch_why="cannot tell the version of the libtorch in '$mm_torch_dir'"
        return 1
    fi
    if ! mm_at_least "$mm_torch_version" "$MM_OLDEST_TORCH"; then
        mm_torch_why="libtorch $mm_torch_version in '$mm_torch_dir' is older than $MM_OLDEST_TORCH"
        return 1
    fi
    if [ -e "$mm_torch_lib/libtorch_cuda.so" ]; then
        mm_torch_kind=cuda
    fi
    # The type of a std::string in one exported constructor tells the ABI.
    if ! LC_ALL=C grep -q '_ZN3c105ErrorC[12]ENS_14SourceLocationENSt7__cxx1112basic_string' \
        "$mm_torch_lib/libc10.so"; then
        mm_torch_abi=0
    fi
    mm_torch_why=
}

# Debian's files say 1.13.0 where the package is 1.13.1, so the package is asked first;
# version.py alone carries the local part (+cpu, +cu130).
mm_probe_torch_version() {
    if [ "$mm_torch_dir" = /usr ] && mm_have dpkg-query; then
        mm_torch_version=$(dpkg-query -W -f '${Version}' libtorch-dev 2>/dev/null |
            sed 's/[+~-].*//')
    elif [ -f "$mm_torch_dir/version.py" ]; then
        mm_torch_version=$(sed -n "s/^__version__ = '\(.*\)'.*/\1/p" "$mm_torch_dir/version.py")
    elif [ -f "$mm_torch_dir/build-version" ]; then
        mm_torch_version=$(sed -n 1p "$mm_torch_dir/build-version")
    fi
    if [ -z "$mm_torch_version" ]; then
        for file in "$mm_torch_dir/share/cmake/Torch/TorchConfigVersion.cmake" \
            "$mm_torch_lib/cmake/Torch/TorchConfigVersion.cmake"; do
            if [ -f "$file" ]; then
                mm_torch_version=$(sed -n 's/.*PACKAGE_VERSION "\([^"]*\)".*/\1/p' "$file" |
                    sed -n 1p)
                break
            fi
        done
    fi
}

# Libraries that libtorch_cpu needs and the loader does not find: the CUDA build of the
# wheel, fetched without its companions, is such a one. Prints their names.
mm_torch_missing_libs() {
    mm_have ldd || return 0
    for library in libtorch_cpu.so libc10.so libtorch_cuda.so; do
        if [ -e "$1/$library" ]; then
            ldd "$1/$library" 2>/dev/null | awk '/not found/ {print $1}'
        fi
    done | sort -u
}

# mm_torch_flavour VERSION KIND: the part of a build folder's name that tells libtorchs
# apart: 2.13.0, 2.13.0-cu130.
mm_torch_flavour() {
    if [ "$2" = cpu ]; then
        printf '%s\n' "${1%%+*}"
    else
        printf '%s\n' "$1" | sed 's/[^0-9A-Za-z.]/-/g'
    fi
}

# Is there an NVIDIA driver?
mm_has_driver() {
    [ -e /proc/driver/nvidia/version ] || { mm_have nvidia-smi && nvidia-smi -L >/dev/null 2>&1; }
}

# ---- the record of a set-up --------------------------------------------------------

# One record per value of TORCH, so that `make` and `make TORCH=debian` live side by side.
mm_record_path() {
    case ${TORCH:-auto} in
    auto | cpu | cuda | debian) key=${TORCH:-auto} ;;
    *) key=path-$(printf '%s' "$TORCH" | cksum | awk '{print $1}') ;;
    esac
    printf '%s\n' "$mm_root/build/setup/$key.env"
}

# mm_load_record: sets the MM_* names of the record if it is there and still true.
mm_load_record() {
    record=$(mm_record_path)
    [ -f "$record" ] || return 1
    # shellcheck disable=SC1090
    . "$record"
    [ -e "$MM_TORCH_LIB/libtorch_cpu.so" ] && [ -x "$MM_CMAKE" ] && [ -x "$MM_NINJA" ] ||
        return 1
    mm_probe_torch "$MM_TORCH_DIR" && [ "$mm_torch_version" = "$MM_TORCH_VERSION" ]
}

# ---- data set of the demo ----------------------------------------------------------

# Sets mm_data to the folder of Fashion-MNIST's four IDX files.
mm_find_dataset() {
    for folder in /usr/share/datasets/fashion-mnist \
        "$mm_cache/datasets/fashion-mnist"; do
        if [ -s "$folder/train-images-idx3-ubyte.gz" ] &&
            [ -s "$folder/train-labels-idx1-ubyte.gz" ] &&
            [ -s "$folder/t10k-images-idx3-ubyte.gz" ] &&
            [ -s "$folder/t10k-labels-idx1-ubyte.gz" ]; then
            mm_data=$folder
            return 0
        fi
    done
    mm_data=
    return 1
}

# ---- the machine -------------------------------------------------------------------

mm_cores() {
    getconf _NPROCESSORS_ONLN 2>/dev/null || printf '1\n'
}
