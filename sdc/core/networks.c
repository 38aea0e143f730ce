/* Integer networks (spec section 10.3 and 10.4).
 *
 * A network is split in parts before each depthwise layer, since within a part cells do not see each other.  A
 * part goes over the cells in tiles small enough for the caches; only what a depthwise layer reads, and what is
 * added behind it, is kept for all cells. */

#include <string.h>

#include "core.h"

/* An operator at its place in a network. */
typedef struct {
    const sdc_operator *op;
    int in, out;        /* channels in front and behind */
    int factor, behind; /* sites per side of a cell, in front and behind */
} place;

#define DEEPEST 16
#define LONGEST 256

struct sdc_network {
    const sdc_path *path;
    int channels, factor, hyper;
    int count, depth, deepest; /* operators; of what is pushed */
    place places[LONGEST];
};

static size_t padded(int channels) { return (size_t)(channels + SDC_PAD - 1) / SDC_PAD * SDC_PAD; }

static size_t area(int factor) { return (size_t)factor * (size_t)factor; }

/* ------------------------------------------------------------------ building */

/* A copy with rows of padded channels, zeros behind them. */
static void *copied(const void *from, size_t item, size_t rows, size_t columns, size_t width)
{
    char *to = sdc_alloc(item * rows * width);
    if (!to)
        return NULL;
    memset(to, 0, item * rows * width);
    for (size_t r = 0; r < rows; r++)
        memcpy(to + item * r * width, (const char *)from + item * r * columns, item * columns);
    return to;
}

/* Shift of each channel, and the bias with what rounds; where a path interleaves, in its order. */
static int set_shift(sdc_operator *op, const int32_t *bias, const uint8_t *shift, int lanes)
{
    const size_t bytes = sizeof(int32_t) * (size_t)op->out_padded;
    op->bias = sdc_alloc(bytes);
    op->shift = sdc_alloc(bytes);
    op->scale = sdc_alloc(bytes);
    if (!op->bias || !op->shift || !op->scale)
        return 0;
    for (int at = 0; at < op->out_padded; at++) {
        const int c = sdc_interleaved(at, lanes);
        const int s = c < op->out ? shift[c] : 1;
        op->shift[at] = s;
        op->scale[at] = 1.0f / (float)((int32_t)1 << s);
        op->bias[at] = (c < op->out && bias ? bias[c] : 0) + (int32_t)(((uint32_t)1 << s) >> 1);
    }
    return 1;
}

static int set_tensors(sdc_operator *op, const sdc_path *path, const void *first, const int32_t *second,
                       const uint8_t *shift)
{
    const size_t out = (size_t)op->out, width = padded(op->out);
    switch (op->kind) {
    case SDC_POINTWISE:
        op->weights = path->pack_pointwise(first, op->in, op->out);
        return op->weights && set_shift(op, second, shift, 1);
    case SDC_DEPTHWISE:
        op->weights = path->pack_depthwise(first, op->out);
        return op->weights && set_shift(op, second, shift, path->lanes);
    case SDC_QUALITY:
        op->weights = copied(first, sizeof *op->weights, 64, out, width);
        return op->weights != NULL;
    case SDC_MODULATE:
        op->gains = copied(first, sizeof *op->gains, 1, out, width);
        op->offsets = copied(second, sizeof *op->offsets, 1, out, width);
        return op->gains && op->offsets && set_shift(op, NULL, shift, 1);
    default:
        return 1;
    }
}

sdc_operator *sdc_operator_new(const sdc_path *path, sdc_kind kind, int in, int out, int factor,
                               const void *first, const int32_t *second, const uint8_t *shift, int low, int high)
{
    sdc_operator *op = sdc_alloc(sizeof *op);
    if (!op)
        return NULL;
    memset(op, 0, sizeof *op);
    op->kind = kind;
    op->in = in;
    op->out = out;
    op->factor = factor;
    op->pairs = (in + 1) / 2;
    op->out_padded = (int)padded(out);
    op->low = low;
    op->high = high;
    if (set_tensors(op, path, first, second, shift))
        return op;
    sdc_operator_free(op);
    return NULL;
}

void sdc_operator_free(sdc_operator *op)
{
    if (!op)
        return;
    sdc_free(op->weights);
    sdc_free(op->bias);
    sdc_free(op->shift);
    sdc_free(op->scale);
    sdc_free(op->gains);
    sdc_free(op->offsets);
    sdc_free(op->back);
    sdc_free(op->back_weights);
    sdc_free(op);
}

static int16_t *transposed(const int16_t *weight, int in, int out)
{
    int16_t *to = sdc_alloc(sizeof *to * (size_t)in * (size_t)out);
    for (int o = 0; to && o < out; o++)
        for (int i = 0; i < in; i++)
            to[(size_t)i * (size_t)out + (size_t)o] = weight[(size_t)o * (size_t)in + (size_t)i];
    return to;
}

