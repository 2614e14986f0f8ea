a = dict(b=[1, undefined])
