/* What libFuzzer puts through the core: payloads of symbols, and maps.
 *
 *   clang -g -O1 -fsanitize=fuzzer,address,undefined -Isdc/core tests/core/target.c sdc/core/...
 *
 * The first bytes choose what is done, the others are read.  What was read without an error is written again and
 * must give the same bytes, since a sequence of symbols has one coding. */

#include <stdlib.h>
#include <string.h>

#include "core.h"

#define MOST 512

static sdc_tables *some_tables(void)
{
    /* Alphabets of all widths, with frequencies of a bell. */
    static int32_t reach[SDC_SCALES], frequencies[SDC_SCALES * 256];
    int32_t *to = frequencies;
    for (int t = 1; t < SDC_SCALES; t++) {
        reach[t] = t < 60 ? t : 127;
        int32_t left = 1 << 15, symbols = 2 * reach[t] + 2;
        for (int s = 0; s < symbols; s++) {
            const int32_t share = s + 1 < symbols ? (s <= reach[t] ? left / 3 : left / 2) : left;
            const int32_t rest = symbols - s - 1, most = left - rest;
            *to = share < 1 ? 1 : share > most ? most : share;
            left -= *to++;
        }
    }
    return sdc_tables_new(reach, frequencies);
}

static void compare(const sdc_writer *writer, const uint8_t *data, size_t size)
{
    const size_t bound = sdc_writer_bound(writer);
    uint8_t *to = malloc(bound);
    if (!to)
        return;
    const size_t written = sdc_writer_finish(writer, to);
    if (written != size || memcmp(to + bound - written, data, size))
        abort();
    free(to);
}

static void symbols(const sdc_tables *tables, const uint8_t *data, size_t size, uint32_t seed, size_t count)
{
    uint8_t indices[MOST];
    int16_t residuals[MOST];
    sdc_reader reader;
    sdc_writer writer = {0};
    for (size_t k = 0; k < count; k++, seed = seed * 1664525 + 1013904223)
        indices[k] = (uint8_t)(seed >> 26);
    if (sdc_reader_begin(&reader, data, size))
        return;
    const size_t half = count / 2;
    if (sdc_read_symbols(&reader, tables, indices, half, residuals) ||
        sdc_read_symbols(&reader, tables, indices + half, count - half, residuals + half) ||
        sdc_reader_finish(&reader))
        return;
    if (!sdc_write_symbols(&writer, tables, indices, count, residuals))
        compare(&writer, data, size);
    sdc_writer_free(&writer);
}

static void map(const uint8_t *data, size_t size, size_t rows, size_t cols, int count)
{
    sdc_writer writer = {0};
    uint8_t *labels = malloc(rows * cols);
    if (!labels)
        return;
    if (!sdc_decode_map(data, size, rows, cols, count, labels)) {
        for (size_t k = 0; k < rows * cols; k++)
            if (labels[k] > count)
                abort();
        if (!sdc_encode_map(labels, rows, cols, count, &writer))
            compare(&writer, data, size);
    }
    sdc_writer_free(&writer);
    free(labels);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static sdc_tables *tables;
    if (!tables && !(tables = some_tables()))
        return 0;
    if (size < 4)
        return 0;
    if (data[0] & 1)
        map(data + 4, size - 4, 1 + data[1] % 24, 1 + data[2] % 24, data[3] ? data[3] : 1 + data[0] / 128);
    else
        symbols(tables, data + 4, size - 4, (uint32_t)data[1] << 8 | data[2], data[3] * 2u);
    return 0;
}
