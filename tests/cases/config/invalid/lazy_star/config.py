from zoo.models import *
