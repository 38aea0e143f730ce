/* The compiled core of SDC: entropy coding and integer networks (spec sections 9 and 10).
 *
 * It does what sdc/coding and sdc/networks do in NumPy, number for number, and knows arrays only: whoever calls
 * it has checked sizes and ranges.  It never prints and never aborts; what can fail says so by its result.
 */

#ifndef SDC_CORE_H
#define SDC_CORE_H

#include <stddef.h>
#include <stdint.h>

/* Which paths are compiled in, beside the portable one. */
#if defined(__x86_64__) || (defined(_M_X64) && !defined(_M_ARM64EC))
#define SDC_X86
#endif
#if (defined(__ARM_NEON) && defined(__aarch64__) && !defined(__AARCH64EB__)) || defined(_M_ARM64)
#define SDC_NEON
#endif

/* ------------------------------------------------------------------ results */

enum {
    SDC_OK = 0,
    SDC_NO_MEMORY = -1,
    SDC_RANS_STATE = -2,
    SDC_RANS_FINAL = -3,
    SDC_ESCAPE = -4,
    SDC_MASK_LABEL = -5,
    SDC_USAGE = -6
};

/* ----------------------------------------------------------------- networks */

/* Channels of a row in memory are padded to a multiple of this. */
#define SDC_PAD 32

/* Rows that a kernel may compute beyond those asked for; buffers have room for them. */
#define SDC_SPARE_ROWS 8

typedef enum {
    SDC_POINTWISE,
    SDC_DEPTHWISE,
    SDC_QUALITY,
    SDC_MODULATE,
    SDC_PUSH,
    SDC_ADD,
    SDC_HYPER,
    SDC_SHUFFLE,
    SDC_UNSHUFFLE
} sdc_kind;

/* An operator with its tensors, as a path wants them; channels of tensors are padded. */
typedef struct {
    sdc_kind kind;
    int in, out;      /* channels, of layers; others take what comes */
    int factor;       /* of shuffles */
    int pairs;        /* of input channels */
    int out_padded;
    int low, high;    /* clamp */
    int16_t *weights; /* of layers, in the order of the path's pack functions; of quality its table [64][out] */
    int32_t *bias;    /* with the rounding of the shift */
    int32_t *shift;
    float *scale;     /* 2 to the power of -shift */
    int32_t *gains, *offsets; /* of modulate */
    /* For gradients, where they are wanted: */
    int16_t *back;       /* of pointwise layers: weights from output to input, packed */
    float *back_weights; /* of depthwise layers: [9][out], divided by the shift */
} sdc_operator;

/* A set of kernels for one kind of processor. */
typedef struct {
    const char *name;
    int lanes; /* channels of depthwise layers are in the order of sdc_interleaved */
    int (*supported)(void);
    int16_t *(*pack_pointwise)(const int16_t *weight, int in, int out);
    int16_t *(*pack_depthwise)(const int16_t *weight, int channels);
    /* y[rows][ys] = clamp((bias + sum of x * w) >> shift), x[rows][xs] */
    void (*pointwise)(const sdc_operator *, const int16_t *x, size_t xs, int16_t *y, size_t ys, int rows);
    /* The same over nine rows of x: those of taps[rows][9]. */
    void (*depthwise)(const sdc_operator *, const int16_t *x, size_t xs, const int32_t *taps, int16_t *y,
                      size_t ys, int rows);
    /* to[count] = clamp(a + b); count is a multiple of SDC_PAD */
    void (*add)(const int16_t *a, const int16_t *b, int16_t *to, size_t count, int low, int high);
    /* y[rows][out] = sum of x * w, for packed weights; channels are padded, rows are as for pointwise */
    void (*products)(const int16_t *weights, int in, int out, const int16_t *x, int32_t *y, int rows);
    /* Where a clamp let values through, a bit for each; 1 where it was everywhere, and nothing is written. */
    int (*passes)(const int16_t *x, uint8_t *to, size_t count, int low, int high);
    /* g[count] times what passed. */
    void (*mask)(float *g, const uint8_t *passed, size_t count);
    /* Rows of g, times scale[channels], as integers of 15 bits and a factor for each row; g is left scaled. */
    void (*quantise)(float *g, const float *scale, int channels, int rows, int16_t *to, float *factors);
    /* y[rows][channels] = x * factors[row] */
    void (*rescale)(const int32_t *x, const float *factors, int channels, int rows, float *y);
    /* g[rows][channels] = sum over k of weights[k] * from[taps[row][8 - k]] */
    void (*spread)(const float *weights, const float *from, int channels, const int32_t *taps, float *g, int rows);
    /* to[count] += from */
    void (*accumulate)(float *to, const float *from, size_t count);
} sdc_path;

