model = dict(type='FCOS')