int sdc_operator_differentiable(const sdc_path *path, sdc_operator *op, const int16_t *weight)
{
    if (op->kind == SDC_POINTWISE && !op->back) {
        int16_t *turned = transposed(weight, op->in, op->out);
        op->back = turned ? path->pack_pointwise(turned, op->out, op->in) : NULL;
        sdc_free(turned);
        return op->back ? SDC_OK : SDC_NO_MEMORY;
    }
    if (op->kind == SDC_DEPTHWISE && !op->back_weights) {
        const size_t width = padded(op->out);
        op->back_weights = sdc_alloc(sizeof(float) * 9 * width);
        if (!op->back_weights)
            return SDC_NO_MEMORY;
        for (size_t k = 0; k < 9; k++)
            for (size_t at = 0; at < width; at++) {
                const int c = sdc_interleaved((int)at, path->lanes);
                op->back_weights[k * width + (size_t)c] =
                    c < op->out ? (float)weight[(size_t)c * 9 + k] * op->scale[at] : 0.0f;
            }
    }
    return SDC_OK;
}

sdc_network *sdc_network_new(const sdc_path *path, int channels, int factor, int hyper)
{
    sdc_network *n = sdc_alloc(sizeof *n);
    if (!n)
        return NULL;
    memset(n, 0, sizeof *n);
    n->path = path;
    n->channels = channels;
    n->factor = factor;
    n->hyper = hyper;
    return n;
}

void sdc_network_free(sdc_network *n) { sdc_free(n); }

int sdc_network_channels(const sdc_network *n) { return n->count ? n->places[n->count - 1].out : n->channels; }

int sdc_network_factor(const sdc_network *n) { return n->count ? n->places[n->count - 1].behind : n->factor; }

int sdc_network_append(sdc_network *n, const sdc_operator *op)
{
    if (n->count == LONGEST || (op->kind == SDC_PUSH && n->depth == DEEPEST) || (op->kind == SDC_ADD && !n->depth))
        return SDC_USAGE;
    place p = {op, sdc_network_channels(n), 0, sdc_network_factor(n), 0};
    p.out = p.in;
    p.behind = p.factor;
    switch (op->kind) {
    case SDC_POINTWISE:
        p.out = op->out;
        break;
    case SDC_HYPER:
        p.out = p.in + n->hyper;
        break;
    case SDC_SHUFFLE:
        p.out = p.in / (op->factor * op->factor);
        p.behind = p.factor * op->factor;
        break;
    case SDC_UNSHUFFLE:
        p.out = p.in * op->factor * op->factor;
        p.behind = p.factor / op->factor;
        break;
    case SDC_PUSH:
        n->depth++;
        break;
    case SDC_ADD:
        n->depth--;
        break;
    default:
        break;
    }
    if (n->depth > n->deepest)
        n->deepest = n->depth;
    n->places[n->count++] = p;
    return SDC_OK;
}

static size_t larger(size_t a, size_t b) { return a > b ? a : b; }

#define TILE_VALUES 16384

/* Most values of a cell, anywhere in a network. */
static size_t most_values(const sdc_network *n)
{
    size_t most = larger(SDC_PAD, area(n->factor) * padded(n->channels));
    for (int k = 0; k < n->count; k++)
        most = larger(most, area(n->places[k].behind) * padded(n->places[k].out));
    return most;
}

/* The widest row. */
static size_t widest_row(const sdc_network *n)
{
    size_t widest = larger(SDC_PAD, padded(n->channels));
    for (int k = 0; k < n->count; k++)
        widest = larger(widest, padded(n->places[k].out));
    return widest;
}

/* Cells of a tile.  Their rows fill whole blocks of a kernel, but for the last tile's, so that the spare rows of a
 * tile never reach into the next. */
static size_t tile_of(const sdc_network *n)
{
    const size_t cells = TILE_VALUES / most_values(n);
    return larger(cells / SDC_SPARE_ROWS, 1) * SDC_SPARE_ROWS;
}

/* ------------------------------------------------------------------- running */

/* Values of all cells between two parts: rows of padded channels, behind the last a row of zeros, and room for
 * spare rows. */
typedef struct {
    int16_t *values;
    int channels, factor;
} whole;

/* A part of a run, which goes over tiles of cells. */
typedef struct {
    const sdc_network *network;
    const sdc_run *run;
    int begin, end;        /* operators */
    int last;
    size_t cells;          /* to go over: all, or those wanted */
    size_t tile;           /* cells of a tile */
    size_t room;           /* values of a buffer */
    const whole *in;       /* values, then what is pushed, by parts in front; no values in the first part */
    int pushes;
    whole *out;            /* the same of this part; nothing in the last */
    int outs;
    int makers[DEEPEST + 1]; /* the operator that makes each of them, -1 for what came in */
    int16_t *result;       /* of the last part */
    int16_t *buffers;      /* of all workers */
    size_t worker_room;
} part;

#define BUFFERS (DEEPEST + 4)

/* Cells of a tile that a worker is at. */
typedef struct {
    const part *p;
    size_t first, count;
    int16_t *stack[DEEPEST + 1];
    int depth;
    int16_t *own, *idle[BUFFERS];
    int idle_count;
    int32_t *taps;
} tile;

static int all_cells(const tile *t) { return !(t->p->last && t->p->run->only); }

static size_t cell_at(const tile *t, size_t k)
{
    return all_cells(t) ? t->first + k : (size_t)t->p->run->only[t->first + k];
}

