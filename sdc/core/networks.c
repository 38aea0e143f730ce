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
    sdc_free(op);
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
    const ptrdiff_t from = buffer - t->own;
    if (from >= 0 && from < (ptrdiff_t)t->p->worker_room)
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
    for (int k = p->begin; k < end; k++)
        x = step(&t, k, x);
    if (p->last) {
        const int channels = end > p->begin ? n->places[end - 1].out : n->channels;
        const int factor = end > p->begin ? n->places[end - 1].behind : n->factor;
        const size_t rows = area(factor);
        unpad(x, t.count * rows, channels, p->result + t.first * rows * (size_t)channels);
    }
}

static size_t larger(size_t a, size_t b) { return a > b ? a : b; }

#define TILE_VALUES 16384

/* Sizes of a part's tiles and buffers; whether there is memory for them. */
static int prepare(part *p, int threads)
{
    const sdc_network *n = p->network;
    size_t most = larger(SDC_PAD, area(n->factor) * padded(n->channels)), widest = padded(n->channels);
    if (p->begin)
        most = widest = SDC_PAD;
    for (int k = p->begin; k < p->end; k++) {
        const place *at = &n->places[k];
        widest = larger(widest, larger(padded(at->in), padded(at->out)));
        most = larger(most, larger(area(at->factor) * padded(at->in), area(at->behind) * padded(at->out)));
    }
    for (int k = 0; k < p->pushes; k++)
        most = larger(most, area(p->in[k + 1].factor) * padded(p->in[k + 1].channels));
    p->tile = TILE_VALUES / most ? TILE_VALUES / most : 1;
    /* Rows of a tile fill whole blocks of a kernel, but for the last tile's: spare rows never reach the next. */
    if (p->tile % SDC_SPARE_ROWS)
        p->tile += SDC_SPARE_ROWS - p->tile % SDC_SPARE_ROWS;
    p->room = p->tile * most + SDC_SPARE_ROWS * widest;
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

int sdc_network_run(const sdc_network *n, const sdc_run *run, int16_t *out)
{
    whole kept[2][DEEPEST + 1];
    int side = 0, begin = 0, pushes = 0, result = SDC_OK;
    memset(kept, 0, sizeof kept);
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
        result = run_part(&p, run->threads > 0 ? run->threads : 1);
        free_whole(kept[1 - side]);
        pushes = p.outs - 1;
        begin = p.end;
        side = 1 - side;
    }
    free_whole(kept[0]);
    free_whole(kept[1]);
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
