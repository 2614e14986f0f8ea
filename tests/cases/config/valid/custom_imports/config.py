custom_imports = dict(imports=['my_models.lenet'], allow_failed_imports=False)
model = dict(type='LeNet')
