/** @file
 * Status.
 */
#ifndef S
#define S
typedef struct mm_name mm_name;

MM_BEGIN_DECLS

/** Has one. */
MM_API int mm_a(void);
MM_API int mm_a_again(void);

MM_API int mm_none(void);

/* A plain comment is none. */
MM_API int mm_plain(void);

MM_API int mm_behind(void); /**< has one */

MM_API int mm_after_behind(int x,
                           int y);

/** Has one. */
struct mm_pair {
    int a;
    int b;
};

struct mm_bare {
    int a;
};

/** Has one. */
static inline int mm_inline(void)
{
    return 1;
}

static inline int mm_inline_bare(void)
{
    return 1;
}

#define mm_macro(x) (x)

/** Has one. */
#define mm_macro_told(x) \
    (x)
#define MM_CONSTANT 3

typedef int (*mm_visit)(void *user);

enum {
    MM_ONE = 1 /**< one */
};

/** Has one. */
MM_API int mm_covered(int x);
MM_API int mm_uncovered_at(int x);

#define mm_covered(x) mm_covered_at((x), __LINE__)

#define mm_uncovered(x) mm_uncovered_at((x), __LINE__)

MM_END_DECLS
#endif
