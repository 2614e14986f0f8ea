/*
 * Memory in large pages. A mapping is made larger by one large page and cut to its
 * boundaries; only whole large pages are asked for as such, so that none is half used.
 * Where the system has no such request, or is told not to grant it, pages are small.
 */
#define _DEFAULT_SOURCE /* MAP_ANONYMOUS, madvise() */
#include <stdint.h>
#include <sys/mman.h>

#include "base/os.h"

enum { LARGE_PAGE = 2 << 20 };

/* What is mapped for `size` bytes: whole small pages, whatever their size is. */
static size_t mapped_size(size_t size)
{
    const size_t most_small = 1 << 16;

    return (size + most_small - 1) / most_small * most_small;
}

void *mmi_os_pages_alloc(size_t size)
{
    size_t needed = size > SIZE_MAX / 2 ? 0 : mapped_size(size);
    void *mapped = needed == 0 ? MAP_FAILED
                               : mmap(NULL, needed + LARGE_PAGE, PROT_READ | PROT_WRITE,
                                      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    if (mapped == MAP_FAILED) {
        return NULL;
    }
    char *begin = mapped;
    size_t before = (LARGE_PAGE - (uintptr_t)begin % LARGE_PAGE) % LARGE_PAGE;
    char *pages = begin + before;

    if (before > 0) {
        (void)munmap(begin, before);
    }
    if (before < LARGE_PAGE) {
        (void)munmap(pages + needed, LARGE_PAGE - before);
    }
#ifdef MADV_HUGEPAGE
    if (size >= LARGE_PAGE) {
        (void)madvise(pages, size / LARGE_PAGE * LARGE_PAGE, MADV_HUGEPAGE);
    }
#endif
    return pages;
}

void mmi_os_pages_free(void *pages, size_t size)
{
    if (pages != NULL) {
        (void)munmap(pages, mapped_size(size));
    }
}
