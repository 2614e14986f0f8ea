static void f(char *to, const char *from)
{
    strcpy(to, from);
    (void)sprintf(to, "%s", "strcpy(a, b)");
    /* strtok(x) in a comment is fine */
    int n = atoi
        (from);
    gets_not(to);
    mm_strcpy(to, n);
}
