from .registry import Registry

MODELS = Registry('model')
TRANSFORMS = Registry('transform')
