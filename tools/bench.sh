#!/bin/sh
# Measures our engine beside Python's and prints a table. Run by `make bench`.
#
#   tools/bench.sh [REPEATS]
#
# The peers (torch of the version the build was made for, MMEngine, MMPretrain) come by pip
# into a folder in the user's cache, for the benchmark alone. MM_BENCH_PYTHON names a Python
# that has them already.
set -eu
. "$(dirname "$0")/lib.sh"

cd "$mm_root"
build=$(tools/build.sh --dir release)
cmake --build "$build" --target bench >/dev/null
python=${MM_BENCH_PYTHON:-}
if [ -z "$python" ]; then
    venv=${XDG_CACHE_HOME:-$HOME/.cache}/mmengine/bench
    python=$venv/bin/python
    if ! "$python" -c 'import mmpretrain.version, mmengine, torch' 2>/dev/null; then
        mm_say "bench: Python's MMEngine into $venv (about 1 GB)"
        python3 -m venv "$venv"
        "$venv/bin/pip" install -q torch==2.13.0 numpy mmengine==0.10.7 mmcv-lite==2.2.0 \
            einops importlib-metadata mat4py modelindex
        "$venv/bin/pip" install -q --no-deps mmpretrain==1.2.0 torchvision
    fi
fi
mm_find_dataset || mm_die 'no Fashion-MNIST: run make setup'
data=$(mktemp -d)
trap 'rm -rf "$data"' EXIT
for file in "$mm_data"/*ubyte.gz; do
    gzip -dc "$file" >"$data/$(basename "$file" .gz)"
done
"$python" benchmarks/bench.py "$build" "$data" build/bench.json "${1:-3}"
mm_say 'bench: build/bench.json'
