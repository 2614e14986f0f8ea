_base_ = []
x = 3
a = eval('x + 1'), eval('  [i * x for i in range(2)]'), eval("'te' + 'xt'")
def f(y):
    return eval('x * y')
b = f(5)
try:
    eval('x +')
except SyntaxError:
    c = 'syntax'
