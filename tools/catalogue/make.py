#!/usr/bin/env python3
"""Writes data/catalogue.txt: every component name of the public OpenMMLab libraries.

    tools/catalogue/make.py --out data/catalogue.txt PACKAGE=FOLDER ...

FOLDER is a checkout or an unpacked wheel: it holds the folder PACKAGE. Nothing is
imported: sources are parsed. Understood are registrations by decorator and by call,
with `name=`, lists of names and loops over literal lists; registries with parents and
aliases; and, by the table LOOPS, the functions that register what another library has.

A line of the result: name, registry, scope, module (a leading dot: below the scope's
package), and the class where its name is another one, separated by tabs. Registry "-"
is a class or function that only its path names. Lines that begin with '#' describe a
library: package, its version, its distribution. Sorted by bytes.
"""
import argparse
import ast
import os
import re
import sys

# Functions that register the classes of another module: function name -> (module,
# base class or None, pattern of names, pattern of the registered name).
LOOPS = {
    'register_torch_optimizers': ('torch.optim', 'Optimizer', r'.*', '{}'),
    'register_vision_transforms':
        ('torchvision.transforms', None, r'[A-Z]', 'torchvision/{}'),
    'register_diffusers_models': ('diffusers.models', None, r'[A-Z]', '{}'),
    'register_diffusers_schedulers':
        ('diffusers.schedulers', None, r'(?!Flax).*Scheduler$', '{}'),
    'register_torch_observers':
        ('torch.ao.quantization.observer', 'ObserverBase', r'(?!_|default)', '{}'),
    'register_torch_fake_quants':
        ('torch.ao.quantization.fake_quantize', 'FakeQuantizeBase', r'(?!_|default)',
         '{}'),
}
RENAMED = {('register_torch_optimizers', 'Adafactor'): 'TorchAdafactor'}

# Optimizers that MMEngine takes from packages that need no checkout here.
BY_HAND = [
    ('optimizers', 'dadaptation', ['DAdaptAdaGrad', 'DAdaptAdam', 'DAdaptSGD']),
    ('optimizers', 'lion_pytorch', ['Lion']),
    ('optimizers', 'Sophia', ['SophiaG']),
    ('optimizers', 'transformers', ['Adafactor']),
    ('optimizers', 'bitsandbytes.optim',
     ['bnb_Adagrad=Adagrad', 'Adagrad8bit', 'Adagrad32bit', 'bnb_Adam=Adam', 'Adam8bit',
      'Adam32bit', 'PagedAdam', 'PagedAdam8bit', 'PagedAdam32bit', 'bnb_AdamW=AdamW',
      'AdamW8bit', 'AdamW32bit', 'PagedAdamW', 'PagedAdamW8bit', 'PagedAdamW32bit',
      'AdEMAMix', 'AdEMAMix8bit', 'AdEMAMix32bit', 'PagedAdEMAMix', 'PagedAdEMAMix8bit',
      'PagedAdEMAMix32bit', 'LAMB', 'LAMB8bit', 'LAMB32bit', 'LARS', 'LARS8bit',
      'LARS32bit', 'bnb_Lion=Lion', 'Lion8bit', 'Lion32bit', 'PagedLion',
      'PagedLion8bit', 'PagedLion32bit', 'bnb_RMSprop=RMSprop', 'RMSprop8bit',
      'RMSprop32bit', 'bnb_SGD=SGD', 'SGD8bit', 'SGD32bit']),
    ('optimizers', 'apex.optimizers',
     ['FusedAdam', 'FusedLAMB', 'FusedNovoGrad', 'FusedSGD']),
    ('optimizers', 'colossalai.nn.optimizer', ['CPUAdam', 'HybridAdam', 'Lamb', 'Lars']),
]

