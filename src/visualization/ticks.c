/* Round numbers for axes: steps of 1, 2 or 5 times a power of ten; on logarithmic axes
 * powers of ten, with 2 and 5 between where there is room. */
#include "visualization/ticks.h"

#include <math.h>
#include <string.h>

#include "mmengine/number.h"

/* The round step nearest to `step`. */
static double round_step(double step)
{
    double power = pow(10.0, floor(log10(step)));
    double digits = step / power;

    return power * (digits < 1.5   ? 1.0
                    : digits < 3.5 ? 2.0
                    : digits < 7.5 ? 5.0
                                   : 10.0);
}

static void write_tick(char *out, double value, double unit, const char *suffix)
{
    char text[64];
    size_t size = mm_f64_format_general(value / unit, 6, text, sizeof text);
    size_t suffix_size = strlen(suffix);

    if (size + suffix_size < MMI_TICK_TEXT_SIZE) {
        memcpy(out, text, size);
        memcpy(out + size, suffix, suffix_size + 1);
    }
}

/* Thousands as "k", millions as "M" where all ticks are whole ones of them. */
static void write_ticks(mmi_axis *axis)
{
    static const struct {
        double unit;
        const char *suffix;
    } units[] = {{1e6, "M"}, {1e3, "k"}, {1.0, ""}};
    size_t chosen = 2;

    for (size_t u = 0; u < 2 && chosen == 2 && !axis->is_log; u++) {
        bool fits = axis->high >= 10.0 * units[u].unit;
        for (size_t i = 0; fits && i < axis->num_ticks; i++) {
            double count = axis->ticks[i] / units[u].unit * 10.0;
            fits = fabs(count - round(count)) < 1e-6;
        }
        chosen = fits ? u : 2;
    }
    for (size_t i = 0; i < axis->num_ticks; i++) {
        bool is_zero = axis->ticks[i] == 0.0;
        write_tick(axis->texts[i], axis->ticks[i], units[chosen].unit,
                   is_zero ? "" : units[chosen].suffix);
    }
}

static void add_tick(mmi_axis *axis, double value)
{
    if (axis->num_ticks < MMI_MAX_TICKS) {
        axis->ticks[axis->num_ticks++] = value;
    }
}

static void init_linear(mmi_axis *axis, double low, double high, size_t wanted)
{
    if (!(high - low > 1e-12 * fmax(fabs(low), fabs(high)))) { /* one value */
        double margin = low != 0.0 ? fabs(low) * 0.1 : 1.0;
        low -= margin;
        high += margin;
    }
    double step = round_step((high - low) / (double)wanted);
    axis->low = low;
    axis->high = high;
    for (double i = ceil(low / step - 1e-9); i * step <= high + 1e-9 * step; i += 1.0) {
        add_tick(axis, i == 0.0 ? 0.0 : i * step);
    }
}

static void init_log(mmi_axis *axis, double low, double high, size_t wanted)
{
    static const double between[] = {1.0, 2.0, 5.0};
    double decades = log10(high / low);
    size_t kinds = decades * 3.0 <= (double)wanted + 1.0 ? 3 : 1;
    double skip = fmax(ceil(decades / (double)(wanted + 1)), 1.0);

    axis->low = low;
    axis->high = high;
    for (double power = floor(log10(low)); power <= ceil(log10(high)); power += 1.0) {
        for (size_t i = 0; i < kinds; i++) {
            double value = between[i] * pow(10.0, power);
            bool is_shown = fmod(fabs(power), skip) == 0.0;
            if (is_shown && value >= low * (1 - 1e-9) && value <= high * (1 + 1e-9)) {
                add_tick(axis, value);
            }
        }
    }
}

void mmi_axis_init(mmi_axis *axis, double low, double high, size_t wanted, bool is_log)
{
    *axis = (mmi_axis){.is_log = is_log};
    if (is_log) {
        init_log(axis, low, high, wanted);
    } else {
        init_linear(axis, low, high, wanted);
    }
    write_ticks(axis);
}

double mmi_axis_place(const mmi_axis *axis, double value)
{
    return axis->is_log
               ? log(fmax(value, 1e-300) / axis->low) / log(axis->high / axis->low)
               : (value - axis->low) / (axis->high - axis->low);
}