/* A buffer that holds nothing wanted. */
static int16_t *take(tile *t) { return t->idle[--t->idle_count]; }

/* Give a buffer back, if it is one and not pushed. */
static void give(tile *t, int16_t *buffer)
{
    for (int k = 0; k < t->depth; k++)
        if (t->stack[k] == buffer)
            return;
    const uintptr_t at = (uintptr_t)buffer, own = (uintptr_t)t->own;
    if (at >= own && at - own < sizeof *buffer * t->p->worker_room)
        t->idle[t->idle_count++] = buffer;
}

/* Rows of the tile's cells from rows of all of them: in place, where that can be, or copied. */
static int16_t *rows_of(tile *t, const whole *from)
{
    const size_t values = area(from->factor) * padded(from->channels);
    if (all_cells(t))
        return from->values + t->first * values;
    int16_t *to = take(t);
    for (size_t k = 0; k < t->count; k++)
        memcpy(to + k * values, from->values + cell_at(t, k) * values, sizeof *to * values);
    return to;
}

/* Rows of padded channels from rows without. */
static void pad(const int16_t *from, size_t rows, int channels, int16_t *to)
{
    const size_t width = padded(channels), own = (size_t)channels;
    for (size_t r = 0; r < rows; r++, from += own, to += width) {
        memcpy(to, from, sizeof *to * own);
        memset(to + own, 0, sizeof *to * (width - own));
    }
}

static void unpad(const int16_t *from, size_t rows, int channels, int16_t *to)
{
    const size_t width = padded(channels), own = (size_t)channels;
    for (size_t r = 0; r < rows; r++, from += width, to += own)
        memcpy(to, from, sizeof *to * own);
}

/* Input of the tile's cells, from the run's own. */
static int16_t *input_of(tile *t)
{
    const sdc_network *n = t->p->network;
    const size_t rows = area(n->factor), values = rows * (size_t)n->channels;
    int16_t *to = take(t);
    if (all_cells(t))
        pad(t->p->run->x + t->first * values, t->count * rows, n->channels, to);
    else
        for (size_t k = 0; k < t->count; k++)
            pad(t->p->run->x + cell_at(t, k) * values, rows, n->channels,
                to + k * rows * padded(n->channels));
    return to;
}

/* The nine rows of each site of a tile, from the neighbours of its cells. */
static void find_taps(const tile *t, int factor)
{
    const sdc_run *run = t->p->run;
    const int32_t none = (int32_t)(run->cells * area(factor));
    int32_t *to = t->taps;
    for (size_t k = 0; k < t->count; k++) {
        const int32_t *near = run->taps + 9 * cell_at(t, k);
        for (int y = 0; y < factor; y++)
            for (int x = 0; x < factor; x++)
                for (int dy = -1; dy <= 1; dy++)
                    for (int dx = -1; dx <= 1; dx++) {
                        const int sy = y + dy + factor, sx = x + dx + factor;
                        const int32_t cell = near[sy / factor * 3 + sx / factor];
                        *to++ = (size_t)cell == run->cells
                                    ? none
                                    : cell * factor * factor + sy % factor * factor + sx % factor;
                    }
    }
}

static void add_qualities(const tile *t, const place *at, const int16_t *x, int16_t *to)
{
    const size_t width = padded(at->in), rows = area(at->factor);
    for (size_t k = 0; k < t->count; k++) {
        const int16_t *row = at->op->weights + width * t->p->run->qualities[cell_at(t, k)];
        for (size_t r = 0; r < rows; r++, x += width, to += width)
            t->p->network->path->add(x, row, to, width, at->op->low, at->op->high);
    }
}

static void modulate(const tile *t, const place *at, const int16_t *x, int16_t *to)
{
    const size_t width = padded(at->in), rows = t->count * area(at->factor);
    const sdc_operator *op = at->op;
    for (size_t r = 0; r < rows; r++, x += width, to += width)
        for (size_t c = 0; c < width; c++) {
            const int32_t value = ((x[c] * op->gains[c] + op->bias[c]) >> op->shift[c]) + op->offsets[c];
            to[c] = (int16_t)(value < op->low ? op->low : value > op->high ? op->high : value);
        }
}

static void append_hyper(const tile *t, const place *at, const int16_t *x, int16_t *to)
{
    const size_t width = padded(at->in), behind = padded(at->out);
    const size_t own = (size_t)at->in, more = (size_t)(at->out - at->in);
    for (size_t k = 0; k < t->count; k++, x += width, to += behind) {
        const int16_t *hyper = t->p->run->hyper + more * cell_at(t, k);
        memcpy(to, x, sizeof *to * own);
        memcpy(to + own, hyper, sizeof *to * more);
        memset(to + own + more, 0, sizeof *to * (behind - own - more));
    }
}

static void reshape(tile *t, const place *at, const int16_t *x, int16_t *to)
{
    int16_t *between = take(t);
    unpad(x, t->count * area(at->factor), at->in, between);
    pad(between, t->count * area(at->behind), at->out, to);
    give(t, between);
}