extern const sdc_path sdc_path_portable, sdc_path_sse4, sdc_path_avx2, sdc_path_avx512, sdc_path_neon,
    sdc_path_wasm;

/* The channel at a place of a depthwise layer's weights, bias and shift: rows of int16 are interleaved by 16
 * bytes, the lower four channels of each and then the upper ones. */
static inline int sdc_interleaved(int place, int lanes)
{
    const int vector = place / (2 * lanes), half = place / lanes % 2, lane = place % lanes;
    return lanes == 1 ? place : vector * 2 * lanes + lane / 4 * 8 + half * 4 + lane % 4;
}

/* The path of a name, or the best that this processor has for NULL; NULL if there is none. */
const sdc_path *sdc_find_path(const char *name);

#if defined(SDC_X86)
enum { SDC_HAS_BEEN_ASKED = 1, SDC_HAS_SSE4 = 2, SDC_HAS_AVX2 = 4, SDC_HAS_AVX512 = 8 };

/* Whether processor and operating system have what a path needs. */
int sdc_processor_has(int what);
#endif

/* Names of all paths that this processor has, the best first; NULL ends them. */
const sdc_path *const *sdc_paths(void);

/* An operator; NULL without memory.  The tensors are copied:
 *   pointwise  weight int16 [out][in], bias int32 [out], shift uint8 [out]
 *   depthwise  weight int16 [out][9], bias, shift
 *   quality    table int16 [64][out]
 *   modulate   gains int32 [out], offsets int32 [out], shift
 * and NULL where there is none. */
sdc_operator *sdc_operator_new(const sdc_path *, sdc_kind, int in, int out, int factor, const void *first,
                               const int32_t *second, const uint8_t *shift, int low, int high);
void sdc_operator_free(sdc_operator *);

/* Give a layer what gradients need: the weight it was made of.  SDC_OK or SDC_NO_MEMORY. */
int sdc_operator_differentiable(const sdc_path *, sdc_operator *, const int16_t *weight);

typedef struct sdc_network sdc_network;

/* An empty network, to which operators are appended that live as long as it does. */
sdc_network *sdc_network_new(const sdc_path *, int channels, int factor, int hyper);
int sdc_network_append(sdc_network *, const sdc_operator *);
void sdc_network_free(sdc_network *);

/* Channels and sites per side of a cell of the output. */
int sdc_network_channels(const sdc_network *);
int sdc_network_factor(const sdc_network *);

/* What a network runs on. */
typedef struct {
    size_t cells;
    const int32_t *taps;      /* [cells][9]: the neighbour of the same group at each offset, or cells */
    const uint8_t *qualities; /* [cells] */
    const int16_t *x;         /* [cells * factor^2][channels] */
    const int16_t *hyper;     /* [cells][hyper channels] */
    const int32_t *only;      /* [wanted] cells whose output is wanted, or NULL for all */
    size_t wanted;
    int threads;
    struct sdc_tape *tape;    /* is filled with what gradients need, with all cells wanted; or NULL */
} sdc_run;

/* Where the clamps of a run let values through. */
typedef struct sdc_tape sdc_tape;

sdc_tape *sdc_tape_new(const sdc_network *, size_t cells);
void sdc_tape_free(sdc_tape *);

/* Gradient at the input, [cells * factor^2][channels], from that at the output of a run with a tape; rounding
 * counts as the identity.  Products are of integers of 15 bits, scaled by powers of two for each row, and all
 * else is in an order that is the same everywhere, so every machine has the same gradient.  The run's x and
 * hyper are not needed. */
int sdc_network_backward(const sdc_network *, const sdc_run *, const float *gradient, float *out);

/* Run a network; out is [wanted * output factor^2][output channels]. */
int sdc_network_run(const sdc_network *, const sdc_run *, int16_t *out);

/* The neighbours of cells, [cells][9], from their rows, columns and groups. */
int sdc_neighbours(const int32_t *rows, const int32_t *cols, const int32_t *labels, size_t cells,
                   int32_t *taps);

