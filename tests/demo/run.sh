#!/bin/sh
# Runs the demo for two epochs on the digits and looks at what it says it has written.
#
#   run.sh TREE PROGRAM WORK_FOLDER
set -eu
tree=$1 program=$2 work=$3

fail() {
    printf 'demo: %s\n' "$*" >&2
    sed 's/^/    /' "$work.out" >&2
    exit 1
}

# png FILE: is it one, from the first to the last bytes?
png() {
    [ "$(head -c 8 "$1" | od -An -tx1 | tr -d ' \n')" = 89504e470d0a1a0a ] &&
        [ "$(tail -c 8 "$1" | od -An -tx1 | tr -d ' \n')" = 49454e44ae426082 ]
}

rm -rf "$work"
MM_DEMO=digits MM_PROGRAM=$program "$tree/tools/demo.sh" "$work" \
    --cfg-options train_cfg.max_epochs=2 >"$work.out" 2>&1 || fail "ended with $?"

accuracy=$(sed -n 's/^demo: \([0-9.]*\) % of the test pictures.*/\1/p' "$work.out")
[ -n "$accuracy" ] || fail 'no accuracy'
# Two epochs of the digits: far above chance, which is 10.
awk -v got="$accuracy" 'BEGIN {exit !(got > 30 && got <= 100)}' || fail "accuracy $accuracy"
png "$work/curves.png" || fail 'curves.png is no picture'
grep -q '</svg>' "$work/curves.svg" || fail 'curves.svg is cut off'
png "$work/predictions.png" || fail 'predictions.png is no picture'
for name in curves.png predictions.png; do
    grep -qF "$work/$name" "$work.out" || fail "$name is not named"
done
[ -f "$work/$(sed 's|.*/||' "$work/last_checkpoint")" ] || fail 'no last checkpoint'