static int reshapes(const place *at) { return at->op->kind == SDC_SHUFFLE || at->op->kind == SDC_UNSHUFFLE; }

/* Whether an operator's values are those in front of it, where they are. */
static int changes_nothing(const place *at)
{
    return at->op->kind == SDC_PUSH || (reshapes(at) && at->in % SDC_PAD == 0 && at->out % SDC_PAD == 0);
}

/* Where operator k of a tile is to put its values: into what is kept of all cells, or a buffer. */
static int16_t *place_for(tile *t, int k)
{
    const part *p = t->p;
    for (int i = 0; i < p->outs; i++)
        if (p->makers[i] == k)
            return p->out[i].values + t->first * area(p->out[i].factor) * padded(p->out[i].channels);
    return take(t);
}

/* One operator on a tile; where its values are. */
static int16_t *step(tile *t, int k, int16_t *x)
{
    const place *at = &t->p->network->places[k];
    const sdc_path *path = t->p->network->path;
    const int rows = (int)(t->count * area(at->factor));
    if (at->op->kind == SDC_PUSH)
        t->stack[t->depth++] = x;
    if (changes_nothing(at))
        return x;
    int16_t *to = place_for(t, k), *other;
    switch (at->op->kind) {
    case SDC_ADD:
        other = t->stack[--t->depth];
        path->add(x, other, to, (size_t)rows * padded(at->in), at->op->low, at->op->high);
        if (other != x)
            give(t, other);
        break;
    case SDC_POINTWISE:
        path->pointwise(at->op, x, padded(at->in), to, padded(at->out), rows);
        break;
    case SDC_DEPTHWISE:
        find_taps(t, at->factor);
        path->depthwise(at->op, t->p->in->values, padded(at->in), t->taps, to, padded(at->out), rows);
        return to;
    case SDC_QUALITY:
        add_qualities(t, at, x, to);
        break;
    case SDC_MODULATE:
        modulate(t, at, x, to);
        break;
    case SDC_HYPER:
        append_hyper(t, at, x, to);
        break;
    default:
        reshape(t, at, x, to);
        break;
    }
    give(t, x);
    return to;
}

/* Whether the values of an operator are clamped. */
static int clamps(const sdc_operator *op)
{
    return op->kind == SDC_POINTWISE || op->kind == SDC_DEPTHWISE || op->kind == SDC_QUALITY ||
           op->kind == SDC_MODULATE || op->kind == SDC_ADD;
}

/* Of operators that clamp. */
struct sdc_tape {
    uint8_t *passed[LONGEST]; /* bits of [cells * sites][padded channels] */
    uint8_t *all[LONGEST];    /* of each tile, whether all passed, and there are no bits */
};

static uint8_t *passed_of(const sdc_network *n, const sdc_tape *tape, int k, size_t first)
{
    const place *at = &n->places[k];
    return tape->passed[k] + first * area(at->factor) * padded(at->out) / 8;
}

static void note_passes(const tile *t, int k, const int16_t *values)
{
    const sdc_network *n = t->p->network;
    const place *at = &n->places[k];
    const sdc_tape *tape = t->p->run->tape;
    if (tape && clamps(at->op))
        tape->all[k][t->first / t->p->tile] =
            (uint8_t)n->path->passes(values, passed_of(n, tape, k, t->first),
                                     t->count * area(at->factor) * padded(at->out), at->op->low, at->op->high);
}

/* The last operators but those that change the shape alone, which result in the same bytes. */
static int before_reshapes(const part *p)
{
    int end = p->end;
    while (end > p->begin && reshapes(&p->network->places[end - 1]))
        end--;
    return end;
}

/* Keep what came into the part and is wanted behind it: what earlier parts pushed, or the values. */
static void keep_input(const tile *t, const int16_t *x)
{
    const part *p = t->p;
    for (int i = 0; i < p->outs; i++) {
        const size_t values = area(p->out[i].factor) * padded(p->out[i].channels);
        const int16_t *from = i && i <= p->pushes ? t->stack[i - 1] : x;
        if (p->makers[i] < 0 && from)
            memcpy(p->out[i].values + t->first * values, from, sizeof *from * t->count * values);
    }
}

static void do_tile(void *context, size_t item, int worker)
{
    const part *p = context;
    const sdc_network *n = p->network;
    tile t;
    memset(&t, 0, sizeof t);
    t.p = p;
    t.first = item * p->tile;
    t.count = p->cells - t.first < p->tile ? p->cells - t.first : p->tile;
    t.own = p->buffers + (size_t)worker * p->worker_room;
    for (int k = 0; k < n->deepest + 4; k++)
        t.idle[t.idle_count++] = t.own + (size_t)k * p->room;
    t.taps = (int32_t *)(void *)(t.own + (size_t)(n->deepest + 4) * p->room);
    for (int k = 0; k < p->pushes; k++)
        t.stack[t.depth++] = rows_of(&t, &p->in[k + 1]);
    const int taps = p->begin < p->end && n->places[p->begin].op->kind == SDC_DEPTHWISE;
    int16_t *x = taps ? NULL : p->in->values ? rows_of(&t, p->in) : input_of(&t);
    keep_input(&t, x);
    const int end = p->last ? before_reshapes(p) : p->end;
    for (int k = p->begin; k < end; k++) {
        x = step(&t, k, x);
        note_passes(&t, k, x);
    }
    if (p->last && x) {
        const int channels = end > p->begin ? n->places[end - 1].out : n->channels;
        const int factor = end > p->begin ? n->places[end - 1].behind : n->factor;
        const size_t rows = area(factor);
        unpad(x, t.count * rows, channels, p->result + t.first * rows * (size_t)channels);
    }
}