# What registries were called before MMEngine; libraries of that time use these names.
OLD_NAMES = {
    'BACKBONES': 'models', 'NECKS': 'models', 'HEADS': 'models', 'LOSSES': 'models',
    'DETECTORS': 'models', 'SEGMENTORS': 'models', 'ROI_EXTRACTORS': 'models',
    'SHARED_HEADS': 'models', 'PLUGIN_LAYERS': 'models', 'CONV_LAYERS': 'models',
    'NORM_LAYERS': 'models', 'ACTIVATION_LAYERS': 'models', 'TRANSFORMER': 'models',
    'POSITIONAL_ENCODING': 'models', 'ATTENTION': 'models', 'PIPELINES': 'transforms',
    'BBOX_ASSIGNERS': 'task_utils', 'BBOX_SAMPLERS': 'task_utils',
    'BBOX_CODERS': 'task_utils', 'MATCH_COST': 'task_utils',
    'IOU_CALCULATORS': 'task_utils', 'ANCHOR_GENERATORS': 'task_utils',
    'PRIOR_GENERATORS': 'task_utils', 'SAMPLER': 'data_samplers',
    'OPTIMIZER_BUILDERS': 'optim_wrapper_constructors', 'REID': 'models',
    'CLASSIFIERS': 'models', 'MODELS': 'models', 'DATASETS': 'datasets',
    'HOOKS': 'hooks', 'RUNNERS': 'runners', 'OPTIMIZERS': 'optimizers',
    'TRANSFORMS': 'transforms', 'METRICS': 'metrics', 'LOOPS': 'loops',
}


class Module:
    """One source file: what its top level binds each name to."""

    def __init__(self, name, path, is_package):
        self.name, self.is_package = name, is_package
        with open(path, encoding='utf-8', errors='replace') as file:
            text = file.read()
        try:
            self.tree = ast.parse(text)
        except SyntaxError:
            self.tree = ast.Module(body=[], type_ignores=[])
        self.names, self.stars = {}, []
        for node in ast.walk(self.tree):
            for child in ast.iter_child_nodes(node):
                child.parent = node
        self.bind(self.tree.body)

    def absolute(self, node):
        """The module of a `from` import, dots resolved."""
        if not node.level:
            return node.module or ''
        parts = self.name.split('.')
        drop = node.level - (1 if self.is_package else 0)
        parts = parts[:len(parts) - drop] if drop else parts
        return '.'.join(parts + ([node.module] if node.module else []))

    def bind(self, body):
        for node in body:
            if isinstance(node, (ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)):
                self.names[node.name] = ('def', node)
            elif isinstance(node, ast.ImportFrom):
                source = self.absolute(node)
                for item in node.names:
                    if item.name == '*':
                        self.stars.append(source)
                    else:
                        self.names[item.asname or item.name] = ('from', source, item.name)
            elif isinstance(node, ast.Import):
                for item in node.names:
                    if item.asname:
                        self.names[item.asname] = ('module', item.name)
                    else:
                        top = item.name.split('.')[0]
                        self.names[top] = ('module', top)
            elif isinstance(node, ast.Assign):
                for target in node.targets:
                    if isinstance(target, ast.Name):
                        self.names[target.id] = ('value', node.value)
            elif isinstance(node, ast.AnnAssign) and node.value is not None:
                if isinstance(node.target, ast.Name):
                    self.names[node.target.id] = ('value', node.value)
            elif isinstance(node, ast.Try):
                for handler in node.handlers:  # what stands in `try` wins
                    self.bind(handler.body)
                self.bind(node.orelse)
                self.bind(node.body)
            elif isinstance(node, (ast.If, ast.For, ast.While)):
                self.bind(node.orelse)
                self.bind(node.body)
            elif isinstance(node, ast.With):
                self.bind(node.body)


