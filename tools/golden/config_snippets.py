"""Writes expected.txt of the folders in tests/cases/config/snippets with MMEngine's Config.

Run from the folder tests: python3 ../tools/golden/config_snippets.py cases/config/snippets

Each folder has base.py, and snippets.txt with pieces of configs between lines of '---'. A
line of expected.txt is what a piece comes to, in the form of mm_config_json(), or the class
of the exception that MMEngine raises. Pieces whose value has no data form are left out here.
"""
import contextlib
import io
import json
import os
import shutil
import sys
import tempfile
import warnings

from mmengine.config import Config, config, utils

from config_cases import encode, is_standard, to_dict

HEADS = dict(text="_base_ = ['./base.py']\n",
             lazy='from mmengine.config import read_base\n\nwith read_base():\n'
                  '    from .base import *\n\n')


def evaluate(path):
    try:
        with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
            loaded = Config.fromfile(path, import_custom_modules=False)
            return json.dumps(encode(to_dict(loaded)), ensure_ascii=False)
    except Exception as e:
        return type(e).__name__


def main(root):
    warnings.simplefilter('ignore')
    config._is_builtin_module = utils._is_builtin_module = is_standard
    for style, head in HEADS.items():
        folder = os.path.join(root, style)
        with open(os.path.join(folder, 'snippets.txt'), encoding='utf-8') as f:
            pieces = f.read()[:-1].split('\n---\n')
        results = []
        with tempfile.TemporaryDirectory() as place:
            shutil.copy(os.path.join(folder, 'base.py'), place)
            path = os.path.join(place, 'config.py')
            for piece in pieces:
                with open(path, 'w', encoding='utf-8') as f:
                    f.write(f'{head}{piece}\n')
                results.append(evaluate(path))
        kept = [i for i, result in enumerate(results)
                if '__opaque__' not in result and '__set__' not in result]
        with open(os.path.join(folder, 'snippets.txt'), 'w', encoding='utf-8') as f:
            f.write('\n---\n'.join(pieces[i] for i in kept) + '\n')
        with open(os.path.join(folder, 'expected.txt'), 'w', encoding='utf-8') as f:
            f.writelines(results[i] + '\n' for i in kept)


if __name__ == '__main__':
    main(sys.argv[1])
