/* Entropy coding (spec sections 7.1, 8.4 and 9.1): symbols of residuals, and maps of labels. */

#include <string.h>

#include "core.h"

/* Of a symbol in a code: an alphabet has at most 256. */
#define SYMBOL_BITS 9

#define TOTAL_BITS 15
#define TOTAL (1u << TOTAL_BITS)
#define STATE_MIN (1u << 16)
#define RESIDUAL_MAX 32767
#define ESCAPE_BITS 15

/* ------------------------------------------------------------------- reading */

int sdc_reader_begin(sdc_reader *r, const uint8_t *data, size_t size)
{
    const size_t own = size < 4 - size % 2 ? size : 4 - size % 2;
    r->data = data;
    r->size = size;
    r->at = own;
    r->x = 0;
    for (size_t k = 0; k < own; k++)
        r->x |= (uint32_t)data[k] << (8 * k);
    return own && !data[own - 1] ? SDC_RANS_STATE : SDC_OK;
}

int sdc_reader_finish(const sdc_reader *r) { return r->x ? SDC_RANS_FINAL : SDC_OK; }

static inline uint32_t slot_of(const sdc_reader *r) { return r->x & (TOTAL - 1); }

static inline void advance(sdc_reader *r, uint32_t start, uint32_t freq)
{
    uint32_t x = freq * (r->x >> TOTAL_BITS) + slot_of(r) - start;
    if (x < STATE_MIN && r->at < r->size) {
        x = x << 16 | (uint32_t)(r->data[r->at] | r->data[r->at + 1] << 8);
        r->at += 2;
    }
    r->x = x;
}

static uint32_t read_raw(sdc_reader *r, int bits)
{
    const uint32_t value = slot_of(r) >> (TOTAL_BITS - bits);
    advance(r, value << (TOTAL_BITS - bits), 1u << (TOTAL_BITS - bits));
    return value;
}

static uint32_t read_uniform(sdc_reader *r, uint32_t count)
{
    const uint32_t value = ((slot_of(r) + 1) * count - 1) >> TOTAL_BITS;
    const uint32_t start = (value << TOTAL_BITS) / count;
    advance(r, start, ((value + 1) << TOTAL_BITS) / count - start);
    return value;
}

/* A residual beyond its alphabet: sign, then Exp-Golomb of order 0. */
static int read_escape(sdc_reader *r, int reach, int16_t *residual)
{
    const int negative = (int)read_raw(r, 1);
    int bits = 0;
    while (read_raw(r, 1))
        if (++bits > ESCAPE_BITS)
            return SDC_ESCAPE;
    const int32_t size = reach + (1 << bits) + (int32_t)read_raw(r, bits);
    if (size > RESIDUAL_MAX)
        return SDC_ESCAPE;
    *residual = (int16_t)(negative ? -size : size);
    return SDC_OK;
}

static inline int read_symbol(sdc_reader *r, const sdc_tables *tables, uint8_t index, int16_t *residual)
{
    *residual = 0;
    if (!index)
        return SDC_OK;
    const sdc_alphabet *a = &tables->alphabets[index];
    const uint32_t slot = slot_of(r);
    int s = a->first[slot / (TOTAL / SDC_BUCKETS)];
    while (slot >= a->starts[s + 1])
        s++;
    advance(r, a->starts[s], (uint32_t)a->starts[s + 1] - a->starts[s]);
    *residual = (int16_t)(s - a->reach);
    return s == a->symbols - 1 ? read_escape(r, a->reach, residual) : SDC_OK;
}

int sdc_read_symbols(sdc_reader *reader, const sdc_tables *tables, const uint8_t *indices, size_t count,
                     int16_t *residuals)
{
    sdc_reader r = *reader;
    int code = SDC_OK;
    for (size_t k = 0; k < count && code == SDC_OK; k++)
        code = read_symbol(&r, tables, indices[k], &residuals[k]);
    *reader = r;
    return code;
}

/* A stream at its place. */
typedef struct {
    sdc_reader r;
    size_t at, end, stream;
} strand;

#define STRANDS 4