class World:
    """All sources, loaded as they are needed."""

    def __init__(self, roots):
        self.roots, self.modules = roots, {}

    def module(self, name):
        if name not in self.modules:
            self.modules[name] = None
            root = self.roots.get(name.split('.')[0])
            if root is not None:
                base = os.path.join(root, *name.split('.'))
                if os.path.isfile(os.path.join(base, '__init__.py')):
                    path = os.path.join(base, '__init__.py')
                    self.modules[name] = Module(name, path, True)
                elif os.path.isfile(base + '.py'):
                    self.modules[name] = Module(name, base + '.py', False)
        return self.modules[name]

    def resolve(self, module, name, depth=0):
        """(module name, name, binding) where a name is defined; binding may be None."""
        home = self.module(module)
        if home is None or depth > 30:
            return module, name, None
        binding = home.names.get(name)
        if binding is None:
            for star in home.stars:
                found = self.resolve(star, name, depth + 1)
                if found[2] is not None:
                    return found
            if self.module(module + '.' + name) is not None:
                return module + '.' + name, '', ('module', module + '.' + name)
            return module, name, None
        if binding[0] == 'from':
            if self.module(binding[1]) is None:
                return binding[1], binding[2], None
            return self.resolve(binding[1], binding[2], depth + 1)
        if binding[0] == 'value' and isinstance(binding[1], (ast.Name, ast.Attribute)):
            found = self.expression(module, binding[1], depth + 1)
            return found if found is not None else (module, name, binding)
        return module, name, binding

    def expression(self, module, node, depth=0):
        """The same for `name` and `a.b.name` as they stand in a module."""
        if depth > 30:
            return None
        if isinstance(node, ast.Name):
            return self.resolve(module, node.id, depth + 1)
        if isinstance(node, ast.Attribute):
            base = self.expression(module, node.value, depth + 1)
            if base is None:
                return None
            if base[2] is not None and base[2][0] == 'module':
                return self.resolve(base[2][1], node.attr, depth + 1)
            if base[2] is None:
                return base[0] + '.' + base[1], node.attr, None
        return None

    def package_modules(self, package):
        root = os.path.join(self.roots[package], package)
        for folder, folders, files in os.walk(root):
            folders[:] = sorted(f for f in folders if f not in
                                ('.mim', 'tests', 'test', 'configs', '__pycache__'))
            for file in sorted(files):
                if file.endswith('.py'):
                    parts = os.path.relpath(os.path.join(folder, file),
                                            self.roots[package])[:-3].split(os.sep)
                    if parts[-1] == '__init__':
                        parts.pop()
                    yield self.module('.'.join(parts))

    def has_base(self, module, node, base, depth=0):
        if depth > 12 or not isinstance(node, ast.ClassDef):
            return False
        for expr in node.bases:
            found = self.expression(module, expr)
            if found is None:
                continue
            if found[1] == base:
                return True
            if found[2] is not None and found[2][0] == 'def' and \
                    self.has_base(found[0], found[2][1], base, depth + 1):
                return True
        return False