/* Sizes of a part's tiles and buffers; whether there is memory for them. */
static int prepare(part *p, int threads)
{
    const sdc_network *n = p->network;
    p->tile = tile_of(n);
    p->room = p->tile * most_values(n) + SDC_SPARE_ROWS * widest_row(n);
    const int factor = p->begin < p->end ? n->places[p->begin].factor : n->factor;
    const size_t taps = 9 * p->tile * area(factor) * (sizeof(int32_t) / sizeof(int16_t));
    p->worker_room = ((size_t)(n->deepest + 4) * p->room + taps + SDC_PAD) / SDC_PAD * SDC_PAD;
    const size_t bytes = sizeof *p->buffers * p->worker_room * (size_t)threads;
    p->buffers = sdc_alloc(bytes);
    if (p->buffers)
        memset(p->buffers, 0, bytes);
    return p->buffers != NULL;
}

static void free_whole(whole *w)
{
    for (int k = 0; k <= DEEPEST; k++) {
        sdc_free(w[k].values);
        w[k].values = NULL;
    }
}

/* The row that taps without a neighbour lead to. */
static void zero_row(whole *w, size_t cells)
{
    const size_t width = padded(w->channels);
    memset(w->values + cells * area(w->factor) * width, 0, sizeof *w->values * width);
}

static int make_whole(whole *w, size_t cells, int channels, int factor)
{
    w->channels = channels;
    w->factor = factor;
    w->values = sdc_alloc(sizeof *w->values * (cells * area(factor) + 1 + SDC_SPARE_ROWS) * padded(channels));
    return w->values != NULL;
}

/* The operator that made the values behind operator k, or -1 for what came into the part. */
static int maker(const part *p, int k)
{
    while (k >= p->begin && changes_nothing(&p->network->places[k]))
        k--;
    return k >= p->begin ? k : -1;
}

/* What a part is to keep: its values, and those pushed and not yet added; whether there is memory for it. */
static int keep(part *p)
{
    const sdc_network *n = p->network;
    int pushers[DEEPEST], depth = 0;
    for (int k = 0; k < p->end; k++)
        if (n->places[k].op->kind == SDC_PUSH)
            pushers[depth++] = k;
        else if (n->places[k].op->kind == SDC_ADD)
            depth--;
    p->outs = depth + 1;
    for (int i = 0; i < p->outs; i++) {
        const int from = i ? pushers[i - 1] : p->end - 1;
        const place *at = &n->places[from];
        p->makers[i] = maker(p, from);
        if (!make_whole(&p->out[i], p->run->cells, at->out, at->behind))
            return 0;
    }
    return 1;
}

/* What is kept twice is in one place so far. */
static void keep_twice(const part *p)
{
    for (int i = 1; i < p->outs; i++)
        for (int j = 0; j < i; j++)
            if (p->makers[i] >= 0 && p->makers[j] == p->makers[i]) {
                const size_t row = area(p->out[i].factor) * padded(p->out[i].channels);
                memcpy(p->out[i].values, p->out[j].values, sizeof(int16_t) * p->run->cells * row);
                break;
            }
}

static int run_part(part *p, int threads)
{
    if ((!p->last && !keep(p)) || !prepare(p, threads)) {
        sdc_free(p->buffers);
        return SDC_NO_MEMORY;
    }
    sdc_parallel((p->cells + p->tile - 1) / p->tile, threads, do_tile, p);
    sdc_free(p->buffers);
    keep_twice(p);
    for (int i = 0; i < p->outs; i++)
        zero_row(&p->out[i], p->run->cells);
    return SDC_OK;
}

/* Threads that a run can have. */
static int threads_of(const sdc_run *run)
{
    return run->threads < 1 ? 1 : run->threads > SDC_MOST_THREADS ? SDC_MOST_THREADS : run->threads;
}

int sdc_network_run(const sdc_network *n, const sdc_run *run, int16_t *out)
{
    whole kept[2][DEEPEST + 1];
    int side = 0, begin = 0, pushes = 0, result = SDC_OK;
    memset(kept, 0, sizeof kept);
    const int threads = threads_of(run);
    if (n->deepest > DEEPEST)
        return SDC_USAGE;
    if (n->count && n->places[0].op->kind == SDC_DEPTHWISE) {
        if (!make_whole(&kept[1][0], run->cells, n->channels, n->factor))
            return SDC_NO_MEMORY;
        pad(run->x, run->cells * area(n->factor), n->channels, kept[1][0].values);
        zero_row(&kept[1][0], run->cells);
    }
    for (int last = 0; !last && result == SDC_OK;) {
        part p;
        memset(&p, 0, sizeof p);
        p.network = n;
        p.run = run;
        p.begin = begin;
        for (p.end = begin + 1; p.end < n->count && n->places[p.end].op->kind != SDC_DEPTHWISE;)
            p.end++;
        p.last = last = p.end >= n->count;
        p.end = last ? n->count : p.end;
        p.cells = last && run->only ? run->wanted : run->cells;
        p.in = kept[1 - side];
        p.pushes = pushes;
        p.out = kept[side];
        p.result = out;
        result = run_part(&p, threads);
        free_whole(kept[1 - side]);
        pushes = p.outs - 1;
        begin = p.end;
        side = 1 - side;
    }
    free_whole(kept[0]);
    free_whole(kept[1]);
    return result;
}

