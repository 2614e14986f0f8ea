int main(void) { printf("x"); fputs("x", stderr); exit(2); }
