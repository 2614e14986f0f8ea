_base_ = 'mmdett::_base_/x.py'