/* ----------------------------------------------------------- entropy coding */

#define SDC_SCALES 64
#define SDC_BUCKETS 512

/* The alphabet of a scale index: residuals -reach to reach, and an escape. */
typedef struct {
    int reach, symbols;
    uint16_t starts[257];          /* of the 2^15 slots; past the last symbol 2^15 */
    uint8_t first[SDC_BUCKETS];    /* symbol at the first slot of each bucket */
} sdc_alphabet;

typedef struct {
    sdc_alphabet alphabets[SDC_SCALES]; /* that of index 0 has no symbols */
} sdc_tables;

/* Tables of a model, by sdc_alloc: reach[64], and the frequencies of indices 1 to 63 one after another. */
sdc_tables *sdc_tables_new(const int32_t *reach, const int32_t *frequencies);

/* A stream that is read (spec section 9.1).  It never reads outside its bytes. */
typedef struct {
    const uint8_t *data;
    size_t size, at;
    uint32_t x;
} sdc_reader;

int sdc_reader_begin(sdc_reader *, const uint8_t *data, size_t size);
int sdc_reader_finish(const sdc_reader *);

/* Residuals in coding order, 0 where the scale index is 0. */
int sdc_read_symbols(sdc_reader *, const sdc_tables *, const uint8_t *indices, size_t count, int16_t *residuals);

/* The same of several streams, each with its own part of the indices: bounds[streams + 1] say where the parts
 * begin.  Streams whose entry in codes is not SDC_OK are left out, with residuals 0; what goes wrong is put
 * there. */
void sdc_read_side_by_side(sdc_reader *const *readers, size_t streams, const sdc_tables *, const uint8_t *indices,
                           const int64_t *bounds, int16_t *residuals, int *codes);

/* Symbols that are to be written, in decoding order, as 16-bit codes in a chain of blocks that are never copied:
 * index << 9 | symbol, or start, frequency and 0 for an interval of no table.  All have the same tables, which
 * must live as long. */
typedef struct sdc_codes {
    struct sdc_codes *before;
    size_t count, room;
    uint16_t at[];
} sdc_codes;

typedef struct {
    sdc_codes *last;
    size_t count;
    const sdc_tables *tables;
} sdc_writer;

int sdc_write_symbols(sdc_writer *, const sdc_tables *, const uint8_t *indices, size_t count,
                      const int16_t *residuals);

/* Bytes that sdc_writer_finish may write at most, and how many it wrote; they end at to + that many. */
size_t sdc_writer_bound(const sdc_writer *);
size_t sdc_writer_finish(const sdc_writer *, uint8_t *to);
void sdc_writer_free(sdc_writer *);

/* Maps of labels 0 to count (spec section 7.1); SDC_USAGE where one is beyond it. */
int sdc_decode_map(const uint8_t *data, size_t size, size_t rows, size_t cols, int count, uint8_t *labels);
int sdc_encode_map(const uint8_t *labels, size_t rows, size_t cols, int count, sdc_writer *);

/* ---------------------------------------------------------------- latents */

/* Scale index and mean of entropy parameters (spec section 8.3): raw is [cells][2 * channels], offset and
 * inverse [64][stride] by quality. */
void sdc_parameters(const int16_t *raw, const uint8_t *qualities, size_t cells, size_t channels,
                    const int32_t *offset, const int32_t *inverse, size_t stride, int index_shift, int mean_shift,
                    uint8_t *index, int32_t *mean);

/* Latents of residuals and means, [cells][channels], to rows of latents[][stride]. */
void sdc_dequantise(const int16_t *residuals, const int32_t *mean, const uint8_t *qualities, const int32_t *at,
                    size_t cells, size_t channels, const int32_t *step, size_t table_stride, int shift, int low,
                    int high, int16_t *latents, size_t stride);

/* ----------------------------------------------------------------- helpers */

/* Memory on a boundary of 64 bytes; NULL where there is none. */
void *sdc_alloc(size_t bytes);
void sdc_free(void *);

typedef void (*sdc_task)(void *context, size_t item, int worker);

/* Threads that work at once at most. */
#define SDC_MOST_THREADS 64

/* Do items 0 .. count - 1 by some threads, the caller's among them; workers have numbers below their number. */
void sdc_parallel(size_t count, int threads, sdc_task task, void *context);

#endif
