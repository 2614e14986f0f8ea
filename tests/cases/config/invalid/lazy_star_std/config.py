import torch
from math import *
