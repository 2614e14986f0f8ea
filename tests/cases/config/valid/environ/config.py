import os

_base_ = []
os.environ['MM_TEST_SET'] = 'yes'
a = os.environ['MM_TEST_SET'], os.environ.get('MM_TEST_SET'), os.getenv('MM_TEST_SET')
b = 'MM_TEST_SET' in os.environ, 'MM_TEST_UNSET' in os.environ
c = os.environ.setdefault('MM_TEST_OTHER', 'x'), os.environ.get('MM_TEST_UNSET', 7)
del os.environ['MM_TEST_SET']
d = os.environ.pop('MM_TEST_SET', None), os.environ.get('MM_TEST_OTHER')
try:
    os.environ['MM_TEST_SET']
except KeyError:
    e = 'gone'
