model = dict(type=
