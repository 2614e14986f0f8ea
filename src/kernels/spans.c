/* Multi-tensor passes. A job is one pass over all spans; its body gets a range of
 * blocks, finds the span of the first one by bisection and walks on from there. Blocks
 * never cross tensors, and reductions write one partial result per block that is summed
 * in block order, so nothing depends on how the pool cuts the range. */
#include "kernels/spans.h"

#include <math.h>
#include <string.h>

struct job;

/* A piece of one span: elements [begin, begin + count). */
struct piece {
    const mmi_span *span;
    int64_t begin;
    int64_t count;
    int64_t block;
};

typedef void (*piece_fn)(const struct job *job, const struct piece *piece);

struct job {
    const mmi_spans *spans;
    piece_fn run;
    const mmi_update *update;
    double *partials;
    float factor;
};

void mmi_spans_lay_out(mmi_spans *spans)
{
    int64_t block = 0;

    for (int64_t i = 0; i < spans->count; i++) {
        spans->spans[i].first_block = block;
        block += (spans->spans[i].count + MMI_BLOCK - 1) / MMI_BLOCK;
    }
    spans->num_blocks = block;
}

/* The span that holds `block`: the last one that begins at or before it. Empty spans
 * begin where the next one does and are passed over. */
static int64_t find_span(const mmi_spans *spans, int64_t block)
{
    int64_t low = 0;
    int64_t high = spans->count;

    while (high - low > 1) {
        int64_t middle = low + (high - low) / 2;

        if (spans->spans[middle].first_block <= block) {
            low = middle;
        } else {
            high = middle;
        }
    }
    return low;
}

static void run_blocks(void *user, int64_t begin, int64_t end)
{
    const struct job *job = user;
    const mmi_spans *spans = job->spans;
    int64_t index = find_span(spans, begin);

    for (int64_t block = begin; block < end; index++) {
        const mmi_span *span = &spans->spans[index];
        int64_t at = (block - span->first_block) * MMI_BLOCK;

        for (; at < span->count && block < end; at += MMI_BLOCK, block++) {
            int64_t left = span->count - at;

            if (span->grad != NULL) {
                job->run(job,
                         &(struct piece){.span = span,
                                         .begin = at,
                                         .count = left < MMI_BLOCK ? left : MMI_BLOCK,
                                         .block = block});
            } else if (job->partials != NULL) {
                job->partials[block] = 0.0;
            }
        }
    }
}

static void run_job(struct job *job)
{
    const mmi_spans *spans = job->spans;

    if (spans->num_blocks == 0) {
        return;
    }
    if (spans->parallel == NULL || spans->num_blocks <= MMI_BLOCK_GRAIN) {
        run_blocks(job, 0, spans->num_blocks);
        return;
    }
    spans->parallel->run(spans->num_blocks, MMI_BLOCK_GRAIN, run_blocks, job);
}

static void finish_grad(const struct job *job, const struct piece *piece)
{
    if (job->spans->zero_grad) {
        memset(piece->span->grad + piece->begin, 0,
               (size_t)piece->count * sizeof(float));
    }
}

static void update_piece(const struct job *job, const struct piece *piece)
{
    const mmi_span *span = piece->span;
    const mmi_update *update = job->update;
    const char *coefficients = update->coefficients;
    mm_update_memory memory = {
        .param = span->param + piece->begin,
        .grad = span->grad + piece->begin,
        .count = piece->count,
        .grad_factor = span->grad_factor,
        .is_new = span->is_new,
    };

    for (int i = 0; i < MM_UPDATE_MAX_STATES; i++) {
        memory.states[i] =
            span->states[i] == NULL ? NULL : span->states[i] + piece->begin;
    }
    update->function(coefficients + (size_t)span->rule * update->size, &memory);
    finish_grad(job, piece);
}

static void follow(const struct job *job, const struct piece *piece)
{
    const mmi_spans *spans = job->spans;
    float *average = piece->span->average + piece->begin;
    const float *param = piece->span->param + piece->begin;

    if (spans->pull.is_lerp) {
        spans->kernels->lerp(average, param, spans->pull.weight, piece->count);
    } else {
        spans->kernels->pull(average, param, spans->pull.weight, piece->count);
    }
}

/* With an average strip by strip, so that it finds the new weights in the nearest
 * cache. */
static void update_and_follow(const struct job *job, const struct piece *piece)
{
    struct piece strip = *piece;
    int64_t end = piece->begin + piece->count;

    if (piece->span->average == NULL) {
        update_piece(job, piece);
        return;
    }
    for (; strip.begin < end; strip.begin += MMI_STRIP) {
        int64_t left = end - strip.begin;

        strip.count = left < MMI_STRIP ? left : MMI_STRIP;
        update_piece(job, &strip);
        follow(job, &strip);
    }
}

void mmi_spans_update(const mmi_spans *spans, const mmi_update *update)
{
    run_job(&(struct job){.spans = spans, .run = update_and_follow, .update = update});
}

static void squares_piece(const struct job *job, const struct piece *piece)
{
    job->partials[piece->block] = job->spans->kernels->sum_squares(
        piece->span->grad + piece->begin, piece->count);
}

double mmi_spans_grad_squares(const mmi_spans *spans, double *partials)
{
    double total = 0.0;

    run_job(&(struct job){.spans = spans, .run = squares_piece, .partials = partials});
    for (int64_t i = 0; i < spans->num_blocks; i++) {
        total += partials[i];
    }
    return total;
}

static void max_piece(const struct job *job, const struct piece *piece)
{
    job->partials[piece->block] = (double)job->spans->kernels->max_abs(
        piece->span->grad + piece->begin, piece->count);
}

double mmi_spans_grad_max(const mmi_spans *spans, double *partials)
{
    double largest = 0.0;

    run_job(&(struct job){.spans = spans, .run = max_piece, .partials = partials});
    for (int64_t i = 0; i < spans->num_blocks; i++) {
        if (isnan(partials[i])) {
            return partials[i];
        }
        largest = partials[i] > largest ? partials[i] : largest;
    }
    return largest;
}

static void scale_piece(const struct job *job, const struct piece *piece)
{
    job->spans->kernels->scale(piece->span->grad + piece->begin, job->factor,
                               piece->count);
}

void mmi_spans_grad_scale(const mmi_spans *spans, float factor)
{
    run_job(&(struct job){.spans = spans, .run = scale_piece, .factor = factor});
}

static void clamp_piece(const struct job *job, const struct piece *piece)
{
    job->spans->kernels->clamp(piece->span->grad + piece->begin, job->factor,
                               piece->count);
}

void mmi_spans_grad_clamp(const mmi_spans *spans, float limit)
{
    run_job(&(struct job){.spans = spans, .run = clamp_piece, .factor = limit});
}

static void lerp_piece(const struct job *job, const struct piece *piece)
{
    job->spans->kernels->lerp(piece->span->param + piece->begin,
                              piece->span->grad + piece->begin, job->factor,
                              piece->count);
}

void mmi_spans_lerp(const mmi_spans *spans, float weight)
{
    run_job(&(struct job){.spans = spans, .run = lerp_piece, .factor = weight});
}

static void pull_piece(const struct job *job, const struct piece *piece)
{
    job->spans->kernels->pull(piece->span->param + piece->begin,
                              piece->span->grad + piece->begin, job->factor,
                              piece->count);
}

void mmi_spans_pull(const mmi_spans *spans, float weight)
{
    run_job(&(struct job){.spans = spans, .run = pull_piece, .factor = weight});
}
