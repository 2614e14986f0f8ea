#!/bin/sh
# The README shows files of the tree, word for word, and its config trains. (Its program is
# compiled and run by tests/install.)
#
#   run.sh TREE PROGRAM WORK_FOLDER
set -eu
tree=$1 program=$2 work=$3
cd "$tree"

fail() {
    printf 'readme: %s\n' "$*" >&2
    exit 1
}

# block LANGUAGE: the text of its first code block.
block() {
    awk -v open="\`\`\`$1" '$0 == open && !seen {inside = seen = 1; next}
        /^```/ {inside = 0} inside' README.md
}

rm -rf "$work"
mkdir -p "$work"
block python >"$work/readme.py"
block c >"$work/program.c"
cmp "$work/readme.py" configs/readme.py || fail 'the config is not configs/readme.py'
cmp "$work/program.c" examples/train_own_model.c ||
    fail 'the program is not examples/train_own_model.c'
[ "$(awk 'END {print NR}' "$work/readme.py")" -le 20 ] || fail 'the config has over 20 lines'
[ "$(awk 'END {print NR}' "$work/program.c")" -le 40 ] || fail 'the program has over 40 lines'
"$program" train configs/readme.py --work-dir "$work/run" train_cfg.max_epochs=1 \
    >"$work/train.log" 2>&1 || { cat "$work/train.log" >&2; fail 'the config does not train'; }
grep -q 'accuracy/top1' "$work/train.log" || fail 'the run says no accuracy'

# Every file that it links to is there.
# shellcheck disable=SC2013
for link in $(grep -o '](\([^)#]*\))' README.md | sed 's/](\(.*\))/\1/' | grep -v '^https\?:'); do
    [ -e "$link" ] || fail "links to $link, which is not there"
done
# And no place is left to fill.
if grep -nE '@[A-Z]+@' README.md; then
    fail 'a place is left to fill'
fi