/* ----------------------------------------------------------------- gradients */

sdc_tape *sdc_tape_new(const sdc_network *n, size_t cells)
{
    sdc_tape *tape = sdc_alloc(sizeof *tape);
    if (!tape)
        return NULL;
    memset(tape, 0, sizeof *tape);
    for (int k = 0; k < n->count; k++) {
        const place *at = &n->places[k];
        if (!clamps(at->op))
            continue;
        tape->passed[k] = sdc_alloc(cells * area(at->factor) * padded(at->out) / 8 + 1);
        tape->all[k] = sdc_alloc(cells / tile_of(n) + 1);
        if (!tape->passed[k] || !tape->all[k]) {
            sdc_tape_free(tape);
            return NULL;
        }
    }
    return tape;
}

void sdc_tape_free(sdc_tape *tape)
{
    if (!tape)
        return;
    for (int k = 0; k < LONGEST; k++) {
        sdc_free(tape->passed[k]);
        sdc_free(tape->all[k]);
    }
    sdc_free(tape);
}

/* Gradients of all cells between two parts: rows of padded channels, and a row of zeros behind the last. */
typedef struct {
    float *values;
    int channels, factor;
} gradients;

/* A part of a network on the way back. */
typedef struct {
    const sdc_network *network;
    const sdc_run *run;
    int begin, end;
    size_t tile, room;       /* cells; values of a buffer */
    const float *gradient;   /* at the output, in the last part */
    gradients in[DEEPEST + 1]; /* at the output of the next part's taps, then at sums whose other term comes yet */
    int sums;
    gradients out[DEEPEST + 1];
    int outs;                /* sums that go on */
    float *result;           /* at the input, in the first part */
    float *buffers;
    size_t worker_room;
} part_back;

typedef struct {
    const part_back *p;
    size_t first, count;
    float *g, *other;        /* the gradient, and room for the next */
    float *stack[DEEPEST + 1];
    int depth;
    int16_t *integers;
    float *factors;
    int32_t *taps;
} tile_back;

static void swap(tile_back *t)
{
    float *g = t->g;
    t->g = t->other;
    t->other = g;
}

static void through_pointwise(tile_back *t, const place *at, int rows)
{
    const sdc_path *path = t->p->network->path;
    int32_t *sums = (int32_t *)(void *)t->other;
    path->quantise(t->g, at->op->scale, (int)padded(at->out), rows, t->integers, t->factors);
    path->products(at->op->back, at->out, at->in, t->integers, sums, rows);
    path->rescale(sums, t->factors, (int)padded(at->in), rows, t->g);
}

/* Channels to others of the same values. */
static void reshape_back(tile_back *t, const place *at)
{
    const size_t front = padded(at->in), back = padded(at->out), own = (size_t)at->in, from = (size_t)at->out;
    const size_t rows = t->count * area(at->factor), values = rows * own;
    if (front == own && back == from)
        return;
    for (size_t k = 0; k < values; k++) /* the values themselves are in one order */
        t->other[k / own * front + k % own] = t->g[k / from * back + k % from];
    for (size_t r = 0; r < rows; r++)
        memset(t->other + r * front + own, 0, sizeof(float) * (front - own));
    swap(t);
}

static void without_hyper(tile_back *t, const place *at)
{
    const size_t front = padded(at->in), back = padded(at->out), own = (size_t)at->in;
    for (size_t r = 0; r < t->count; r++) {
        memcpy(t->other + r * front, t->g + r * back, sizeof(float) * own);
        memset(t->other + r * front + own, 0, sizeof(float) * (front - own));
    }
    swap(t);
}

static void through_modulate(tile_back *t, const place *at, int rows)
{
    const size_t width = padded(at->in);
    float *g = t->g;
    for (int r = 0; r < rows; r++, g += width)
        for (size_t c = 0; c < width; c++)
            g[c] *= (float)at->op->gains[c] * at->op->scale[c];
}

