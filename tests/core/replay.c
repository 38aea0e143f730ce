/* Plays a tape of calls (tests/core_tape.py) to the core and compares what comes out with what is written there.
 *
 *   replay TAPE [PATH [THREADS]]
 *
 * without a path by each that this processor has.  It prints a line for each, and ends with 1 where something
 * differs.  Every array has just the size it must have, so that a sanitizer sees what reads or writes beyond it. */

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core.h"

enum call {
    OPERATOR = 1, NETWORK, RUN, NEIGHBOURS, TABLES, READER, READ, FINISH, WRITER, WRITE, WRITTEN, GET_MAP, PUT_MAP,
    PARAMETERS, DEQUANTISE, DIFFERENTIABLE, TAPE, BACKWARD, SIDE_BY_SIDE
};

static void fail(const char *why)
{
    fprintf(stderr, "replay: %s\n", why);
    exit(2);
}

/* ---------------------------------------------------------------- the tape */

static unsigned char *tape;
static size_t tape_size, at;

static const unsigned char *bytes_of(size_t size)
{
    if (size > tape_size - at)
        fail("the tape ends early");
    at += size;
    return tape + at - size;
}

static uint64_t unsigned_of(const unsigned char *bytes, size_t size)
{
    uint64_t value = 0;
    for (size_t k = size; k-- > 0;)
        value = value << 8 | bytes[k];
    return value;
}

static int64_t number(void) { return (int64_t)unsigned_of(bytes_of(8), 8); }

static size_t whole(void)
{
    const int64_t value = number();
    if (value < 0)
        fail("a size below 0");
    return (size_t)value;
}

static int small(void) { return (int)number(); }

/* An array whose elements have some bytes; NULL where its count is -1. */
static void *array(size_t item, size_t *count_of)
{
    const int64_t count = number();
    if (count_of)
        *count_of = count < 0 ? 0 : (size_t)count;
    if (count < 0)
        return NULL;
    unsigned char *values = malloc(item * (size_t)count + !count);
    if (!values)
        fail("no memory");
    for (size_t k = 0; k < (size_t)count; k++) {
        const uint64_t value = unsigned_of(bytes_of(item), item);
        const uint8_t one = (uint8_t)value;
        const uint16_t two = (uint16_t)value;
        const uint32_t four = (uint32_t)value;
        const void *own[] = {&one, &two, &four, &value};
        memcpy(values + item * k, own[item == 1 ? 0 : item == 2 ? 1 : item == 4 ? 2 : 3], item);
    }
    return values;
}

/* ------------------------------------------------------------ comparisons */

static int differences, calls;

static uint32_t table[256];

static void make_table(void)
{
    for (uint32_t byte = 0; byte < 256; byte++) {
        table[byte] = byte;
        for (int bit = 0; bit < 8; bit++)
            table[byte] = table[byte] >> 1 ^ (table[byte] & 1 ? 0xedb88320 : 0);
    }
}

/* CRC-32 of values, as little-endian bytes. */
static uint32_t crc_of(const void *values, size_t item, size_t count)
{
    uint32_t crc = 0xffffffff;
    for (size_t k = 0; k < count; k++) {
        uint8_t one = 0;
        uint16_t two = 0;
        uint32_t four = 0;
        memcpy(item == 1 ? (void *)&one : item == 2 ? (void *)&two : &four, (const char *)values + item * k, item);
        uint32_t value = item == 1 ? one : item == 2 ? two : four;
        for (size_t b = 0; b < item; b++, value >>= 8)
            crc = crc >> 8 ^ table[(crc ^ value) & 255];
    }
    return ~crc;
}

static void expect(const char *what, int64_t got)
{
    const int64_t want = number();
    if (got == want)
        return;
    if (differences++ < 5)
        printf("call %d, %s: %" PRId64 " in place of %" PRId64 "\n", calls, what, got, want);
}

/* ---------------------------------------------------------------- objects */

#define MOST 4000000

static struct {
    int kind;
    void *object, *kept;
    size_t inputs; /* of a network: values of a cell that come in */
} *objects;
static size_t object_count;

static void keep(int kind, void *object, void *kept)
{
    if (!object)
        fail("no memory");
    if (whole() != object_count || object_count == MOST)
        fail("objects are not in order");
    objects[object_count].kind = kind;
    objects[object_count].object = object;
    objects[object_count].inputs = 0;
    objects[object_count++].kept = kept;
}

