/* The line search of torch.optim.LBFGS: a bracket around a point that meets the strong
 * Wolfe conditions, by steps that grow, then its refinement by cubic interpolation. The
 * order of operations is PyTorch's. */
#include "mmengine/ops.h"
#include "optim/lbfgs.h"

static const double sufficient_decrease = 1e-4;
static const double curvature = 0.9;

/* A search under way. One or two points bracket what is looked for. */
struct search {
    const mmi_line *line;
    const mmi_line_point *start;
    mmi_line_point bracket[2];
    int count; /* of the bracket */
    int low;   /* the better end */
    int high;
    bool is_done;
    int64_t iterations;
    int64_t evals;
};

static mmi_scalar times(double x, mmi_scalar y)
{
    return mmi_scalar_mul(mmi_scalar_of(x), y);
}

/* Bounds of an interpolation; NULL: the two points. */
struct bounds {
    mmi_scalar low;
    mmi_scalar high;
};

/* Where the cubic through both points has its minimum, within bounds. */
static mmi_scalar interpolate(const mmi_line_point *a, const mmi_line_point *b,
                              const struct bounds *given)
{
    bool is_rising = mmi_scalar_less_equal(a->t, b->t);
    struct bounds bounds = given != NULL ? *given
                           : is_rising   ? (struct bounds){a->t, b->t}
                                         : (struct bounds){b->t, a->t};
    const mmi_line_point *from = is_rising ? b : a; /* the farther one */
    const mmi_line_point *to = is_rising ? a : b;
    mmi_scalar chord = mmi_scalar_div(mmi_scalar_of(3.0 * (a->loss - b->loss)),
                                      mmi_scalar_sub(a->t, b->t));
    mmi_scalar d1 = mmi_scalar_sub(mmi_scalar_add(a->slope, b->slope), chord);
    mmi_scalar square = mmi_scalar_sub(mmi_scalar_at(mm_pow_scalar(d1.tensor, 2)),
                                       mmi_scalar_mul(a->slope, b->slope));

    if (!mmi_scalar_less_equal(mmi_scalar_of(0.0), square))
        return mmi_scalar_div(mmi_scalar_add(bounds.low, bounds.high),
                              mmi_scalar_of(2.0));
    mmi_scalar d2 = mmi_scalar_at(mm_sqrt(square.tensor));
    mmi_scalar over = mmi_scalar_sub(mmi_scalar_add(from->slope, d2), d1);
    mmi_scalar under =
        mmi_scalar_add(mmi_scalar_sub(from->slope, to->slope), times(2.0, d2));
    mmi_scalar share = mmi_scalar_div(over, under);
    mmi_scalar best =
        mmi_scalar_sub(from->t, mmi_scalar_mul(mmi_scalar_sub(from->t, to->t), share));

    return mmi_scalar_min(mmi_scalar_max(best, bounds.low), bounds.high);
}

static mm_status evaluate(struct search *search, mmi_scalar t, mmi_line_point *out)
{
    const mmi_line *line = search->line;
    mmi_line_point point = {.t = t};

    if (line->evaluate(line->user, t, &point.loss, &point.grad) < 0)
        return mm_pending();
    point.slope =
        mmi_scalar_at(mm_op("aten::dot", MM_T(point.grad), MM_T(line->direction)));
    search->evals++;
    *out = point;
    return mm_pending();
}

/* True if the loss is above the line of sufficient decrease. */
static bool is_too_high(const struct search *search, const mmi_line_point *point)
{
    const mmi_line_point *start = search->start;
    mmi_scalar fall =
        mmi_scalar_mul(times(sufficient_decrease, point->t), start->slope);
    mmi_scalar limit = mmi_scalar_add(mmi_scalar_of(start->loss), fall);

    return mmi_scalar_less(limit, mmi_scalar_of(point->loss));
}

static bool is_flat(const struct search *search, const mmi_line_point *point)
{
    return mmi_scalar_less_equal(mmi_scalar_abs(point->slope),
                                 times(-curvature, search->start->slope));
}

static void set_bracket(struct search *search, const mmi_line_point *first,
                        const mmi_line_point *second)
{
    search->bracket[0] = *first;
    search->count = 1;
    if (second != NULL) {
        search->bracket[1] = *second;
        search->count = 2;
    }
}

/* Steps that grow until a bracket is found or the calls are used up; `point` is the
 * first that was looked at. */
