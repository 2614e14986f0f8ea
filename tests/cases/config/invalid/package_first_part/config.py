_base_ = 'mmdet::faster-rcnn/x.py'
