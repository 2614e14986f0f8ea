int f(const char *x) { return atoi(x); }
