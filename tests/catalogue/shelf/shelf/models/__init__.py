from .nets import *  # noqa
from .nets import Board, Plank
from ..registry import HEADS, MODELS

for part in (Board, Plank):
    MODELS.register_module(module=part)
for word in ['left', 'right']:
    HEADS.register_module(name=f'{word}_end', module=Board)
