/* Tensors as Python prints them: four digits, scientific notation where numbers differ
 * much, lines of 80, and of more than a thousand elements the first and last three of
 * each dimension. Source: torch/_tensor_str.py. */
#include "tensor/bridge.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/str.h"

enum { EDGE = 3, THRESHOLD = 1000, LINE_WIDTH = 80, INDENT = 7, CELL = 400 };

/* What is printed, and how. */
struct printer {
    const mm_tensor_info *info; /* of the copy in host memory */
    bool summarize;
    bool is_floating, is_integral; /* all numbers are whole */
    bool is_scientific;
    int width;
    double least, most; /* of the absolute values of finite numbers but zero */
    mmi_str out;
};

static const char *address(const struct printer *printer, int64_t offset)
{
    return (const char *)printer->info->data +
           offset * (int64_t)mm_dtype_size(printer->info->dtype);
}

static double number_at(const struct printer *printer, int64_t offset)
{
    return *(const double *)(const void *)address(printer, offset);
}

static void format(const struct printer *printer, int64_t offset, char out[CELL])
{
    if (printer->info->dtype == MM_DTYPE_BOOL) {
        (void)snprintf(out, CELL, "%s",
                       *address(printer, offset) != 0 ? "True" : "False");
        return;
    }
    if (!printer->is_floating) {
        (void)snprintf(
            out, CELL, "%lld",
            (long long)*(const int64_t *)(const void *)address(printer, offset));
        return;
    }
    double number = number_at(printer, offset);

    if (isnan(number))
        (void)snprintf(out, CELL, "nan");
    else if (isinf(number))
        (void)snprintf(out, CELL, number < 0 ? "-inf" : "inf");
    else if (printer->is_scientific)
        (void)snprintf(out, CELL, "%.4e", number);
    else
        (void)snprintf(out, CELL, printer->is_integral ? "%.0f." : "%.4f", number);
}

/* Visits the elements that are printed. */
static void each(struct printer *printer, int dim, int64_t offset,
                 void (*visit)(struct printer *printer, int64_t offset))
{
    const mm_tensor_info *info = printer->info;

    if (dim == info->ndim) {
        visit(printer, offset);
        return;
    }
    bool cut = printer->summarize && info->sizes[dim] > 2 * EDGE;

    for (int64_t i = 0; i < info->sizes[dim]; i++) {
        if (cut && i == EDGE)
            i = info->sizes[dim] - EDGE;
        each(printer, dim + 1, offset + i * info->strides[dim], visit);
    }
}

static bool counts(const struct printer *printer, int64_t offset)
{
    return !printer->is_floating ||
           (isfinite(number_at(printer, offset)) && number_at(printer, offset) != 0.0);
}

static void look(struct printer *printer, int64_t offset)
{
    if (!printer->is_floating || !counts(printer, offset))
        return;
    double number = number_at(printer, offset), size = fabs(number);

    printer->least =
        printer->most == 0.0 || size < printer->least ? size : printer->least;
    printer->most = size > printer->most ? size : printer->most;
    printer->is_integral = printer->is_integral && number == ceil(number);
}

static void measure(struct printer *printer, int64_t offset)
{
    char cell[CELL];

    if (!counts(printer, offset))
        return;
    format(printer, offset, cell);
    int width = (int)strlen(cell);

    printer->width = width > printer->width ? width : printer->width;
}

static void choose(struct printer *printer)
{
    printer->is_integral = true;
    printer->width = 1;
    each(printer, 0, 0, look);
    printer->is_scientific =
        printer->most > 0.0 && (printer->most / printer->least > 1000.0 ||
                                printer->most > 1.0e8 || printer->least < 1.0e-4);
    each(printer, 0, 0, measure);
}

static void add_cell(struct printer *printer, int64_t offset)
{
    char cell[CELL];

    format(printer, offset, cell);
    mmi_str_addf(&printer->out, "%*s", printer->width, cell);
}

static void add_spaces(struct printer *printer, int count)
{
    mmi_str_addf(&printer->out, "%*s", count, "");
}

static void add_vector(struct printer *printer, int indent, int64_t offset)
{
    int64_t size = printer->info->sizes[printer->info->ndim - 1];
    int64_t stride = printer->info->strides[printer->info->ndim - 1];
    int per_line = (LINE_WIDTH - indent) / (printer->width + 2);
    bool cut = printer->summarize && size > 2 * EDGE;
    int64_t shown = cut ? 2 * EDGE + 1 : size;

    per_line = per_line < 1 ? 1 : per_line;
    mmi_str_add_char(&printer->out, '[');
    for (int64_t i = 0; i < shown; i++) {
        if (i > 0 && i % per_line == 0) {
            mmi_str_add(&printer->out, ",\n");
            add_spaces(printer, indent + 1);
        } else if (i > 0) {
            mmi_str_add(&printer->out, ", ");
        }
        if (cut && i == EDGE)
            mmi_str_add(&printer->out, " ...");
        else
            add_cell(printer,
                     offset + stride * (cut && i > EDGE ? size - shown + i : i));
    }
    mmi_str_add_char(&printer->out, ']');
}

