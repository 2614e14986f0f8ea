_base_ = 'other.py'
