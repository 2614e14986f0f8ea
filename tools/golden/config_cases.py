"""Writes expected.json of the cases in tests/cases/config/valid with MMEngine's Config.

Run from the folder tests: python3 ../tools/golden/config_cases.py cases/config/valid

The form is that of mm_config_json(): what JSON has not is an object with one marked key.
Cases that MMEngine rejects and we accept hold a file differs.txt that says why; their
expected.json is written by hand. Packages of the cases stand in cases/config/site.
"""
import functools
import json
import os
import sys
import types
import warnings

from mmengine.config import Config, config, utils


def is_standard(module):
    """MMEngine asks where a module's file lies, which fails in virtual environments."""
    return not module.startswith('.') and (
        module.startswith('mmengine.config')
        or module.split('.')[0] in sys.stdlib_module_names)


def encode(value):
    if isinstance(value, dict):
        items = list(dict.items(value))
        if all(type(k) is str for k, _ in items) and not (
                len(items) == 1 and items[0][0].startswith('__')):
            return {k: encode(v) for k, v in items}
        return {'__dict__': [[encode(k), encode(v)] for k, v in items]}
    if isinstance(value, list):
        return [encode(v) for v in value]
    if isinstance(value, tuple):
        return {'__tuple__': [encode(v) for v in value]}
    if isinstance(value, set):
        return {'__set__': [encode(v) for v in sorted(value)]}
    if isinstance(value, bytes):
        return {'__bytes__': value.hex()}
    if isinstance(value, range):
        return {'__range__': [value.start, value.stop, value.step]}
    if value is None or type(value) in (bool, int, float, str):
        return value
    return {'__opaque__': describe(value)}


def describe(value):
    """What has no data form, as mm_value_repr() prints it."""
    if isinstance(value, types.ModuleType):
        return f"<module '{value.__name__}'>"
    if isinstance(value, types.FunctionType):
        return f'<function {value.__name__}>'
    if isinstance(value, functools.partial):
        return f'functools.partial({value.func!r})'
    if type(value).__module__ == 'typing':
        return f"<class '{value._name}'>"
    if isinstance(value, type) and value.__module__ in sys.stdlib_module_names:
        return f"<class '{value.__name__}'>"
    return repr(value)


def to_dict(loaded):
    """Config.to_dict() without importing what a lazy config names."""
    return config._lazy2string(loaded._to_lazy_dict(), dict)


def main(folder):
    warnings.simplefilter('ignore')
    config._is_builtin_module = utils._is_builtin_module = is_standard
    sys.path.insert(0, os.path.abspath(os.path.join(folder, '..', 'site')))
    for name in sorted(os.listdir(folder)):
        case = os.path.join(folder, name)
        if os.path.exists(os.path.join(case, 'differs.txt')):
            continue
        path = [os.path.join(case, f) for f in sorted(os.listdir(case))
                if os.path.splitext(f)[0] == 'config'][0]
        loaded = Config.fromfile(path, import_custom_modules=False)
        with open(os.path.join(case, 'expected.json'), 'w', encoding='utf-8') as f:
            json.dump(encode(to_dict(loaded)), f, ensure_ascii=False)
            f.write('\n')


if __name__ == '__main__':
    main(sys.argv[1])