static void step_back(tile_back *t, int k)
{
    const sdc_network *n = t->p->network;
    const place *at = &n->places[k];
    const int rows = (int)(t->count * area(at->factor));
    const size_t values = (size_t)rows * padded(at->out);
    if (clamps(at->op) && !t->p->run->tape->all[k][t->first / t->p->tile])
        n->path->mask(t->g, passed_of(n, t->p->run->tape, k, t->first), values);
    switch (at->op->kind) {
    case SDC_POINTWISE:
        through_pointwise(t, at, rows);
        break;
    case SDC_ADD:
        memcpy(t->stack[t->depth++], t->g, sizeof(float) * values);
        break;
    case SDC_PUSH:
        n->path->accumulate(t->g, t->stack[--t->depth], values);
        break;
    case SDC_SHUFFLE:
    case SDC_UNSHUFFLE:
        reshape_back(t, at);
        break;
    case SDC_HYPER:
        without_hyper(t, at);
        break;
    case SDC_MODULATE:
        through_modulate(t, at, rows);
        break;
    default:
        break;
    }
}

/* The nine rows of each site of the tile. */
static void taps_of(tile_back *t, int factor)
{
    const part all = {.run = t->p->run, .last = 0};
    tile forward = {.p = &all, .first = t->first, .count = t->count, .taps = t->taps};
    find_taps(&forward, factor);
}

/* Rows of padded channels from rows without, and back. */
static void pad_floats(const float *from, size_t rows, int channels, float *to)
{
    const size_t width = padded(channels), own = (size_t)channels;
    for (size_t r = 0; r < rows; r++, from += own, to += width) {
        memcpy(to, from, sizeof *to * own);
        memset(to + own, 0, sizeof *to * (width - own));
    }
}

static void unpad_floats(const float *from, size_t rows, int channels, float *to)
{
    const size_t width = padded(channels), own = (size_t)channels;
    for (size_t r = 0; r < rows; r++, from += width, to += own)
        memcpy(to, from, sizeof *to * own);
}

static size_t row_values(const gradients *g) { return area(g->factor) * padded(g->channels); }

static void do_tile_back(void *context, size_t item, int worker)
{
    const part_back *p = context;
    const sdc_network *n = p->network;
    tile_back t;
    memset(&t, 0, sizeof t);
    t.p = p;
    t.first = item * p->tile;
    t.count = p->run->cells - t.first < p->tile ? p->run->cells - t.first : p->tile;
    float *own = p->buffers + (size_t)worker * p->worker_room;
    t.g = own;
    t.other = own + p->room;
    for (int k = 0; k <= DEEPEST; k++) /* those beyond the deepest are not needed */
        t.stack[k] = own + (size_t)((k < n->deepest ? k : n->deepest) + 2) * p->room;
    float *rest = own + (size_t)(n->deepest + 3) * p->room;
    t.integers = (int16_t *)(void *)rest;
    t.factors = rest + p->room;
    t.taps = (int32_t *)(void *)(rest + 2 * p->room);
    for (int k = 0; k < p->sums; k++) {
        const gradients *sum = &p->in[k + 1];
        memcpy(t.stack[t.depth++], sum->values + t.first * row_values(sum),
               sizeof(float) * t.count * row_values(sum));
    }
    int end = p->end;
    if (p->gradient) {
        const part last = {.network = n, .begin = p->begin, .end = p->end};
        end = before_reshapes(&last);
        const int channels = end ? n->places[end - 1].out : n->channels;
        const size_t rows = area(end ? n->places[end - 1].behind : n->factor);
        pad_floats(p->gradient + t.first * rows * (size_t)channels, t.count * rows, channels, t.g);
    } else {
        const place *taps = &n->places[p->end];
        taps_of(&t, taps->factor);
        n->path->spread(taps->op->back_weights, p->in[0].values, (int)padded(taps->in), t.taps, t.g,
                        (int)(t.count * area(taps->factor)));
    }
    for (int k = end - 1; k >= p->begin; k--)
        step_back(&t, k);
    for (int k = 0; k <= p->outs; k++) {
        const gradients *to = &p->out[k];
        if (to->values)
            memcpy(to->values + t.first * row_values(to), k ? t.stack[k - 1] : t.g,
                   sizeof(float) * t.count * row_values(to));
    }
    if (p->result) {
        const size_t rows = area(n->factor);
        unpad_floats(t.g, t.count * rows, n->channels, p->result + t.first * rows * (size_t)n->channels);
    }
}

/* Sums whose other term is pushed before operator k. */
static int open_sums(const sdc_network *n, int k, int *adders)
{
    int depth = 0, stack[LONGEST];
    for (int j = n->count - 1; j >= k; j--)
        if (n->places[j].op->kind == SDC_ADD)
            stack[depth++] = j;
        else if (n->places[j].op->kind == SDC_PUSH)
            depth--;
    for (int j = 0; j < depth && j < DEEPEST; j++)
        adders[j] = stack[j];
    return depth;
}

static int make_gradients(gradients *g, size_t cells, int channels, int factor)
{
    g->channels = channels;
    g->factor = factor;
    const size_t rows = cells * area(factor), width = padded(channels);
    g->values = sdc_alloc(sizeof(float) * (rows + 1) * width);
    if (!g->values)
        return 0;
    memset(g->values + rows * width, 0, sizeof(float) * width);
    return 1;
}

