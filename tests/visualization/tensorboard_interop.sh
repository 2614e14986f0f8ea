#!/bin/sh
# The tensorboard package reads what our backend wrote. Skipped (77) where python3 has no
# tensorboard.
#
#   tensorboard_interop.sh PROGRAM, the test program test_tensorboard, in the folder tests
set -eu
python=${PYTHON:-python3}
"$python" -c 'import tensorboard, numpy, PIL' 2>/dev/null || {
    echo "no tensorboard with numpy and Pillow"
    exit 77
}
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"$1" "$folder"
"$python" ../tools/golden/event_files.py golden/visualization "$folder/vis_data"
