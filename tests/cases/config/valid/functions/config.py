import copy

base = 10


def add(x, y=base, *args, k=1, **kw):
    """Docstrings and annotations mean nothing."""
    return x + y + sum(args) + k + len(kw)


base = 20


def fact(n: int) -> int:
    return 1 if n <= 1 else n * fact(n - 1)


def make(step):
    total = 0

    def inner(v):
        nonlocal total
        total += v * step
        return total
    return inner


def uses_global():
    global counter
    counter = 5
    return later


def nothing():
    pass


def shared(item, acc=[]):
    acc.append(item)
    return acc


def positional(a, /, b, *, c):
    return [a, b, c]


def early(x):
    for i in range(10):
        if i == x:
            return i
    return None


def deco(f):
    def wrapped(*args):
        return ['deco', f(*args)]
    return wrapped


@deco
def decorated(x):
    return x


later = 'seen'
r1 = [add(1), add(1, 2), add(1, 2, 3, 4), add(1, k=5), add(1, z=1, q=2), add(*[1, 2], **dict(k=3))]
r2 = fact(25)
m = make(2)
r3 = [m(1), m(2), make(3)(1)]
r4 = uses_global()
r5 = nothing()
r6 = [shared(1), shared(2)]
r7 = positional(1, b=2, c=3)
r8 = [early(3), early(99)]
r9 = decorated(4)
r10 = (lambda a, b=2, *c: [a, b, c])(1)
r11 = [f(3) for f in [lambda v, i=i: v * i for i in range(3)]]
r12 = sorted(['bb', 'a', 'ccc'], key=len, reverse=True)
orig = dict(a=[1, dict(b=2)])
shallow = copy.copy(orig)
deep = copy.deepcopy(orig)
orig['a'][1]['b'] = 'changed'
compose = (lambda f, g: lambda x: f(g(x)))(lambda x: x + 1, lambda x: x * 2)(5)
del m
