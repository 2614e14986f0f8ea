#!/bin/sh
# Installs a built tree into a new folder and uses it as a stranger would: through the CMake
# package, through pkg-config, from a folder it was moved to; and compiles every public
# header alone, as C and as C++.
#
#   run.sh CMAKE NINJA BUILD_FOLDER CC CXX WORK_FOLDER
set -eu
cmake=$1 ninja=$2 build=$3 cc=$4 cxx=$5 work=$6
here=$(cd "$(dirname "$0")" && pwd)

fail() {
    printf 'install: %s\n' "$*" >&2
    exit 1
}

rm -rf "$work"
mkdir -p "$work"
"$cmake" --install "$build" --prefix "$work/first" >"$work/install.log" 2>&1 ||
    { cat "$work/install.log" >&2; fail 'cmake --install failed'; }

# Nothing of the build folder may be left in what was installed.
mv "$work/first" "$work/prefix"
prefix=$work/prefix
library=$(find "$prefix" -name 'libmmengine.so.0' | sed -n 1p)
[ -n "$library" ] || fail 'no libmmengine.so.0'
libdir=$(dirname "$library")
[ "$(readlink "$libdir/libmmengine.so")" = libmmengine.so.0 ] || fail 'no development link'
if readelf -d "$libdir"/libmmengine*.so* "$prefix"/bin/* 2>/dev/null |
    grep -E 'R(UN)?PATH' | grep -F "$build"; then
    fail 'a run path leads into the build folder'
fi
if readelf -d "$library" | grep -E 'NEEDED.*(torch|c10|stdc\+\+|gomp)'; then
    fail 'libmmengine needs libtorch or C++'
fi

# The program, from a folder it was not built for, with its manual and completion.
if [ -x "$prefix/bin/mmengine" ]; then
    "$prefix/bin/mmengine" --help >"$work/help.log" 2>&1 ||
        { cat "$work/help.log" >&2; fail 'the installed program does not run'; }
    grep -q '^\.TH MMENGINE 1' "$prefix/share/man/man1/mmengine.1" || fail 'no manual page'
    # The build folder's bridge would hide that the installed one is not found.
    if [ -e "$libdir/libmmengine_torch.so.0" ] &&
        ! LD_DEBUG=files "$prefix/bin/mmengine" env 2>&1 |
        grep -q "file=[^ ]*/${work##*/}/prefix/[^ ]*libmmengine_torch"; then
        fail 'the installed program does not open the installed bridge'
    fi
    for file in bash-completion/completions/mmengine zsh/site-functions/_mmengine \
        fish/vendor_completions.d/mmengine.fish; do
        grep -q train "$prefix/share/$file" || fail "no completion in share/$file"
    done
fi

# CMake package.
build_user() {
    "$cmake" -S "$here/package" -B "$work/user" -G Ninja -DCMAKE_MAKE_PROGRAM="$ninja" \
        -DCMAKE_C_COMPILER="$cc" -DCMAKE_PREFIX_PATH="$prefix" \
        -DCMAKE_C_FLAGS="${MM_SANITIZE_FLAGS:-}" &&
        "$ninja" -C "$work/user"
}
if ! build_user >"$work/user.log" 2>&1; then
    cat "$work/user.log" >&2
    fail 'the CMake project does not build'
fi
[ "$("$work/user/user")" = "no layer named 'conv9'" ] || fail 'the CMake project does not run'

# pkg-config, where there is one.
if command -v pkg-config >/dev/null 2>&1; then
    PKG_CONFIG_PATH=$libdir/pkgconfig
    export PKG_CONFIG_PATH
    [ -n "$(pkg-config --modversion mmengine)" ] || fail 'no version in mmengine.pc'
    # Flags are words.
    # shellcheck disable=SC2046,SC2086
    $cc ${MM_SANITIZE_FLAGS:-} -std=c17 -o "$work/by_pc" "$here/package/main.c" \
        $(pkg-config --cflags --libs mmengine) || fail 'pkg-config flags do not build'
    LD_LIBRARY_PATH=$libdir "$work/by_pc" >/dev/null || fail 'pkg-config program does not run'
    if [ -e "$libdir/libmmengine_torch.so" ]; then
        # The README's program: trains on the digits, so it runs in the tree.
        # shellcheck disable=SC2046,SC2086
        $cc ${MM_SANITIZE_FLAGS:-} -std=c17 -o "$work/own" \
            "$here/../../examples/train_own_model.c" \
            $(pkg-config --cflags --libs mmengine-zoo) || fail 'the example does not build'
        (cd "$here/../.." && LD_LIBRARY_PATH=$libdir "$work/own") >"$work/own.log" 2>&1 ||
            { cat "$work/own.log" >&2; fail 'the example does not run'; }
        grep -q '^epoch 10: 9[0-9.]* % right' "$work/own.log" ||
            { cat "$work/own.log" >&2; fail 'the example does not learn'; }
    fi
else
    printf 'install: no pkg-config here, mmengine.pc not tried\n'
fi

# Headers: each compiles alone, in both languages, without a warning.
for header in "$prefix"/include/mmengine/*.h; do
    name=mmengine/${header##*/}
    for language in 'c c17' 'c++ c++17'; do
        compiler=$cc
        [ "${language%% *}" = c ] || compiler=$cxx
        # A compiler may be several words.
        # shellcheck disable=SC2086
        printf '#include <%s>\nint mm_header_alone;\n' "$name" | $compiler -x "${language%% *}" \
            "-std=${language##* }" -Wall -Wextra -Wpedantic -Werror -I "$prefix/include" \
            -fsyntax-only - || fail "$name does not compile alone as ${language##* }"
    done
done
printf 'install: %s headers, package and pkg-config work\n' \
    "$(find "$prefix/include" -name '*.h' | awk 'END {print NR}')"