/* Room for what a part gives to the one in front, and for its tiles. */
static int prepare_back(part_back *p, int threads)
{
    const sdc_network *n = p->network;
    const size_t cells = p->run->cells;
    int adders[DEEPEST];
    if (p->begin || (n->count && n->places[0].op->kind == SDC_DEPTHWISE)) {
        const place *taps = &n->places[p->begin];
        p->outs = open_sums(n, p->begin, adders);
        if (!make_gradients(&p->out[0], cells, taps->out, taps->factor))
            return 0;
        for (int k = 0; k < p->outs; k++)
            if (!make_gradients(&p->out[k + 1], cells, n->places[adders[k]].in, n->places[adders[k]].factor))
                return 0;
    }
    const int factor = p->end < n->count ? n->places[p->end].factor : 1;
    p->tile = tile_of(n);
    p->room = p->tile * larger(most_values(n), 9 * area(factor)) + SDC_SPARE_ROWS * widest_row(n);
    p->worker_room = ((size_t)(n->deepest + 6) * p->room + SDC_PAD) / SDC_PAD * SDC_PAD;
    const size_t bytes = sizeof(float) * p->worker_room * (size_t)threads;
    p->buffers = sdc_alloc(bytes);
    if (p->buffers)
        memset(p->buffers, 0, bytes);
    return p->buffers != NULL;
}

static void free_gradients(gradients *g)
{
    for (int k = 0; k <= DEEPEST; k++)
        sdc_free(g[k].values);
    memset(g, 0, sizeof(gradients) * (DEEPEST + 1));
}

/* The gradient at the input of taps that begin a network. */
static void first_taps(const sdc_network *n, const sdc_run *run, const gradients *g, float *buffer, int32_t *taps,
                       float *out)
{
    const size_t rows = area(n->factor);
    part all = {.run = run, .last = 0};
    for (size_t cell = 0; cell < run->cells; cell++) {
        tile t = {.p = &all, .first = cell, .count = 1, .taps = taps};
        find_taps(&t, n->factor);
        n->path->spread(n->places[0].op->back_weights, g->values, (int)padded(n->channels), taps, buffer,
                        (int)rows);
        unpad_floats(buffer, rows, n->channels, out + cell * rows * (size_t)n->channels);
    }
}

int sdc_network_backward(const sdc_network *n, const sdc_run *run, const float *gradient, float *out)
{
    part_back p;
    int result = SDC_OK;
    const int threads = threads_of(run);
    memset(&p, 0, sizeof p);
    p.network = n;
    p.run = run;
    p.gradient = gradient;
    const int taps_first = n->count && n->places[0].op->kind == SDC_DEPTHWISE;
    for (p.end = n->count;; p.end = p.begin) {
        for (p.begin = p.end ? p.end - 1 : 0; p.begin && n->places[p.begin].op->kind != SDC_DEPTHWISE;)
            p.begin--;
        p.result = p.begin || taps_first ? NULL : out;
        if (!prepare_back(&p, threads))
            result = SDC_NO_MEMORY;
        else
            sdc_parallel((run->cells + p.tile - 1) / p.tile, threads, do_tile_back, &p);
        if (result == SDC_OK && !p.begin && taps_first)
            first_taps(n, run, &p.out[0], p.buffers, (int32_t *)(void *)(p.buffers + p.room), out);
        sdc_free(p.buffers);
        p.buffers = NULL;
        free_gradients(p.in);
        if (result != SDC_OK || !p.begin)
            break;
        memcpy(p.in, p.out, sizeof p.in);
        memset(p.out, 0, sizeof p.out);
        p.sums = p.outs;
        p.outs = 0;
        p.gradient = NULL;
    }
    free_gradients(p.out);
    return result;
}

/* -------------------------------------------------------------------- cells */

int sdc_neighbours(const int32_t *rows, const int32_t *cols, const int32_t *labels, size_t cells, int32_t *taps)
{
    if (!cells)
        return SDC_OK;
    int32_t top = rows[0], bottom = rows[0], left = cols[0], right = cols[0];
    for (size_t k = 1; k < cells; k++) {
        top = rows[k] < top ? rows[k] : top;
        bottom = rows[k] > bottom ? rows[k] : bottom;
        left = cols[k] < left ? cols[k] : left;
        right = cols[k] > right ? cols[k] : right;
    }
    const size_t width = (size_t)(right - left) + 3, height = (size_t)(bottom - top) + 3;
    const int32_t none = (int32_t)cells;
    int32_t *grid = sdc_alloc(sizeof *grid * width * height);
    if (!grid)
        return SDC_NO_MEMORY;
    for (size_t k = 0; k < width * height; k++)
        grid[k] = none;
    for (size_t k = 0; k < cells; k++)
        grid[(size_t)(rows[k] - top + 1) * width + (size_t)(cols[k] - left + 1)] = (int32_t)k;
    for (size_t k = 0; k < cells; k++) {
        const int32_t *middle = grid + (size_t)(rows[k] - top + 1) * width + (size_t)(cols[k] - left + 1);
        for (int dy = 0; dy < 3; dy++)
            for (int dx = 0; dx < 3; dx++) {
                const int32_t other = middle[(ptrdiff_t)(dy - 1) * (ptrdiff_t)width + dx - 1];
                *taps++ = other != none && labels[other] == labels[k] ? other : none;
            }
    }
    sdc_free(grid);
    return SDC_OK;
}
