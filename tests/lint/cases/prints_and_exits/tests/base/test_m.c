void h(void) { printf("x"); abort(); }
