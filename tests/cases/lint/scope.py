default_scope = 'mmpretrian'
model = dict(type='mmdte.FasterRCNN')