/* The next stream that can be read, if any. */
static int begin_strand(strand *s, sdc_reader *const *readers, size_t streams, const int64_t *bounds,
                        int16_t *residuals, const int *codes, size_t *next)
{
    for (; *next < streams; ++*next) {
        const size_t at = (size_t)bounds[*next], end = (size_t)bounds[*next + 1];
        if (codes[*next] == SDC_OK && at < end) {
            const strand found = {*readers[*next], at, end, (*next)++};
            *s = found;
            return 1;
        }
        memset(residuals + at, 0, sizeof *residuals * (end - at));
    }
    return 0;
}

/* Streams do not depend on each other, so several are read in turn, and one computes while another waits. */
void sdc_read_side_by_side(sdc_reader *const *readers, size_t streams, const sdc_tables *tables,
                           const uint8_t *indices, const int64_t *bounds, int16_t *residuals, int *codes)
{
    strand strands[STRANDS];
    size_t next = 0;
    int count = 0;
    while (count < STRANDS && begin_strand(&strands[count], readers, streams, bounds, residuals, codes, &next))
        count++;
    while (count) {
        size_t steps = strands[0].end - strands[0].at;
        for (int k = 1; k < count; k++)
            if (strands[k].end - strands[k].at < steps)
                steps = strands[k].end - strands[k].at;
        int failed = 0;
        for (size_t step = 0; step < steps && !failed; step++)
            for (int k = 0; k < count; k++) {
                strand *s = &strands[k];
                const int code = read_symbol(&s->r, tables, indices[s->at], &residuals[s->at]);
                s->at++;
                if (code != SDC_OK) {
                    codes[s->stream] = code;
                    failed = 1;
                }
            }
        for (int k = count - 1; k >= 0; k--) {
            strand *s = &strands[k];
            if (codes[s->stream] != SDC_OK)
                memset(residuals + s->at, 0, sizeof *residuals * (s->end - s->at));
            else if (s->at < s->end)
                continue;
            *readers[s->stream] = s->r;
            if (!begin_strand(s, readers, streams, bounds, residuals, codes, &next))
                *s = strands[--count];
        }
    }
    for (; next < streams; next++)
        memset(residuals + bounds[next], 0, sizeof *residuals * (size_t)(bounds[next + 1] - bounds[next]));
}

sdc_tables *sdc_tables_new(const int32_t *reach, const int32_t *frequencies)
{
    sdc_tables *tables = sdc_alloc(sizeof *tables);
    if (!tables)
        return NULL;
    memset(tables, 0, sizeof *tables);
    for (int t = 1; t < SDC_SCALES; t++) {
        sdc_alphabet *a = &tables->alphabets[t];
        uint32_t start = 0;
        a->reach = reach[t];
        a->symbols = 2 * reach[t] + 2;
        for (int s = 0; s < a->symbols; s++) {
            a->starts[s] = (uint16_t)start;
            start += (uint32_t)*frequencies++;
        }
        a->starts[a->symbols] = TOTAL;
        for (int bucket = 0, s = 0; bucket < SDC_BUCKETS; bucket++) {
            while ((uint32_t)bucket * (TOTAL / SDC_BUCKETS) >= a->starts[s + 1])
                s++;
            a->first[bucket] = (uint8_t)s;
        }
    }
    return tables;
}

/* ------------------------------------------------------------------- writing */

/* Room for so many more codes, which are side by side. */
static sdc_codes *room_for(sdc_writer *w, size_t codes)
{
    sdc_codes *block = w->last;
    if (block && block->room - block->count >= codes)
        return block;
    const size_t room = !block ? 1024 : block->room < 65536 ? 2 * block->room : block->room;
    sdc_codes *more = sdc_alloc(sizeof *more + sizeof *more->at * room);
    if (!more)
        return NULL;
    *more = (sdc_codes){.before = block, .room = room};
    w->last = more;
    return more;
}

static int put_symbol(sdc_writer *w, int index, int symbol)
{
    sdc_codes *block = room_for(w, 1);
    if (!block)
        return SDC_NO_MEMORY;
    block->at[block->count++] = (uint16_t)(index << SYMBOL_BITS | symbol);
    w->count++;
    return SDC_OK;
}