static void add_block(struct printer *printer, int dim, int indent, int64_t offset)
{
    const mm_tensor_info *info = printer->info;

    if (info->ndim == 0) {
        add_cell(printer, offset);
        return;
    }
    if (dim == info->ndim - 1) {
        add_vector(printer, indent, offset);
        return;
    }
    bool cut = printer->summarize && info->sizes[dim] > 2 * EDGE;

    mmi_str_add_char(&printer->out, '[');
    for (int64_t i = 0; i < info->sizes[dim]; i++) {
        if (i > 0) {
            mmi_str_add_char(&printer->out, ',');
            for (int line = dim; line < info->ndim - 1; line++)
                mmi_str_add_char(&printer->out, '\n');
            add_spaces(printer, indent + 1);
        }
        if (cut && i == EDGE) {
            mmi_str_add(&printer->out, "...");
            i = info->sizes[dim] - EDGE - 1;
        } else {
            add_block(printer, dim + 1, indent + 1, offset + i * info->strides[dim]);
        }
    }
    mmi_str_add_char(&printer->out, ']');
}

/* --- what stands behind the numbers --- */

/* `last`: length of the last line as torch counts it. */
static void add_suffix(mmi_str *out, const char *suffix, size_t *last)
{
    if (*last + strlen(suffix) + 2 > LINE_WIDTH) {
        mmi_str_addf(out, ",\n%*s%s", INDENT, "", suffix);
        *last = INDENT + strlen(suffix);
    } else {
        mmi_str_addf(out, ", %s", suffix);
        *last += strlen(suffix) + 2;
    }
}

static size_t last_line(const char *text)
{
    const char *newline = strrchr(text, '\n');

    return newline == NULL ? strlen(text) + 2 : strlen(newline) + 1;
}

static char *size_text(const mm_tensor_info *info)
{
    mmi_str out = {0};

    mmi_str_add(&out, "size=(");
    for (int i = 0; i < info->ndim; i++)
        mmi_str_addf(&out, "%s%lld", i > 0 ? ", " : "", (long long)info->sizes[i]);
    mmi_str_add(&out, ")");
    return mmi_str_take(&out);
}

static void add_suffixes(mmi_str *out, const mm_tensor_info *info)
{
    bool is_empty = info->numel == 0;
    bool is_usual =
        info->dtype == MM_DTYPE_F32 ||
        (!is_empty && (info->dtype == MM_DTYPE_I64 || info->dtype == MM_DTYPE_BOOL));
    size_t last = last_line(mmi_str_text(out));
    char text[64];

    if (!info->is_cpu) {
        (void)snprintf(text, sizeof(text), "device='%s'", info->device);
        add_suffix(out, text, &last);
    }
    if (is_empty && info->ndim != 1) {
        char *size = size_text(info);

        if (size != NULL)
            add_suffix(out, size, &last);
        mm_free(size);
    }
    if (!is_usual) {
        (void)snprintf(text, sizeof(text), "dtype=torch.%s",
                       mm_dtype_name(info->dtype));
        add_suffix(out, text, &last);
    }
    if (info->requires_grad)
        add_suffix(out, info->is_leaf ? "requires_grad=True" : "grad_fn=<...>", &last);
    mmi_str_add(out, ")");
}

/* The dtype whose elements are read: doubles, ints or truth values. */
static mm_dtype readable(const mm_tensor_info *info, bool *out_is_floating)
{
    *out_is_floating = mm_dtype_is_floating(info->dtype);
    if (*out_is_floating)
        return MM_DTYPE_F64;
    return info->dtype == MM_DTYPE_BOOL ? MM_DTYPE_BOOL : MM_DTYPE_I64;
}

char *mm_tensor_repr(mm_tensor *tensor)
{
    mm_tensor_info info, copy;

    if (!MMI_NEED(tensor) || mm_tensor_info_get(tensor, &info) < 0) {
        return NULL;
    }
    if (info.dtype == MM_DTYPE_C32 || info.dtype == MM_DTYPE_C64 ||
        info.dtype == MM_DTYPE_C128) {
        char *text = mm_tensor_describe(tensor);
        char *wrapped = text != NULL ? mm_strfmt("<tensor %s>", text) : NULL;

        mm_free(text);
        return wrapped;
    }
    mm_scope scope = mm_scope_open();
    struct printer printer = {.info = &copy, .summarize = info.numel > THRESHOLD};
    mm_dtype dtype = readable(&info, &printer.is_floating);

    mmi_str_add(&printer.out, "tensor(");
    if (info.numel == 0) {
        mmi_str_add(&printer.out, "[]");
    } else if (mm_tensor_info_get(
                   mm_to(mm_detach(tensor), .device = "cpu", .dtype = dtype), &copy) ==
               MM_OK) {
        choose(&printer);
        add_block(&printer, 0, INDENT, 0);
    }
    add_suffixes(&printer.out, &info);
    mm_scope_close(scope);
    return mmi_str_take(&printer.out);
}