static void *object_of(int kind)
{
    const size_t k = whole();
    if (k >= object_count || objects[k].kind != kind)
        fail("no such object");
    return objects[k].object;
}

static size_t inputs_of(const sdc_network *network)
{
    for (size_t k = 0; k < object_count; k++)
        if (objects[k].object == network)
            return objects[k].inputs;
    return 0;
}

static void free_objects(void)
{
    while (object_count > 0) {
        object_count--;
        void *object = objects[object_count].object;
        switch (objects[object_count].kind) {
        case OPERATOR:
            sdc_operator_free(object);
            break;
        case NETWORK:
            sdc_network_free(object);
            break;
        case TABLES:
            sdc_free(object);
            break;
        case TAPE:
            sdc_tape_free(object);
            break;
        case WRITER:
            sdc_writer_free(object);
            free(object);
            break;
        default:
            free(object);
            break;
        }
        free(objects[object_count].kept);
    }
}

/* ------------------------------------------------------------------- calls */

static const sdc_path *path;
static int threads;

static void make_operator(void)
{
    const sdc_kind kind = (sdc_kind)small();
    const int in = small(), out = small(), factor = small(), low = small(), high = small();
    void *first = array(kind == SDC_MODULATE ? 4 : 2, NULL), *second = array(4, NULL), *shift = array(1, NULL);
    keep(OPERATOR, sdc_operator_new(path, kind, in, out, factor, first, second, shift, low, high), NULL);
    free(first);
    free(second);
    free(shift);
}

static void make_network(void)
{
    const int channels = small(), factor = small(), hyper = small();
    sdc_network *network = sdc_network_new(path, channels, factor, hyper);
    int code = SDC_OK;
    for (size_t left = whole(); left > 0; left--) {
        const sdc_operator *op = object_of(OPERATOR);
        code = code ? code : sdc_network_append(network, op);
    }
    expect("network", code);
    keep(NETWORK, network, NULL);
    objects[object_count - 1].inputs = (size_t)factor * (size_t)factor * (size_t)channels;
}

static void run_network(void)
{
    const sdc_network *network = object_of(NETWORK);
    sdc_run run;
    run.cells = whole();
    int32_t *taps = array(4, NULL);
    uint8_t *qualities = array(1, NULL);
    int16_t *x = array(2, NULL), *hyper = array(2, NULL);
    int32_t *only = array(4, NULL);
    run.taps = taps;
    run.qualities = qualities;
    run.x = x;
    run.hyper = hyper;
    run.only = only;
    run.wanted = whole();
    run.threads = threads;
    const int64_t filled = number();
    if (filled >= (int64_t)object_count || (filled >= 0 && objects[filled].kind != TAPE))
        fail("no such tape");
    run.tape = filled < 0 ? NULL : objects[filled].object;
    const size_t area = (size_t)sdc_network_factor(network) * (size_t)sdc_network_factor(network);
    const size_t count = run.wanted * area * (size_t)sdc_network_channels(network);
    int16_t *out = malloc(2 * count + !count);
    if (!out)
        fail("no memory");
    expect("run", sdc_network_run(network, &run, out));
    expect("values", crc_of(out, 2, count));
    free(out);
    free(taps);
    free(qualities);
    free(x);
    free(hyper);
    free(only);
}

static void make_differentiable(void)
{
    sdc_operator *op = object_of(OPERATOR);
    int16_t *weight = array(2, NULL);
    expect("differentiable", sdc_operator_differentiable(path, op, weight));
    free(weight);
}

static void make_tape(void)
{
    const sdc_network *network = object_of(NETWORK);
    keep(TAPE, sdc_tape_new(network, whole()), NULL);
}

static void run_backward(void)
{
    const sdc_network *network = object_of(NETWORK);
    sdc_run run = {.threads = threads};
    run.tape = object_of(TAPE);
    run.cells = run.wanted = whole();
    int32_t *taps = array(4, NULL);
    float *gradient = array(4, NULL);
    run.taps = taps;
    const size_t count = run.cells * inputs_of(network);
    float *out = malloc(4 * count + !count);
    if (!out)
        fail("no memory");
    expect("backward", sdc_network_backward(network, &run, gradient, out));
    expect("gradient", crc_of(out, 4, count));
    free(out);
    free(taps);
    free(gradient);
}