static int put(sdc_writer *w, uint32_t start, uint32_t freq)
{
    sdc_codes *block = room_for(w, 3);
    if (!block)
        return SDC_NO_MEMORY;
    block->at[block->count++] = (uint16_t)start;
    block->at[block->count++] = (uint16_t)freq;
    block->at[block->count++] = 0;
    w->count++;
    return SDC_OK;
}

static int put_raw(sdc_writer *w, uint32_t value, int bits)
{
    return put(w, value << (TOTAL_BITS - bits), 1u << (TOTAL_BITS - bits));
}

static int put_uniform(sdc_writer *w, uint32_t value, uint32_t count)
{
    const uint32_t start = (value << TOTAL_BITS) / count;
    return put(w, start, ((value + 1) << TOTAL_BITS) / count - start);
}

static int put_escape(sdc_writer *w, int residual, int reach)
{
    const uint32_t rest = (uint32_t)((residual < 0 ? -residual : residual) - reach);
    int bits = 0;
    while (rest >> (bits + 1))
        bits++;
    int failed = put_raw(w, residual < 0, 1);
    for (int k = 0; k < bits && !failed; k++)
        failed = put_raw(w, 1, 1);
    if (!failed)
        failed = put_raw(w, 0, 1);
    return failed ? failed : put_raw(w, rest - (1u << bits), bits);
}

int sdc_write_symbols(sdc_writer *w, const sdc_tables *tables, const uint8_t *indices, size_t count,
                      const int16_t *residuals)
{
    w->tables = tables;
    for (size_t k = 0; k < count; k++) {
        if (!indices[k])
            continue;
        const sdc_alphabet *a = &tables->alphabets[indices[k]];
        const int r = residuals[k], far = r < -a->reach || r > a->reach;
        int failed = put_symbol(w, indices[k], far ? a->symbols - 1 : r + a->reach);
        if (!failed && far)
            failed = put_escape(w, r, a->reach);
        if (failed)
            return failed;
    }
    return SDC_OK;
}

size_t sdc_writer_bound(const sdc_writer *w) { return 2 * w->count + 4; }

size_t sdc_writer_finish(const sdc_writer *w, uint8_t *to)
{
    uint8_t *const end = to + sdc_writer_bound(w);
    uint8_t *at = end;
    uint32_t x = 0;
    for (const sdc_codes *block = w->last; block; block = block->before)
        for (size_t k = block->count; k-- > 0;) {
            uint32_t start, freq;
            const int code = block->at[k];
            if (code) {
                const uint16_t *starts = w->tables->alphabets[code >> SYMBOL_BITS].starts + code % (1 << SYMBOL_BITS);
                start = starts[0];
                freq = (uint32_t)starts[1] - start;
            } else {
                freq = block->at[--k];
                start = block->at[--k];
            }
            if (x >= (uint64_t)freq << 17) {
                at -= 2;
                at[0] = (uint8_t)x;
                at[1] = (uint8_t)(x >> 8);
                x >>= 16;
            }
            x = (x / freq << TOTAL_BITS) + x % freq + start;
        }
    uint8_t state[4];
    size_t size = 0;
    for (; x; x >>= 8)
        state[size++] = (uint8_t)x;
    at -= size;
    memcpy(at, state, size);
    return (size_t)(end - at);
}

void sdc_writer_free(sdc_writer *w)
{
    for (sdc_codes *block = w->last, *before; block; block = before) {
        before = block->before;
        sdc_free(block);
    }
    memset(w, 0, sizeof *w);
}

/* ---------------------------------------------------------------------- maps */

/* Probability of a 1 in units of 2^-15, and how often it was used. */
typedef struct {
    int32_t p;
    int n;
} bit;

#define BIT_LIMIT 62
#define BIT_FLOOR 64
#define START_N 12

static void update(bit *b, int value)
{
    const int32_t rate = 655360 / (10 * b->n + 16);
    b->p += ((value ? (int32_t)TOTAL : 0) - b->p) * rate >> 16;
    if (b->p < BIT_FLOOR)
        b->p = BIT_FLOOR;
    if (b->p > (int32_t)TOTAL - BIT_FLOOR)
        b->p = (int32_t)TOTAL - BIT_FLOOR;
    if (b->n < BIT_LIMIT)
        b->n++;
}