class Maker:
    def __init__(self, world):
        self.world = world
        self.rows = set()  # (name, registry, scope, module, class)
        self.notes = []

    # --- registries ---

    def registry_of(self, module, node):
        """(registry, scope) of an expression that names a registry, or None."""
        found = self.world.expression(module, node)
        if found is None:
            return None
        home, name, binding = found
        if binding is not None and binding[0] == 'value':
            return self.registry_of_call(home, name, binding[1])
        if binding is None and name in OLD_NAMES:
            return OLD_NAMES[name], module.split('.')[0]
        return None

    def registry_of_call(self, home, name, call, depth=0):
        if not isinstance(call, ast.Call) or depth > 8:
            return None
        callee = call.func
        callee = callee.attr if isinstance(callee, ast.Attribute) else \
            getattr(callee, 'id', '')
        if callee not in ('Registry', 'OriginalRegistry'):
            return None
        words = {k.arg: k.value for k in call.keywords}
        scope = words.get('scope')
        scope = scope.value if isinstance(scope, ast.Constant) else home.split('.')[0]
        parent = words.get('parent')
        if parent is not None:
            above = self.registry_of(home, parent)
            return (above[0] if above else OLD_NAMES.get(name, name.lower())), scope
        return name.lower(), scope

    # --- registrations ---

    def add(self, name, registry, scope, module, cls):
        package = scope
        if module == package or module.startswith(package + '.'):
            module = '.' + module[len(package) + 1:]
        self.rows.add((name, registry, scope, module, '' if cls == name else cls))

    def text(self, module, node, env):
        """A string that is known without running anything, or None."""
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            return node.value
        if isinstance(node, ast.Name) and isinstance(env.get(node.id), str):
            return env[node.id]
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
            left = self.text(module, node.left, env)
            right = self.text(module, node.right, env)
            return left + right if left is not None and right is not None else None
        if isinstance(node, ast.JoinedStr):
            parts = [self.text(module, v.value if isinstance(v, ast.FormattedValue)
                               else v, env) for v in node.values]
            return None if None in parts else ''.join(parts)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and \
                node.func.attr == 'replace' and len(node.args) == 2:
            parts = [self.text(module, n, env) for n in [node.func.value] + node.args]
            return None if None in parts else parts[0].replace(*parts[1:])
        return None

    def names(self, module, call, env):
        """The names a register_module() call gives: a list, [] for the class's own."""
        words = {k.arg: k.value for k in call.keywords}
        node = call.args[0] if call.args else words.get('name')
        if node is None or (isinstance(node, ast.Constant) and node.value is None):
            return []
        if isinstance(node, (ast.List, ast.Tuple)):
            texts = [self.text(module, item, env) for item in node.elts]
        else:
            texts = [self.text(module, node, env)]
        if None in texts:
            self.notes.append(f'{module}:{call.lineno}: a name that is not known')
        return [text for text in texts if text is not None]

    def register(self, module, registry, names, home, cls):
        shown = cls
        home, cls = self.origin(home, cls)
        for name in names or [shown]:
            self.add(name, registry[0], registry[1], home, cls)

    def origin(self, home, cls):
        """The class itself, or what it adds nothing to: `class Linear(nn.Linear): pass`
        of another package is the same component."""
        _, _, binding = self.world.resolve(home, cls)
        node = binding[1] if binding is not None and binding[0] == 'def' else None
        if not isinstance(node, ast.ClassDef) or len(node.bases) != 1 or \
                any(not isinstance(item, ast.Pass) and
                    not (isinstance(item, ast.Expr) and
                         isinstance(item.value, ast.Constant)) for item in node.body):
            return home, cls
        found = self.world.expression(home, node.bases[0])
        if found is None or not found[1] or found[1] != cls or \
                found[0].split('.')[0] == home.split('.')[0]:
            return home, cls
        return found[:2]

    def target(self, module, node, env):
        """(module, class) of what is registered, or None."""
        if isinstance(node, ast.Name) and node.id in env:
            value = env[node.id]
            return value if isinstance(value, tuple) else None
        if isinstance(node, ast.Attribute) and node.attr == 'from_pretrained':
            return self.target(module, node.value, env)
        if isinstance(node, (ast.Name, ast.Attribute)):
            found = self.world.expression(module, node)
            return found[:2] if found is not None and found[1] else None
        return None

    def decorated(self, module, node):
        for deco in node.decorator_list:
            if not isinstance(deco, ast.Call):
                continue
            if isinstance(deco.func, ast.Attribute) and \
                    deco.func.attr == 'register_module':
                registry = self.registry_of(module, deco.func.value)
                if registry is None:
                    self.notes.append(f'{module}:{node.lineno}: unknown registry')
                else:
                    names = self.names(module, deco, {})
                    self.register(module, registry, names, module, node.name)
            elif isinstance(deco.func, ast.Name):
                registry = self.registering_function(module, deco)
                if registry is not None:
                    self.register(module, registry, [], module, node.name)

    def registering_function(self, module, call):
        """The registry of `@register_hf_model()` and its like: a parameter's default."""
        found = self.world.expression(module, call.func)
        if found is None or found[2] is None or found[2][0] != 'def' or \
                not found[1].startswith('register_'):
            return None
        for keyword in call.keywords:
            if keyword.arg == 'registry':
                return self.registry_of(module, keyword.value)
        args = found[2][1].args if isinstance(found[2][1], ast.FunctionDef) else None
        for default in args.defaults if args else []:
            if isinstance(default, ast.Name):
                registry = self.registry_of(found[0], default)
                if registry is not None:
                    return registry
        return None

    def called(self, module, call, env):
        func = call.func
        words = {k.arg: k.value for k in call.keywords}
        if isinstance(func, ast.Call):  # X.register_module()(Class)
            inner = func.func
            if isinstance(inner, ast.Attribute) and inner.attr == 'register_module':
                registry = self.registry_of(module, inner.value)
                target = self.target(module, call.args[0], env) if call.args else None
                if registry and target:
                    names = self.names(module, func, env)
                    self.register(module, registry, names, *target)
            return
        if isinstance(func, ast.Name) and func.id.startswith('register_') and call.args:
            registry = self.registering_function(module, call)
            target = self.target(module, call.args[0], env)
            if registry and target:
                self.register(module, registry, [], *target)
            return
        if not isinstance(func, ast.Attribute) or func.attr != 'register_module':
            return
        node = words.get('module', call.args[2] if len(call.args) > 2 else None)
        if node is None:
            return
        registry = self.registry_of(module, func.value)
        target = self.target(module, node, env)
        if registry is None:
            return
        names = self.names(module, call, env)
        if target is None and not names:
            self.notes.append(f'{module}:{call.lineno}: a class that is not known')
        elif target is None:
            for name in names:
                self.add(name, registry[0], registry[1], module, name)
        else:
            self.register(module, registry, names, *target)

    def items(self, module, node, env):
        """What a loop goes over: strings and (module, class) pairs; None: not known."""
        if isinstance(node, ast.Name) and node.id not in env:
            found = self.world.expression(module, node)
            if found and found[2] is not None and found[2][0] == 'value':
                return self.items(found[0], found[2][1], env)
            return None
        if isinstance(node, ast.Dict):
            return [self.text(module, key, env) for key in node.keys]
        if isinstance(node, (ast.List, ast.Tuple, ast.Set)):
            return [self.text(module, item, env) or self.target(module, item, env)
                    for item in node.elts]
        return None

    def walk(self, module, node, env):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            self.decorated(module, node)
            if node.name in LOOPS:
                self.loop(module, node)
                return
            if not isinstance(node, ast.ClassDef):
                env = {**env, **self.local_imports(module, node)}
        if isinstance(node, ast.For) and isinstance(node.target, ast.Name):
            items = self.items(module, node.iter, env)
            for item in items if items is not None else []:
                for child in node.body:
                    self.walk(module, child, {**env, node.target.id: item})
            if items is not None:
                return
        if isinstance(node, ast.Call):
            self.called(module, node, env)
        for child in ast.iter_child_nodes(node):
            self.walk(module, child, env)

    def local_imports(self, module, function):
        """What a function imports for itself: name -> (module, name)."""
        home, found = self.world.module(module), {}
        for node in ast.walk(function):
            if isinstance(node, ast.ImportFrom):
                for item in node.names:
                    found[item.asname or item.name] = (home.absolute(node), item.name)
        return found

    def loop(self, module, node):
        """A function of LOOPS: the classes of the module it looks through."""
        source, base, pattern, form = LOOPS[node.name]
        registry = None
        for call in ast.walk(node):
            if isinstance(call, ast.Call) and isinstance(call.func, ast.Attribute) and \
                    call.func.attr == 'register_module':
                registry = registry or self.local_registry(module, node, call.func.value)
        if registry is None:
            self.notes.append(f'{module}:{node.lineno}: {node.name}: unknown registry')
            return
        classes = self.public_classes(source)
        if not classes:
            self.notes.append(f'{module}: {source} is not at hand')
        for name, (home, cls) in sorted(classes.items()):
            found = self.world.resolve(home, cls)
            if base is not None and cls != base and (
                    found[2] is None or not self.world.has_base(home, found[2][1], base)):
                continue
            if re.match(pattern, name):
                shown = RENAMED.get((node.name, name), form.format(name))
                self.add(shown, registry[0], registry[1], source, name)

    def local_registry(self, module, function, node):
        """A registry imported inside the function."""
        home = self.world.module(module)
        for inner in ast.walk(function):
            if isinstance(inner, ast.ImportFrom):
                for item in inner.names:
                    if isinstance(node, ast.Name) and node.id == item.name:
                        return self.registry_of(home.absolute(inner), node)
        return self.registry_of(module, node)

    def public_classes(self, source, depth=0):
        """name -> (module, class) of the classes that dir(source) has."""
        home, found = self.world.module(source), {}
        if home is None or depth > 4:
            return found
        names = set(home.names)
        if source.startswith('diffusers.'):
            names |= lazy_names(home.tree)
        for star in home.stars:
            found.update(exported(self.world.module(star),
                                  self.public_classes(star, depth + 1)))
        for name in names:
            module, cls, binding = self.world.resolve(source, name)
            if binding is not None and binding[0] == 'def' and \
                    isinstance(binding[1], ast.ClassDef):
                found[name] = (module, cls)
            elif name not in home.names:
                found[name] = (source, name)
        return found

    # --- what only a path names ---

    def add_plain(self, package):
        known = {(row[2], self.full(row), row[4] or row[0]) for row in self.rows}
        for module in self.world.package_modules(package):
            for name, binding in module.names.items():
                if binding[0] != 'def' or name.startswith('_'):
                    continue
                key = (package, module.name, name)
                if key not in known:
                    self.add(name, '-', package, module.name, name)

    @staticmethod
    def full(row):
        return row[2] + row[3] if row[3].startswith('.') and row[3] != '.' else \
            row[2] if row[3] == '.' else row[3]

    def add_renamed(self):
        """A class whose name is not what it is registered as is found by its path."""
        for name, registry, scope, module, cls in list(self.rows):
            if cls and registry != '-':
                self.rows.add((cls, '-', scope, module, ''))