static void find_neighbours(void)
{
    size_t cells;
    int32_t *rows = array(4, &cells), *cols = array(4, NULL), *labels = array(4, NULL);
    int32_t *taps = malloc(36 * cells + !cells);
    if (!taps)
        fail("no memory");
    expect("neighbours", sdc_neighbours(rows, cols, labels, cells, taps));
    expect("taps", crc_of(taps, 4, 9 * cells));
    free(rows);
    free(cols);
    free(labels);
    free(taps);
}

static void make_tables(void)
{
    int32_t *reach = array(4, NULL), *frequencies = array(4, NULL);
    keep(TABLES, sdc_tables_new(reach, frequencies), NULL);
    free(reach);
    free(frequencies);
}

static void make_reader(void)
{
    size_t size;
    uint8_t *data = array(1, &size);
    sdc_reader *reader = malloc(sizeof *reader);
    expect("reader", sdc_reader_begin(reader, data, size));
    keep(READER, reader, data);
}

static void read_symbols(void)
{
    sdc_reader *reader = object_of(READER);
    const sdc_tables *tables = object_of(TABLES);
    size_t count;
    uint8_t *indices = array(1, &count);
    int16_t *residuals = malloc(2 * count + !count);
    if (!residuals)
        fail("no memory");
    const int code = sdc_read_symbols(reader, tables, indices, count, residuals);
    expect("read", code);
    expect("residuals", code ? 0 : crc_of(residuals, 2, count));
    free(indices);
    free(residuals);
}

static void read_side_by_side(void)
{
    const size_t streams = whole();
    sdc_reader **readers = malloc(sizeof *readers * streams + !streams);
    int *codes = malloc(sizeof *codes * streams + !streams);
    if (!readers || !codes)
        fail("no memory");
    for (size_t k = 0; k < streams; k++) {
        const int64_t reader = number();
        if (reader >= (int64_t)object_count || (reader >= 0 && objects[reader].kind != READER))
            fail("no such reader");
        readers[k] = reader < 0 ? NULL : objects[reader].object;
        codes[k] = reader < 0;
    }
    const sdc_tables *tables = object_of(TABLES);
    size_t count;
    uint8_t *indices = array(1, &count);
    int64_t *bounds = array(8, NULL);
    int16_t *residuals = malloc(2 * count + !count);
    if (!residuals)
        fail("no memory");
    sdc_read_side_by_side(readers, streams, tables, indices, bounds, residuals, codes);
    expect("codes", crc_of(codes, 4, streams));
    expect("residuals", crc_of(residuals, 2, count));
    free(readers);
    free(codes);
    free(indices);
    free(bounds);
    free(residuals);
}

static void write_symbols(void)
{
    sdc_writer *writer = object_of(WRITER);
    const sdc_tables *tables = object_of(TABLES);
    size_t count;
    uint8_t *indices = array(1, &count);
    int16_t *residuals = array(2, NULL);
    expect("write", sdc_write_symbols(writer, tables, indices, count, residuals));
    free(indices);
    free(residuals);
}

static void expect_written(const sdc_writer *writer)
{
    const size_t bound = sdc_writer_bound(writer);
    uint8_t *to = malloc(bound);
    if (!to)
        fail("no memory");
    const size_t size = sdc_writer_finish(writer, to);
    expect("bytes", (int64_t)size);
    expect("written", crc_of(to + bound - size, 1, size));
    free(to);
}

static void get_map(void)
{
    const size_t rows = whole(), cols = whole();
    const int count = small();
    size_t size;
    uint8_t *data = array(1, &size), *labels = malloc(rows * cols + 1);
    if (!labels)
        fail("no memory");
    const int code = sdc_decode_map(data, size, rows, cols, count, labels);
    expect("map", code);
    expect("labels", code ? 0 : crc_of(labels, 1, rows * cols));
    free(data);
    free(labels);
}

static void put_map(void)
{
    const size_t rows = whole(), cols = whole();
    const int count = small();
    uint8_t *labels = array(1, NULL);
    sdc_writer writer = {0};
    expect("map", sdc_encode_map(labels, rows, cols, count, &writer));
    expect_written(&writer);
    sdc_writer_free(&writer);
    free(labels);
}

