_base_ = []
from functools import partial, reduce
from itertools import product
from typing import List
from collections import OrderedDict
from os.path import join
import json
a = 1