static mm_status find_bracket(struct search *search, mmi_line_point point)
{
    mmi_line_point origin = *search->start;
    mmi_line_point before;

    origin.t = mmi_scalar_of_int(0);
    before = origin;
    while (search->iterations < search->line->max_evals && !mm_has_error()) {
        bool is_higher = search->iterations > 1 && point.loss >= before.loss;

        if (is_too_high(search, &point) || is_higher) {
            set_bracket(search, &before, &point);
            return mm_pending();
        }
        if (is_flat(search, &point)) {
            set_bracket(search, &point, NULL);
            search->is_done = true;
            return mm_pending();
        }
        if (mmi_scalar_less_equal(mmi_scalar_of(0.0), point.slope)) {
            set_bracket(search, &before, &point);
            return mm_pending();
        }
        mmi_scalar gap = mmi_scalar_sub(point.t, before.t);
        const struct bounds bounds = {mmi_scalar_add(point.t, times(0.01, gap)),
                                      mmi_scalar_mul(point.t, mmi_scalar_of_int(10))};
        mmi_scalar next = interpolate(&before, &point, &bounds);

        before = point;
        if (evaluate(search, next, &point) < 0)
            return mm_pending();
        search->iterations++;
    }
    set_bracket(search, &origin, &point);
    return mm_pending();
}

static void order_bracket(struct search *search)
{
    const mmi_line_point *last = &search->bracket[search->count - 1];

    search->low = search->count == 1 || search->bracket[0].loss <= last->loss ? 0 : 1;
    search->high = 1 - search->low;
}

/* The next length within the bracket. One near an end is moved away from it if the last
 * one was near an end too; `stalled` remembers that. */
static mmi_scalar next_length(const struct search *search, bool *stalled)
{
    const mmi_line_point *bracket = search->bracket;
    mmi_scalar t = interpolate(&bracket[0], &bracket[1], NULL);
    mmi_scalar top = mmi_scalar_max(bracket[0].t, bracket[1].t);
    mmi_scalar bottom = mmi_scalar_min(bracket[0].t, bracket[1].t);
    mmi_scalar margin = times(0.1, mmi_scalar_sub(top, bottom));
    mmi_scalar nearest =
        mmi_scalar_min(mmi_scalar_sub(top, t), mmi_scalar_sub(t, bottom));
    bool was_stalled = *stalled;

    *stalled = false;
    if (!mmi_scalar_less(nearest, margin))
        return t;
    if (!was_stalled && !mmi_scalar_less_equal(top, t) &&
        !mmi_scalar_less_equal(t, bottom)) {
        *stalled = true;
        return t;
    }
    bool is_at_top = mmi_scalar_less(mmi_scalar_abs(mmi_scalar_sub(t, top)),
                                     mmi_scalar_abs(mmi_scalar_sub(t, bottom)));

    return is_at_top ? mmi_scalar_sub(top, margin) : mmi_scalar_add(bottom, margin);
}

/* Puts a point in place of the end that it is better than. */
static void narrow_bracket(struct search *search, const mmi_line_point *point)
{
    mmi_line_point *bracket = search->bracket;

    if (is_too_high(search, point) || point->loss >= bracket[search->low].loss) {
        bracket[search->high] = *point;
        order_bracket(search);
        return;
    }
    mmi_scalar width = mmi_scalar_sub(bracket[search->high].t, bracket[search->low].t);

    if (is_flat(search, point))
        search->is_done = true;
    else if (mmi_scalar_less_equal(mmi_scalar_of(0.0),
                                   mmi_scalar_mul(point->slope, width)))
        bracket[search->high] = bracket[search->low];
    bracket[search->low] = *point;
}

mm_status mmi_strong_wolfe(const mmi_line *line, const mmi_line_point *start,
                           mmi_line_point *out, int64_t *out_evals)
{
    struct search search = {.line = line, .start = start};
    mmi_scalar reach = mmi_scalar_at(mm_max(mm_abs(line->direction)));
    mmi_line_point point;
    bool stalled = false;

    if (evaluate(&search, start->t, &point) < 0 || find_bracket(&search, point) < 0)
        return mm_pending();
    order_bracket(&search);
    while (!search.is_done && search.iterations < line->max_evals && !mm_has_error()) {
        mmi_scalar width =
            mmi_scalar_abs(mmi_scalar_sub(search.bracket[1].t, search.bracket[0].t));

        if (mmi_scalar_less(mmi_scalar_mul(width, reach),
                            mmi_scalar_of(line->tolerance_change)))
            break;
        if (evaluate(&search, next_length(&search, &stalled), &point) < 0)
            break;
        search.iterations++;
        narrow_bracket(&search, &point);
    }
    *out = search.bracket[search.low];
    *out_evals = search.evals;
    return mm_pending();
}
