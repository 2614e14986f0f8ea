x = 3
y = 2.71828
name = 'net'
d = dict(k=[1, 2], f=None)
plain = f'{x}{y}{name}'
specs = [f'{x:03d}', f'{y:.2f}', f'{y:10.3e}|', f'{name:>6}', f'{name!r:<8}|', f'{x:>{x}}', f'{1000000:,}', f'{x:#x}']
exprs = f'{x + 1} {d["k"][0]} {"in" + name} {[i for i in range(x)]} {x if x > 2 else y} {(lambda v: v * 2)(4)}'
braces = f'{{{x}}} {{}}'
echo = [f'{x=}', f'{x = }', f'{y=:.1f}', f'{name=!s}']
mixed = 'a' f'{x}' r'\n' fr'\{x}' rf'{x}\d'
multi = f'''{x}
{d['k']}
{
    y
}'''
nested = f"{f'{x}-{y:.{x}f}'}"
dicts = f'{ {"a": 1}["a"] } {x!s:5}|{x != 3}'
