/* Dates and times: YAML has them, plain values do not. One is an object that holds its
 * text in ISO form, interned, so that equal dates are one object and can be keys. */
#include <stdio.h>
#include <string.h>

#include "base/str.h"
#include "fileio/yaml.h"

static void date_ref(void *object)
{
    (void)object; /* interned texts live as long as the process */
}

/* The parts of a text in ISO form, which is what the objects hold. */
struct parts {
    int year, month, day;
    bool has_time;
    int hour, minute, second, micro;
    bool has_zone;
    int zone; /* minutes east of Greenwich */
};

static int read_part(const char **at)
{
    int number = 0;

    for (; **at >= '0' && **at <= '9'; *at += 1) {
        number = number * 10 + (**at - '0');
    }
    return number;
}

static struct parts parts_of(const char *text)
{
    struct parts parts = {0};

    parts.year = read_part(&text);
    text++;
    parts.month = read_part(&text);
    text++;
    parts.day = read_part(&text);
    if (*text == '\0') {
        return parts;
    }
    parts.has_time = true;
    text++;
    parts.hour = read_part(&text);
    text++;
    parts.minute = read_part(&text);
    text++;
    parts.second = read_part(&text);
    if (*text == '.') {
        text++;
        parts.micro = read_part(&text);
    }
    if (*text != '\0') {
        int sign = *text++ == '-' ? -1 : 1;

        parts.has_zone = true;
        parts.zone = 60 * read_part(&text);
        text += *text == ':';
        parts.zone = sign * (parts.zone + read_part(&text));
    }
    return parts;
}

/* Python's repr(). */
static char *date_print(const void *object)
{
    struct parts parts = parts_of(object);
    mmi_str out = {0};

    if (!parts.has_time) {
        mmi_str_addf(&out, "datetime.date(%d, %d, %d)", parts.year, parts.month,
                     parts.day);
        return mmi_str_take(&out);
    }
    mmi_str_addf(&out, "datetime.datetime(%d, %d, %d, %d, %d", parts.year, parts.month,
                 parts.day, parts.hour, parts.minute);
    if (parts.second != 0 || parts.micro != 0) {
        mmi_str_addf(&out, ", %d", parts.second);
    }
    if (parts.micro != 0) {
        mmi_str_addf(&out, ", %d", parts.micro);
    }
    if (parts.has_zone && parts.zone == 0) {
        mmi_str_add(&out, ", tzinfo=datetime.timezone.utc");
    } else if (parts.has_zone) {
        int days = parts.zone < 0 ? -1 : 0;

        mmi_str_add(&out, ", tzinfo=datetime.timezone(datetime.timedelta(");
        mmi_str_addf(&out, "%sseconds=%d))", days < 0 ? "days=-1, " : "",
                     (parts.zone - days * 1440) * 60);
    }
    mmi_str_add_char(&out, ')');
    return mmi_str_take(&out);
}

const mm_object_ops mmi_date_ops = {
    .name = "date",
    .ref = date_ref,
    .unref = date_ref,
    .print = date_print,
};

const char *mm_yaml_find_date(const mm_value *value)
{
    return mm_value_kind(value) == MM_KIND_OBJECT
               ? mm_value_find_object(value, &mmi_date_ops)
               : NULL;
}

static int days_of(int year, int month)
{
    static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    bool is_leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);

    return days[month - 1] + (month == 2 && is_leap);
}

/* What Python's datetime refuses. */
static const char *find_fault(const struct parts *parts)
{
    if (parts->year < 1) {
        return "the year is out of range";
    }
    if (parts->month < 1 || parts->month > 12) {
        return "the month must be in 1..12";
    }
    if (parts->day < 1 || parts->day > days_of(parts->year, parts->month)) {
        return "the day is out of range for the month";
    }
    if (parts->hour > 23 || parts->minute > 59 || parts->second > 59) {
        return "the time of day is out of range";
    }
    return parts->zone > -1440 && parts->zone < 1440
               ? NULL
               : "the time zone is a day or more away";
}

