import math
x = math.squareroot(2)
