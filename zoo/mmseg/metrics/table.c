/* Cells are centred; where a space is left over it goes to the left of a text of even
 * length and to the right of one of odd length, as the Python library does it. */
#include "mmseg/metrics/table.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "mmengine/memory.h"

enum { MAX_COLUMNS = 16, CELL = 32 };

/* A text that grows. */
struct text {
    char *data;
    size_t size, capacity;
};

static void add(struct text *text, const char *more, size_t size)
{
    if (text->size + size + 1 > text->capacity) {
        size_t capacity = 2 * (text->size + size) + 256;
        char *data = mm_realloc(text->data, capacity);

        if (data == NULL)
            return;
        text->data = data;
        text->capacity = capacity;
    }
    memcpy(text->data + text->size, more, size);
    text->size += size;
    text->data[text->size] = '\0';
}

static void add_many(struct text *text, char c, size_t count)
{
    for (size_t i = 0; i < count; i++)
        add(text, &c, 1);
}

/* Letters of UTF-8. */
static size_t width_of(const char *text)
{
    size_t width = 0;

    for (; *text != '\0'; text++)
        width += ((unsigned char)*text & 0xc0) != 0x80;
    return width;
}

static void add_cell(struct text *text, const char *cell, size_t width)
{
    size_t size = width_of(cell), rest = width - size;
    size_t left = rest / 2 + (rest % 2 != 0 && size % 2 == 0 ? 1 : 0);

    add_many(text, ' ', left + 1);
    add(text, cell, strlen(cell));
    add_many(text, ' ', rest - left + 1);
    add(text, "|", 1);
}

/* A number of at most two decimals as Python prints it. */
static void format(float value, char out[CELL])
{
    if (isnan(value)) {
        (void)snprintf(out, CELL, "nan");
        return;
    }
    int size = snprintf(out, CELL, "%.2f", (double)value);

    if (size > 0 && size < CELL && out[size - 1] == '0')
        out[size - 1] = '\0';
}

static void add_rule(struct text *text, const size_t *widths, size_t count)
{
    add(text, "+", 1);
    for (size_t i = 0; i < count; i++) {
        add_many(text, '-', widths[i] + 2);
        add(text, "+", 1);
    }
}

static const char *name_at(const mm_value *names, size_t row)
{
    const mm_value *name = mm_list_get(names, row);

    return mm_value_kind(name) == MM_KIND_STR ? mm_value_str(name) : "?";
}

static void measure(const mm_value *names, const mmz_column *columns, size_t count,
                    size_t *widths)
{
    char cell[CELL];

    widths[0] = strlen("Class");
    for (size_t row = 0; row < mm_value_len(names); row++) {
        size_t width = width_of(name_at(names, row));

        widths[0] = width > widths[0] ? width : widths[0];
    }
    for (size_t i = 0; i < count; i++) {
        widths[i + 1] = strlen(columns[i].name);
        for (size_t row = 0; row < mm_value_len(names); row++) {
            format(columns[i].values[row], cell);
            widths[i + 1] = strlen(cell) > widths[i + 1] ? strlen(cell) : widths[i + 1];
        }
    }
}

char *mmz_class_table(const mm_value *names, const mmz_column *columns, size_t count)
{
    size_t widths[MAX_COLUMNS + 1];
    struct text text = {0};
    char cell[CELL];

    MM_ASSERT(count <= MAX_COLUMNS);
    measure(names, columns, count, widths);
    add_rule(&text, widths, count + 1);
    add(&text, "\n|", 2);
    add_cell(&text, "Class", widths[0]);
    for (size_t i = 0; i < count; i++)
        add_cell(&text, columns[i].name, widths[i + 1]);
    add(&text, "\n", 1);
    add_rule(&text, widths, count + 1);
    for (size_t row = 0; row < mm_value_len(names); row++) {
        add(&text, "\n|", 2);
        add_cell(&text, name_at(names, row), widths[0]);
        for (size_t i = 0; i < count; i++) {
            format(columns[i].values[row], cell);
            add_cell(&text, cell, widths[i + 1]);
        }
    }
    add(&text, "\n", 1);
    add_rule(&text, widths, count + 1);
    if (mm_has_error()) {
        mm_free(text.data);
        return NULL;
    }
    return text.data;
}
