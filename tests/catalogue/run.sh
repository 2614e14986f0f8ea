#!/bin/sh
# The catalogue's maker on a library made up for it, and the order of what it made.
#   run.sh SOURCE_FOLDER WORK_FOLDER [PYTHON]
set -eu
source=$1
work=$2
python=${3:-}
mkdir -p "$work"

# What is compiled in is bisected: bytes in order, each line once, nothing but ASCII.
data=$source/src/registry/catalogue.txt
LC_ALL=C sort -c -u "$data"
if LC_ALL=C grep -n '[^ -~	]' "$data"; then
    echo "not ASCII: $data"
    exit 1
fi

if [ -z "$python" ]; then
    echo "no Python: the maker was not tried"
    exit 0
fi
here=$source/tests/catalogue
"$python" "$source/tools/catalogue/make.py" --out "$work/catalogue.txt" \
    "mmengine=$here/mmengine" "shelf=$here/shelf"
grep -E '	(shelf|bookcase)	|^#shelf' "$work/catalogue.txt" > "$work/shelf.txt"
diff "$here/expected.txt" "$work/shelf.txt"
