#!/bin/sh
# The demo: trains a small convolutional network on real pictures with the program that was
# just built, then says where the curves and the predictions are. Run by `make demo`.
#
#   tools/demo.sh [WORK_DIR [TRAIN_ARGUMENT...]]
#
# MM_PROGRAM names another program, MM_DEMO=digits takes the digits in the repository
# although Fashion-MNIST is there.
set -eu
. "$(dirname "$0")/lib.sh"

cd "$mm_root"
work=${1:-work_dirs/demo}
[ $# -eq 0 ] || shift
program=${MM_PROGRAM:-$(tools/build.sh --dir "${PRESET:-release}")/bin/mmengine}
[ -x "$program" ] || mm_die "no program at $program: run make"

if [ "${MM_DEMO:-}" != digits ] && mm_find_dataset; then
    config=configs/demo/fashion_mnist.py
    FASHION_MNIST=$mm_data
    export FASHION_MNIST
    mm_say 'demo: Fashion-MNIST, 60,000 pictures to learn from, 10,000 to test on'
else
    config=configs/demo/digits.py
    mm_say 'demo: 1,797 digits of 8 x 8 pixels'
fi

mm_say "demo: mmengine train $config --work-dir $work"
mkdir -p "$work"
started=$(date +%s)
"$program" train "$config" --work-dir "$work" "$@"
seconds=$(($(date +%s) - started))
# The newest run only: an earlier one may lie in the same folder.
run=$(find "$work" -maxdepth 1 -name '2*_*' | sort | tail -n 1)
"$program" plot "$run" --out "$work/curves.png" >/dev/null
"$program" plot "$run" --out "$work/curves.svg" >/dev/null

# accuracies FILE: one number a line, from the records of the validations.
accuracies() {
    sed -n 's/.*"accuracy\/top1": \([0-9.]*\).*/\1/p' "$1" | awk '{printf "%.2f\n", $1}'
}

best=$(accuracies "$run/vis_data/scalars.json" | sort -n | tail -n 1)
last=$(accuracies "$run/vis_data/scalars.json" | tail -n 1)
[ -n "$best" ] || mm_die "no accuracy in $run/vis_data/scalars.json"
mm_say
mm_say "demo: $last % of the test pictures right after the last epoch, $best % after the best"
mm_say "  training     $seconds s, from start to end, validation included"
mm_say "  curves       $work/curves.png, $work/curves.svg"
mm_say "  predictions  $work/predictions.png"
mm_say "  weights      $work/$(cd "$work" && echo best_*.pth)"
mm_say "  log          $(echo "$run"/*.log)"
