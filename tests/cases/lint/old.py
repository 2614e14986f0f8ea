model = dict(type='Nonsense')
data = dict(train=dict(type='CocoDataset'))
runner = dict(type='EpochBasedRunner', max_epochs=12)
