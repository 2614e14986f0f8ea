default_scope = 'mmpretrain'
custom_imports = dict(imports=['my_models.net'])
model = dict(type='ImageClassifier', backbone=dict(type='MyNet'), head=dict(type='transformers.AutoModel'))
