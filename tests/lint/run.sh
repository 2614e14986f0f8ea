#!/bin/sh
# Runs the lint over each sample tree beside this file and compares what it finds, as
# "path:line: rule", with <sample>.expect. A sample names what must be found and, by
# silence, what must not.
#
#   run.sh MM_LINT
set -eu
lint=$1
cd "$(dirname "$0")/cases"
failed=0 count=0
for expect in *.expect; do
    name=${expect%.expect}
    count=$((count + 1))
    found=$( (cd "$name" && find . -type f | sed 's|^\./||' | sort) |
        "$lint" "$name" plan 2>/dev/null | sed 's/^\([^:]*:[0-9]*: [^:]*\):.*/\1/' | sort) || :
    if [ "$found" != "$(sort "$expect")" ]; then
        failed=$((failed + 1))
        printf 'sample %s: expected\n%s\nfound\n%s\n' "$name" "$(sort "$expect")" "$found"
    fi
done
# No samples at all would be a broken test, not a passed one.
[ "$count" -ge 15 ] || { printf 'only %s samples\n' "$count"; exit 1; }
# And a list with a finding must fail, one without must pass.
if echo panic.c | "$lint" allowed/src/base plan >/dev/null 2>&1; then
    printf 'findings left the exit status at 0\n'
    failed=$((failed + 1))
fi
if ! echo src/torch/parallel.cpp | "$lint" openmp plan >/dev/null 2>&1; then
    printf 'a clean list did not leave the exit status at 0\n'
    failed=$((failed + 1))
fi
printf '%s samples, %s failed\n' "$count" "$failed"
[ "$failed" = 0 ]
