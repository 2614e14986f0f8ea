void f(void)
{
    /* #pragma omp in a comment */
    #pragma omp parallel for
    for (;;) {
    }
    _Pragma("omp barrier")
}
