/* Numbers as text against Python's, and the properties that make them right. */
#include "check.h"

#include <float.h>
#include <locale.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/case_value.h"
#include "mmengine/number.h"

static uint64_t bits_of(double value)
{
    uint64_t bits = 0;
    memcpy(&bits, &value, sizeof bits);
    return bits;
}

static void check_number(char *const *fields)
{
    char text[MM_F64_TEXT_SIZE];
    double read = -1.0;
    double expected = case_f64(fields[1]);
    if (mm_f64_parse(fields[0], &read) != MM_OK) {
        fail_msg("'%s' is not read", fields[0]);
    }
    if (isnan(expected) ? !isnan(read) : bits_of(read) != bits_of(expected)) {
        fail_msg("'%s' is read as %a, not %a", fields[0], read, expected);
    }
    assert_int_equal(mm_f64_format(expected, text), strlen(fields[2]));
    assert_string_equal(text, fields[2]);
}

static void reads_and_writes_as_python(void **state)
{
    (void)state;
    assert_true(case_lines("cases/base/numbers.txt", 3, check_number) > 3000);
}

static void check_format(char *const *fields)
{
    char text[512];
    double value = case_f64(fields[0]);
    int digits = (int)strtol(fields[1], NULL, 10);
    assert_int_equal(mm_f64_format_fixed(value, digits, text, sizeof text),
                     strlen(fields[2]));
    assert_string_equal(text, fields[2]);
    mm_f64_format_exponent(value, digits, text, sizeof text);
    assert_string_equal(text, fields[3]);
    mm_f64_format_general(value, digits, text, sizeof text);
    assert_string_equal(text, fields[4]);
}

static void formats_as_python(void **state)
{
    (void)state;
    assert_true(case_lines("cases/base/formats.txt", 5, check_format) > 1000);
}

/* A small generator of our own: the same numbers on every machine. */
static uint64_t next_random(uint64_t *seed)
{
    uint64_t x = (*seed += 0x9E3779B97F4A7C15u);
    x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9u;
    x = (x ^ (x >> 27)) * 0x94D049BB133111EBu;
    return x ^ (x >> 31);
}

static void check_shortest(double value)
{
    char text[MM_F64_TEXT_SIZE];
    char shorter[64];
    double read = 0.0;
    size_t size = mm_f64_format(value, text);
    assert_true(size < MM_F64_TEXT_SIZE);
    assert_int_equal(mm_f64_scan(text, size, &read), size);
    assert_true(bits_of(read) == bits_of(value));

    int digits = 0; /* significant ones */
    bool is_leading = true;
    int zeros = 0;
    for (const char *c = text; *c != '\0' && *c != 'e'; c++) {
        is_leading = is_leading && (*c < '1' || *c > '9');
        if (*c >= '0' && *c <= '9' && !is_leading) {
            zeros = *c == '0' ? zeros + 1 : 0;
            digits++;
        }
    }
    digits -= zeros;
    if (digits > 1) { /* the C library's nearest text with one digit less is another */
        size_t length =
            mm_f64_format_exponent(value, digits - 2, shorter, sizeof shorter);
        assert_int_equal(mm_f64_scan(shorter, length, &read), length);
        assert_true(bits_of(read) != bits_of(value));
    }
}

static void is_shortest_and_reads_back(void **state)
{
    (void)state;
    uint64_t seed = 7;
    for (int i = 0; i < 100000; i++) {
        uint64_t bits = next_random(&seed);
        double value = 0.0;
        memcpy(&value, &bits, sizeof value);
        if (isfinite(value)) {
            check_shortest(value);
        }
        check_shortest((double)(float)(int32_t)bits / 1024.0);
    }
}

/* The C library reads correctly too: two implementations have to agree. */
static void agrees_with_the_c_library(void **state)
{
    (void)state;
    uint64_t seed = 11;
    char text[96];
    for (int i = 0; i < 100000; i++) {
        int size = snprintf(text, sizeof text, "%llu%llu.%llue%d",
                            (unsigned long long)next_random(&seed) >> (i % 60),
                            (unsigned long long)next_random(&seed) >> (i % 50),
                            (unsigned long long)next_random(&seed) >> (i % 40),
                            (int)(next_random(&seed) % 700) - 380);
        double read = 0.0;
        assert_int_equal(mm_f64_scan(text, (size_t)size, &read), size);
        assert_true(bits_of(read) == bits_of(strtod(text, NULL)));
    }
}

