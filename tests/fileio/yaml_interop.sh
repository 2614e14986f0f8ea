#!/bin/sh
# PyYAML reads back, live, what the YAML writer made of the golden documents. Skipped (77)
# where python3 has no PyYAML with libyaml.
#
#   yaml_interop.sh PROGRAM, the test program fileio_test_yaml, in the folder tests
set -eu
python=${PYTHON:-python3}
"$python" -c 'from yaml import CLoader' 2>/dev/null || {
    echo "no PyYAML with libyaml"
    exit 77
}
"$python" ../tools/golden/yaml_written.py "$1"
