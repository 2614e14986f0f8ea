#!/bin/sh
# Runs tools/setup.sh, in a copy of the tree's tools, against libtorchs, package managers
# and Pythons that are not real: what it chooses and why, what it names as missing, that it
# never installs when told not to.
#
#   run.sh TREE WORK_FOLDER
set -eu
tree=$1 work=$2
failed=0 checks=0

rm -rf "$work"
mkdir -p "$work/root" "$work/bin" "$work/home"
cp -R "$tree/tools" "$work/root/tools"
cd "$work"

# check NAME CONDITION...: the rest is a command that must succeed.
check() {
    name=$1
    shift
    checks=$((checks + 1))
    if ! "$@"; then
        failed=$((failed + 1))
        printf 'setup: %s\n' "$name"
        sed 's/^/    /' "$work/out"
    fi
}

says() {
    grep -qF -- "$1" "$work/out"
}

says_not() {
    ! grep -qF -- "$1" "$work/out"
}

# recorded KEY NAME VALUE
recorded() {
    # shellcheck disable=SC1090
    [ "$(. "$work/root/build/setup/$1.env" && eval "printf %s \"\$$2\"")" = "$3" ]
}

# Paths given to setup are relative: the work folder's own may hold blanks.
#
# A libtorch as far as setup looks at one. fake_torch FOLDER VERSION ABI
fake_torch() {
    mkdir -p "$1/include/ATen" "$1/lib"
    : >"$1/include/ATen/ATen.h"
    : >"$1/lib/libtorch_cpu.so"
    printf '_ZN3c105ErrorC2ENS_14SourceLocationE' >"$1/lib/libc10.so"
    [ "$3" = 0 ] || printf 'NSt7__cxx1112basic_string' >>"$1/lib/libc10.so"
    printf "__version__ = '%s'\n" "$2" >"$1/version.py"
}

# fake NAME: a program from standard input, found before the real one.
fake() {
    cat >"$work/bin/$1"
    chmod +x "$work/bin/$1"
}

# run EXPECTED_STATUS [NAME=VALUE...] [--option...]
run() {
    want=$1
    shift
    variables='' options=''
    for word in "$@"; do
        case $word in
        --*) options="$options $word" ;;
        *) variables="$variables $word" ;;
        esac
    done
    status=0
    # Words without blanks.
    # shellcheck disable=SC2086
    env -u CMAKE_PREFIX_PATH -u TORCH -u XDG_CACHE_HOME HOME="$work/home" \
        PATH="$work/bin:$PATH" $variables "$work/root/tools/setup.sh" $options \
        >"$work/out" 2>&1 </dev/null || status=$?
    check "exit status of: $* (is $status)" [ "$status" = "$want" ]
}

fake_torch "$work/new" 2.13.0+cpu 1
fake_torch "$work/old" 1.9.0 1
fake_torch "$work/abi0/torch" 2.4.1+cu121 0
: >"$work/abi0/torch/lib/libtorch_cuda.so"
mkdir -p "$work/headers/include/ATen" "$work/abi0/torch/share/cmake"
: >"$work/headers/include/ATen/ATen.h"

# No package manager, no pip, a Python without torch.
fake python3 <<'FAKE'
#!/bin/sh
[ "$1" = -c ] && echo ''
exit 0
FAKE
fake apt-get <<'FAKE'
#!/bin/sh
echo "$*" >>"$HOME/apt.calls"
exit 1
FAKE
fake ldd <<'FAKE'
#!/bin/sh
exit 0
FAKE

# A folder by name.
run 0 TORCH=new --no-install
check 'says where and which' says "libtorch 2.13.0+cpu (cpu, C++ ABI 1) in $work/new: named by TORCH"
key=path-$(printf new | cksum | awk '{print $1}')
check 'records the folder' recorded "$key" MM_TORCH_DIR "$work/new"
check 'records the flavour' recorded "$key" MM_FLAVOUR "2.13.0"

# A name that holds none is an error, never a fallback.
run 1 TORCH=nothing --no-install
check 'names the folder' says "no libtorch in 'nothing'"
run 1 TORCH=headers --no-install
check 'tells headers from a libtorch' says 'headers without libtorch_cpu.so'
run 1 TORCH=old --no-install
check 'refuses one too old' says '1.9.0'

# CMAKE_PREFIX_PATH: the first that really holds one, in any of its spellings.
run 0 CMAKE_PREFIX_PATH=nowhere:headers:abi0/torch/share/cmake:new --no-install
check 'takes the first that holds one' says "in $work/abi0/torch: named by CMAKE_PREFIX_PATH"
check 'sees the old C++ ABI' recorded auto MM_TORCH_ABI "0"
check 'sees the CUDA build' recorded auto MM_TORCH_KIND "cuda"
check 'keeps the flavours apart' recorded auto MM_FLAVOUR "2.4.1-cu121"

# What is recorded and still true is not looked for again.
run 0 --if-needed --no-install
check 'is silent the second time' [ ! -s "$work/out" ]
rm "$work/abi0/torch/lib/libtorch_cpu.so"

printf '%s\n' "$work/new" >"$work/site"
# A torch that python3 can import, and one whose libraries are not there.
fake python3 <<FAKE
#!/bin/sh
[ "\$1" = -c ] && cat "$work/site"
exit 0
FAKE
run 0 --if-needed --no-install
check 'looks again when the recorded one is gone' says "in $work/new: $work/bin/python3 imports it"
fake ldd <<'FAKE'
#!/bin/sh
echo '	libcudart.so.13 => not found'
FAKE
run 1 TORCH=cpu --no-install
run 0 TORCH=new --no-install
status=0
env -u CMAKE_PREFIX_PATH HOME="$work/home" PATH="$work/bin:$PATH" TORCH=auto \
    "$work/root/tools/setup.sh" --no-install >"$work/out" 2>&1 </dev/null || status=$?
check 'passes over a torch that cannot load' says 'it lacks libcudart.so.13'

# Told not to install, it does not even ask.
check 'no package manager was called' [ ! -e "$work/home/apt.calls" ]

# A compiler that is missing is named, with its package, and nothing is recorded.
rm -rf "$work/root/build"
run 1 CC=no-such-compiler TORCH=new --no-install
check 'names the package' says 'gcc                      C17 compiler'
check 'says how' says 'apt-get install'
check 'records nothing' [ ! -e "$work/root/build/setup/$key.env" ]
check 'blames nothing that is there' says_not 'ninja-build'

# An unknown option.
run 2 --frobnicate
check 'prints the usage' says 'usage: tools/setup.sh'

printf '%s checks, %s failed\n' "$checks" "$failed"
[ "$failed" = 0 ] && [ "$checks" -ge 25 ]
