import torch

a = '{{ fileDirname }}'
b = {{ _base_.x }}
