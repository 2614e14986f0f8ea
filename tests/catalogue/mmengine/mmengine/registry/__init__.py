from .root import MODELS, TRANSFORMS
