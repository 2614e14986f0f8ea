#!/bin/sh
# The demo: trains a small convolutional network on real pictures with the program that was
# just built, then shows where the curve and the predictions are. Run by `make demo`.
#
#   tools/demo.sh [WORK_DIR] [TRAIN_ARGUMENT...]
set -eu
. "$(dirname "$0")/lib.sh"

cd "$mm_root"
work=${1:-work_dirs/demo}
[ $# -eq 0 ] || shift
program=$(tools/build.sh --dir "${PRESET:-release}")/bin/mmengine
[ -x "$program" ] || mm_die "no program at $program: run make"

if mm_find_dataset; then
    config=configs/demo/fashion_mnist.py
    mm_say "demo: Fashion-MNIST (60,000 pictures to learn from, 10,000 to test on) in $mm_data"
else
    config=configs/demo/digits.py
    mm_say 'demo: the 1,797 digits in the repository (Fashion-MNIST is not on this machine)'
fi

mm_say "demo: $program train $config --work-dir $work"
started=$(date +%s)
"$program" train "$config" --work-dir "$work" "$@"
seconds=$(($(date +%s) - started))

curve=$work/curves.svg
"$program" plot "$work" --out "$curve"

mm_say
mm_say "demo: done in $seconds s"
mm_say "  weights      $(sed -n 1p "$work/last_checkpoint" 2>/dev/null)"
mm_say "  curve        $curve"
mm_say "  predictions  $(find "$work" -name '*.png' | sort | tail -n 1)"
