_base_ = 'base.py'
a = {{_base_.model}}; b = {{ fileBasename }} +
