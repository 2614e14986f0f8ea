#!/bin/sh
# Checkpoints between this program and Python's libraries, live. Skipped (77) where the
# Python named by PYTHON, or python3, has not what the script needs.
#
#   run.sh PROGRAM SCRIPT MODULE...
set -eu
program=$1
script=$2
shift 2
python=${PYTHON:-python3}
for module in "$@"; do
    "$python" -c "import $module" 2>/dev/null || {
        echo "no Python with $module (PYTHON=... names one)"
        exit 77
    }
done
exec "$python" -W ignore "$(dirname "$0")/$script" "$program"
