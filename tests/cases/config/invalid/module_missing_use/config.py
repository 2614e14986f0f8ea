import re
a = re.sub('a', 'b', 'c')