static int get_bit(sdc_reader *r, bit *b)
{
    const uint32_t p = (uint32_t)b->p;
    const int value = slot_of(r) < p;
    advance(r, value ? 0 : p, value ? p : TOTAL - p);
    update(b, value);
    return value;
}

static int put_bit(sdc_writer *w, bit *b, int value)
{
    const uint32_t p = (uint32_t)b->p;
    const int failed = put(w, value ? 0 : p, value ? p : TOTAL - p);
    update(b, value);
    return failed;
}

/* Starts of the bits (MASK-07): "same as W" by context, second candidate by pattern, later ones by number. */
static const uint16_t first_starts[24] = {18432, 28928, 14848, 16384, 27648, 16384, 16384, 26880,
                                          12544, 32256, 11008, 16384, 19456, 16384, 16384, 16384,
                                          30208, 32512, 30976, 30464, 31488, 32256, 32000, 32000};
static const uint16_t second_starts[16] = {18432, 21760, 28672, 16384, 23296, 16384, 16384, 30976,
                                           27648, 24832, 31744, 16384, 31744, 16384, 16384, 16384};
static const uint16_t later_starts[2] = {26880, 24576};

typedef struct {
    bit first[24], second[16], later[2];
} bits;

static void start(bit *to, const uint16_t *from, int count)
{
    for (int k = 0; k < count; k++) {
        to[k].p = from[k];
        to[k].n = START_N;
    }
}

static void start_bits(bits *b)
{
    start(b->first, first_starts, 24);
    start(b->second, second_starts, 16);
    start(b->later, later_starts, 2);
}

/* What is known of a label before it is coded: its distinct neighbours, W first, and contexts. */
typedef struct {
    int candidates[4], count;
    int pattern, context;
} known;

static void add_candidate(known *k, int label)
{
    for (int i = 0; i < k->count; i++)
        if (k->candidates[i] == label)
            return;
    k->candidates[k->count++] = label;
}

static known look(const uint8_t *labels, size_t cols, size_t y, size_t x, int count)
{
    known k = {{0}, 0, 15, 0};
    const uint8_t *row = labels + y * cols;
    if (!y) {
        const int w = x ? row[x - 1] : count, far = x > 1 ? row[x - 2] : w;
        k.context = 16 | (far == w) | 6;
        add_candidate(&k, w);
        return k;
    }
    const uint8_t *above = row - cols;
    const int n = above[x], w = x ? row[x - 1] : n, nw = x ? above[x - 1] : n;
    const int ne = x + 1 < cols ? above[x + 1] : n;
    if (w == nw && w == n && w == ne) {
        const int far_w = x > 1 ? row[x - 2] : w, far_e = x + 2 < cols ? above[x + 2] : ne;
        const int far_n = y > 1 ? *(above + x - cols) : n;
        k.context = 16 | (far_w == w) | (far_n == n) << 1 | (far_e == ne) << 2;
    } else
        k.context = k.pattern = (w == n) | (w == nw) << 1 | (n == nw) << 2 | (n == ne) << 3;
    add_candidate(&k, w);
    add_candidate(&k, n);
    add_candidate(&k, ne);
    add_candidate(&k, nw);
    return k;
}

/* The bit that says whether a label equals candidate i. */
static bit *bit_of(bits *b, const known *k, int i)
{
    return i == 0 ? &b->first[k->context] : i == 1 ? &b->second[k->pattern] : &b->later[i - 2];
}

static int is_candidate(const known *k, int label)
{
    for (int i = 0; i < k->count; i++)
        if (k->candidates[i] == label)
            return 1;
    return 0;
}

/* Candidates that are labels there may be. */
static int among(const known *k, int count)
{
    int found = 0;
    for (int i = 0; i < k->count; i++)
        found += k->candidates[i] <= count;
    return found;
}

