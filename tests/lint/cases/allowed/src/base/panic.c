void f(void)
{
    /* lint: allow exits, the last resort of the panic handler */
    abort();
    abort(); /* lint: allow exits */
    abort(); /* lint: allow prints, the wrong rule */
}