static void find_parameters(void)
{
    int16_t *raw = array(2, NULL);
    size_t cells;
    uint8_t *qualities = array(1, &cells);
    const size_t channels = whole();
    int32_t *offset = array(4, NULL), *inverse = array(4, NULL);
    const size_t stride = whole(), count = cells * channels;
    const int index_shift = small(), mean_shift = small();
    uint8_t *index = malloc(count + !count);
    int32_t *mean = malloc(4 * count + !count);
    if (!index || !mean)
        fail("no memory");
    sdc_parameters(raw, qualities, cells, channels, offset, inverse, stride, index_shift, mean_shift, index, mean);
    expect("index", crc_of(index, 1, count));
    expect("mean", crc_of(mean, 4, count));
    free(raw);
    free(qualities);
    free(offset);
    free(inverse);
    free(index);
    free(mean);
}

static void dequantise(void)
{
    int16_t *residuals = array(2, NULL);
    int32_t *mean = array(4, NULL);
    size_t cells, size;
    uint8_t *qualities = array(1, &cells);
    int32_t *places = array(4, NULL);
    const size_t channels = whole();
    int32_t *steps = array(4, NULL);
    const size_t table_stride = whole();
    const int shift = small(), low = small(), high = small();
    int16_t *latents = array(2, &size);
    const size_t stride = whole();
    sdc_dequantise(residuals, mean, qualities, places, cells, channels, steps, table_stride, shift, low, high,
                   latents, stride);
    expect("latents", crc_of(latents, 2, size));
    free(residuals);
    free(mean);
    free(qualities);
    free(places);
    free(steps);
    free(latents);
}

static void play(void)
{
    differences = calls = 0;
    for (at = 0; at < tape_size; calls++) {
        switch (small()) {
        case OPERATOR:
            make_operator();
            break;
        case NETWORK:
            make_network();
            break;
        case RUN:
            run_network();
            break;
        case NEIGHBOURS:
            find_neighbours();
            break;
        case TABLES:
            make_tables();
            break;
        case READER:
            make_reader();
            break;
        case READ:
            read_symbols();
            break;
        case FINISH:
            expect("end", sdc_reader_finish(object_of(READER)));
            break;
        case WRITER:
            keep(WRITER, calloc(1, sizeof(sdc_writer)), NULL);
            break;
        case WRITE:
            write_symbols();
            break;
        case WRITTEN:
            expect_written(object_of(WRITER));
            break;
        case GET_MAP:
            get_map();
            break;
        case PUT_MAP:
            put_map();
            break;
        case PARAMETERS:
            find_parameters();
            break;
        case DEQUANTISE:
            dequantise();
            break;
        case DIFFERENTIABLE:
            make_differentiable();
            break;
        case TAPE:
            make_tape();
            break;
        case BACKWARD:
            run_backward();
            break;
        case SIDE_BY_SIDE:
            read_side_by_side();
            break;
        default:
            fail("no such call");
        }
    }
    free_objects();
    printf("%s, %d threads: %d calls, %d differences\n", path->name, threads, calls, differences);
    fflush(stdout);
}

static void load(const char *name)
{
    FILE *file = fopen(name, "rb");
    if (!file || fseek(file, 0, SEEK_END))
        fail("no such tape");
    tape_size = (size_t)ftell(file);
    rewind(file);
    tape = malloc(tape_size + 1);
    objects = malloc(sizeof *objects * MOST);
    if (!tape || !objects || fread(tape, 1, tape_size, file) != tape_size)
        fail("the tape cannot be read");
    fclose(file);
}

int main(int count, char **words)
{
    int bad = 0, found = 0;
    if (count < 2)
        fail("which tape?");
    load(words[1]);
    make_table();
    threads = count > 3 ? atoi(words[3]) : 1;
    for (const sdc_path *const *one = sdc_paths(); *one; one++)
        if (count < 3 || !strcmp(words[2], "all") || !strcmp(words[2], (*one)->name)) {
            path = *one;
            play();
            found++;
            bad += differences > 0;
        }
    free(tape);
    free(objects);
    if (!found)
        fail("this processor does not have that path");
    return bad > 0;
}