static int get_label(sdc_reader *r, bits *b, const known *k, int count)
{
    for (int i = 0; i < k->count; i++)
        if (get_bit(r, bit_of(b, k, i)))
            return k->candidates[i];
    const int rest = count + 1 - among(k, count);
    if (!rest)
        return -1;
    int place = (int)read_uniform(r, (uint32_t)rest);
    for (int label = 0;; label++)
        if (!is_candidate(k, label) && !place--)
            return label;
}

int sdc_decode_map(const uint8_t *data, size_t size, size_t rows, size_t cols, int count, uint8_t *labels)
{
    sdc_reader r;
    bits b;
    const int failed = sdc_reader_begin(&r, data, size);
    if (failed)
        return failed;
    start_bits(&b);
    for (size_t y = 0; y < rows; y++)
        for (size_t x = 0; x < cols; x++) {
            const known k = look(labels, cols, y, x, count);
            const int label = get_label(&r, &b, &k, count);
            if (label < 0)
                return SDC_MASK_LABEL;
            labels[y * cols + x] = (uint8_t)label;
        }
    return sdc_reader_finish(&r);
}

static int put_label(sdc_writer *w, bits *b, const known *k, int count, int label)
{
    for (int i = 0; i < k->count; i++) {
        const int failed = put_bit(w, bit_of(b, k, i), label == k->candidates[i]);
        if (failed || label == k->candidates[i])
            return failed;
    }
    const int rest = count + 1 - among(k, count);
    if (label > count || rest < 1)
        return SDC_USAGE;
    uint32_t place = 0;
    for (int other = 0; other < label; other++)
        place += !is_candidate(k, other);
    return put_uniform(w, place, (uint32_t)rest);
}

int sdc_encode_map(const uint8_t *labels, size_t rows, size_t cols, int count, sdc_writer *w)
{
    bits b;
    start_bits(&b);
    for (size_t y = 0; y < rows; y++)
        for (size_t x = 0; x < cols; x++) {
            const known k = look(labels, cols, y, x, count);
            const int failed = put_label(w, &b, &k, count, labels[y * cols + x]);
            if (failed)
                return failed;
        }
    return SDC_OK;
}

/* ------------------------------------------------------------------- latents */

static inline int32_t clamp(int64_t value, int32_t low, int32_t high)
{
    return (int32_t)(value < low ? low : value > high ? high : value);
}

void sdc_parameters(const int16_t *raw, const uint8_t *qualities, size_t cells, size_t channels,
                    const int32_t *offset, const int32_t *inverse, size_t stride, int index_shift, int mean_shift,
                    uint8_t *index, int32_t *mean)
{
    const int32_t index_half = (int32_t)1 << (index_shift - 1), mean_half = (int32_t)1 << (mean_shift - 1);
    for (size_t k = 0; k < cells; k++, raw += 2 * channels, index += channels, mean += channels) {
        const int32_t *offsets = offset + stride * qualities[k], *inverses = inverse + stride * qualities[k];
        for (size_t c = 0; c < channels; c++)
            index[c] = (uint8_t)clamp((raw[c] + offsets[c] + index_half) >> index_shift, 0, SDC_SCALES - 1);
        /* A mean of 16 bits times an inverse of 15 has 31. */
        for (size_t c = 0; c < channels; c++)
            mean[c] = (int32_t)(((int64_t)raw[channels + c] * inverses[c] + mean_half) >> mean_shift);
    }
}

#define V_MIN (-65536)
#define V_MAX 65535

void sdc_dequantise(const int16_t *residuals, const int32_t *mean, const uint8_t *qualities, const int32_t *at,
                    size_t cells, size_t channels, const int32_t *step, size_t table_stride, int shift, int low,
                    int high, int16_t *latents, size_t stride)
{
    const int32_t half = (int32_t)1 << (shift - 1);
    for (size_t k = 0; k < cells; k++, residuals += channels, mean += channels) {
        const int32_t *steps = step + table_stride * qualities[k];
        int16_t *to = latents + stride * (size_t)at[k];
        for (size_t c = 0; c < channels; c++) {
            const int32_t v = clamp((int64_t)residuals[c] * 16 + mean[c], V_MIN, V_MAX);
            to[c] = (int16_t)clamp(((int64_t)v * steps[c] + half) >> shift, low, high);
        }
    }
}