def exported(module, names):
    """Those of a dict of names that `from module import *` takes."""
    binding = module.names.get('__all__') if module is not None else None
    if binding is None or not isinstance(binding[1], (ast.List, ast.Tuple)):
        return {name: at for name, at in names.items() if not name.startswith('_')}
    listed = {n.value for n in binding[1].elts if isinstance(n, ast.Constant)}
    return {name: at for name, at in names.items() if name in listed}


def lazy_names(tree):
    """Names that an `_import_structure` dict promises."""
    names = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.List):
            target = node.targets[0]
            if isinstance(target, ast.Subscript) and \
                    getattr(target.value, 'id', '') == '_import_structure':
                names |= {n.value for n in node.value.elts if isinstance(n, ast.Constant)}
    return {name for name in names if isinstance(name, str)}


def version_of(root, package):
    for path in (f'{package}/version.py', f'{package}/_version.py', f'{package}/__init__.py'):
        try:
            with open(os.path.join(root, path), encoding='utf-8') as file:
                found = re.search(r'^(?:__)?version(?:__)?\s*=\s*[\'"]([^\'"]+)',
                                  file.read(), re.M)
        except OSError:
            continue
        if found:
            return found.group(1)
    return '?'


DISTRIBUTIONS = {'mmdet': 'mmdetection', 'mmseg': 'mmsegmentation',
                 'mmaction': 'mmaction2', 'mmdet3d': 'mmdetection3d',
                 'mmtrack': 'mmtracking', 'mmcls': 'mmclassification'}
