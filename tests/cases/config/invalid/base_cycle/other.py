_base_ = ['./config.py']
