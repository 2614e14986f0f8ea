_base_ = 'mmdet::parts/modell.py'
