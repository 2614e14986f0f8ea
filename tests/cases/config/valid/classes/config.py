class Helper:
    size = 3
    names = ['a', 'b']

    def method(self):
        return self.size


class Error(ValueError):
    pass


size = Helper.size * 2
names = Helper.names + ['c']
is_there = isinstance(3, (int, float)) and not isinstance('a', (list, dict)) and isinstance(True, int)
kinds = [type(3) == int, type('a') is str, callable(len), hasattr([], 'append'), getattr({}, 'nope', 'default')]
try:
    raise Error
except Error:
    caught = True
del Helper, Error
