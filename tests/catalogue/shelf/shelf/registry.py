from mmengine.registry import MODELS as ROOT_MODELS
from mmengine.registry import TRANSFORMS as ROOT_TRANSFORMS
from mmengine.registry.registry import Registry

MODELS = Registry('model', parent=ROOT_MODELS)
HEADS = MODELS
TRANSFORMS = Registry('transform', parent=ROOT_TRANSFORMS, scope='bookcase')
CODECS = Registry('codec')
