import torch
with read_base(), read_base():
    from .a import *
