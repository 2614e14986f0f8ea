void *h(void) { return malloc(3); }
