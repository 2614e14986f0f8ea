_base_ = ['one.py', 'two.py']