static void refuses_what_is_no_number(void **state)
{
    (void)state;
    static const char *const bad[] = {"",    " 1",   "1 ", "1_0", "abc",   "1.2.3",
                                      "--1", "+-1",  ".",  "-.",  "e5",    "1e",
                                      "1e+", "0x10", "in", "1,5", "infin", "nano"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        double value = 42.0;
        assert_int_equal(mm_f64_parse(bad[i], &value), MM_EINVAL);
        assert_true(value == 42.0);
        check_error(MM_EINVAL);
    }
}

static void scans_the_beginning(void **state)
{
    (void)state;
    double value = 0.0;
    assert_int_equal(mm_f64_scan("1.5e3x", 6, &value), 5);
    assert_true(value == 1500.0);
    assert_int_equal(mm_f64_scan("1.5e+", 5, &value), 3);
    assert_int_equal(mm_f64_scan("12345", 2, &value), 2);
    assert_true(value == 12.0);
    assert_int_equal(mm_f64_scan("x", 1, &value), 0);
}

static void ints(void **state)
{
    (void)state;
    char text[MM_I64_TEXT_SIZE];
    static const int64_t values[] = {0, 1, -1, 9, 10, -10, INT64_MAX, INT64_MIN};
    for (size_t i = 0; i < sizeof values / sizeof *values; i++) {
        int64_t read = 1;
        mm_i64_format(values[i], text);
        assert_int_equal(mm_i64_parse(text, &read), MM_OK);
        assert_true(read == values[i]);
    }
    int64_t value = 0;
    assert_int_equal(mm_i64_parse("+7", &value), MM_OK);
    assert_int_equal(value, 7);
    assert_int_equal(mm_i64_parse("9223372036854775808", &value), MM_ERANGE);
    check_error(MM_ERANGE);
    assert_int_equal(mm_i64_parse("-9223372036854775809", &value), MM_ERANGE);
    check_error(MM_ERANGE);
    assert_int_equal(mm_i64_parse("99999999999999999999x", &value), MM_EINVAL);
    check_error(MM_EINVAL);
    assert_int_equal(mm_i64_parse("", &value), MM_EINVAL);
    check_error_text(MM_EINVAL, "could not read '' as an int");
    assert_int_equal(value, 7);
}

/* A host may have set a locale whose decimal point is a comma. */
static void the_locale_does_not_matter(void **state)
{
    (void)state;
    static const char *const names[] = {"de_DE.UTF-8", "fr_FR.UTF-8", "nl_NL.UTF-8",
                                        "de_DE.utf8", "ps_AF.UTF-8"};
    bool was_set = false;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        if (setlocale(LC_ALL, names[i]) == NULL) {
            continue;
        }
        was_set = true;
        char text[64];
        double value = 0.0;
        mm_f64_format_fixed(1234.5, 2, text, sizeof text);
        assert_string_equal(text, "1234.50");
        mm_f64_format_exponent(-1.5e-7, 3, text, sizeof text);
        assert_string_equal(text, "-1.500e-07");
        mm_f64_format_general(0.25, 3, text, sizeof text);
        assert_string_equal(text, "0.25");
        assert_int_equal(mm_f64_parse("0.5", &value), MM_OK);
        assert_true(value == 0.5);
    }
    setlocale(LC_ALL, "C");
    if (!was_set) {
        skip(); /* no such locale on this machine */
    }
}

static void cuts_like_snprintf(void **state)
{
    (void)state;
    char text[5];
    assert_int_equal(mm_f64_format_fixed(1234.5678, 2, text, sizeof text), 7);
    assert_string_equal(text, "1234");
    assert_int_equal(mm_f64_format_fixed(1.0, 2, NULL, 0), 4);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        CLEAN_TEST(reads_and_writes_as_python),
        CLEAN_TEST(formats_as_python),
        CLEAN_TEST(is_shortest_and_reads_back),
        CLEAN_TEST(agrees_with_the_c_library),
        CLEAN_TEST(refuses_what_is_no_number),
        CLEAN_TEST(scans_the_beginning),
        CLEAN_TEST(ints),
        CLEAN_TEST(the_locale_does_not_matter),
        CLEAN_TEST(cuts_like_snprintf),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
