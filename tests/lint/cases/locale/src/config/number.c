double f(const char *x) { return strtod(x, 0); }
