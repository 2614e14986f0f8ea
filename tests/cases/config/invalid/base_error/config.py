x = 1
_base_ = ['middle.py']
