from mmdet.models import Detector

model = dict(type=Detector, head=dict(classes=80))
