from zoo.a import A

a = dict(type=A)