/* Reads "[.fraction][ zone]" behind the seconds. */
static void read_rest(const char *at, struct parts *parts)
{
    if (*at == '.') {
        int scale = 100000;

        for (at++; *at >= '0' && *at <= '9'; at++, scale /= 10) {
            parts->micro += (*at - '0') * scale;
        }
    }
    at += strspn(at, " \t");
    parts->has_zone = *at != '\0';
    if (*at == '+' || *at == '-') {
        int sign = *at++ == '-' ? -1 : 1;

        parts->zone = 60 * read_part(&at);
        at += *at == ':';
        parts->zone = sign * (parts->zone + read_part(&at));
    }
}

/* The ISO form, as Python's isoformat(' ') writes it. */
static void format(const struct parts *parts, char *out, size_t out_size)
{
    int used = snprintf(out, out_size, "%04d-%02d-%02d", parts->year, parts->month,
                        parts->day);

    if (!parts->has_time) {
        return;
    }
    used += snprintf(out + used, out_size - (size_t)used, " %02d:%02d:%02d",
                     parts->hour, parts->minute, parts->second);
    if (parts->micro != 0) {
        used += snprintf(out + used, out_size - (size_t)used, ".%06d", parts->micro);
    }
    if (parts->has_zone) {
        int zone = parts->zone < 0 ? -parts->zone : parts->zone;

        (void)snprintf(out + used, out_size - (size_t)used, "%c%02d:%02d",
                       parts->zone < 0 ? '-' : '+', zone / 60, zone % 60);
    }
}

/* Copies a timestamp with at most 6 digits of a second and single blanks, so that it
 * has a bounded size. */
static void shorten(const char *text, size_t size, char *out, size_t out_size)
{
    size_t used = 0;
    int digits = -1; /* of the fraction; -1 before its point */

    for (size_t i = 0; i < size && used + 1 < out_size; i++) {
        bool is_digit = text[i] >= '0' && text[i] <= '9';
        bool is_blank = text[i] == ' ' || text[i] == '\t';

        digits = text[i] == '.'              ? 0
                 : !is_digit                 ? -1
                 : digits >= 0 && digits < 7 ? digits + 1
                                             : digits;
        if (digits == 7 || (is_blank && used > 0 && out[used - 1] == ' ')) {
            continue;
        }
        out[used++] = is_blank ? ' ' : text[i];
    }
    out[used] = '\0';
}

mm_value *mmi_date_parse(const char *text, size_t size, char why[MMI_YAML_WHY_SIZE])
{
    char copy[80];
    char iso[80];
    const char *at = copy;
    struct parts parts = {0};

    if (!mmi_yaml_is_date(text, size, false)) {
        (void)snprintf(why, MMI_YAML_WHY_SIZE, "'%.*s' is no timestamp",
                       size > 60 ? 60 : (int)size, text);
        return NULL;
    }
    shorten(text, size, copy, sizeof(copy));
    parts.year = read_part(&at);
    at++;
    parts.month = read_part(&at);
    at++;
    parts.day = read_part(&at);
    if (*at != '\0') {
        parts.has_time = true;
        at++;
        parts.hour = read_part(&at);
        at++;
        parts.minute = read_part(&at);
        at++;
        parts.second = read_part(&at);
        read_rest(at, &parts);
    }
    const char *fault = find_fault(&parts);

    if (fault != NULL) {
        (void)snprintf(why, MMI_YAML_WHY_SIZE, "'%s' is no date: %s", copy, fault);
        return NULL;
    }
    format(&parts, iso, sizeof(iso));
    const char *kept = mm_intern(iso);

    return kept == NULL ? NULL
                        : mm_value_new_object((void *)(uintptr_t)kept, &mmi_date_ops);
}
