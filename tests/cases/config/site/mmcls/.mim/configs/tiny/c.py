classifier = dict(type='C', sub=dict(type='D'))
