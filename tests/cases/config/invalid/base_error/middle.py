_base_ = 'inner.py'