HELPERS = ('torch', 'torchvision', 'diffusers')  # read for loops, not listed whole


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument('packages', nargs='+', metavar='PACKAGE=FOLDER')
    parser.add_argument('--out', required=True)
    parser.add_argument('--notes', action='store_true',
                        help='tells what was not understood')
    args = parser.parse_args()
    roots = dict(item.split('=', 1) for item in args.packages)
    world = World(roots)
    maker = Maker(world)
    libraries = [p for p in roots if p not in HELPERS]
    for package in libraries:
        for module in world.package_modules(package):
            maker.walk(module.name, module.tree, {})
    for registry, module, names in BY_HAND:
        for name in names:
            shown, _, cls = name.partition('=')
            maker.add(shown, registry, 'mmengine', module, cls or shown)
    maker.add_renamed()
    for package in libraries:
        maker.add_plain(package)
    for source in ('torch.nn', 'torch.nn.modules', 'torch.optim.lr_scheduler'):
        for name, (_, cls) in maker.public_classes(source).items():
            if name[:1].isupper():
                maker.add(name, '-', 'torch', source, cls)
    # A class whose path is known by a registered name needs no plain row.
    registered = {(r[0], r[2], r[3]) for r in maker.rows if r[1] != '-' and not r[4]}
    rows = {r for r in maker.rows if r[1] != '-' or (r[0], r[2], r[3]) not in registered}
    lines = ['\t'.join(row).rstrip('\t') for row in rows]
    heads = [f'#{p}\t{version_of(roots[p], p)}\t{DISTRIBUTIONS.get(p, p)}'
             for p in libraries]
    with open(args.out, 'w', encoding='utf-8') as file:
        file.write('\n'.join(sorted(heads) + sorted(lines, key=str.encode)) + '\n')
    print(f'{len(lines)} names, {sum(1 for r in rows if r[1] != "-")} registered',
          file=sys.stderr)
    for note in maker.notes if args.notes else []:
        print(note, file=sys.stderr)


if __name__ == '__main__':
    main()
