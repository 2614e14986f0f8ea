void f(void)
{
    printf("x");
    fprintf(stderr, "x");
    exit(1);
    abort();
}
