_base_ = []
with open(__name__ and 'cases/config/valid/files/classes.txt') as f:
    pass
a = f.read()
