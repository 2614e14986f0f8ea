_base_ = []
import numpy as np
