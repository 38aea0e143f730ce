/* What JavaScript calls in place of functions of core.h that take structures; the others it calls themselves. */

#include <stddef.h>

#include "../core.h"

#define EXPORT(name) __attribute__((export_name(#name))) name

sdc_operator *EXPORT(wasm_operator_new)(int kind, int in, int out, int factor, const void *first,
                                        const int32_t *second, const uint8_t *shift, int low, int high)
{
    return sdc_operator_new(&sdc_path_wasm, (sdc_kind)kind, in, out, factor, first, second, shift, low, high);
}

sdc_network *EXPORT(wasm_network_new)(int channels, int factor, int hyper)
{
    return sdc_network_new(&sdc_path_wasm, channels, factor, hyper);
}

int EXPORT(wasm_network_run)(const sdc_network *network, size_t cells, const int32_t *taps,
                             const uint8_t *qualities, const int16_t *x, const int16_t *hyper,
                             const int32_t *only, size_t wanted, int16_t *out)
{
    const sdc_run run = {
        .cells = cells, .taps = taps, .qualities = qualities, .x = x, .hyper = hyper, .only = only,
        .wanted = wanted, .threads = 1,
    };
    return sdc_network_run(network, &run, out);
}

size_t EXPORT(wasm_reader_size)(void) { return sizeof(sdc_reader); }

/* Symbols of a reader whose bytes have moved. */
int EXPORT(wasm_read_symbols)(sdc_reader *reader, const uint8_t *data, const sdc_tables *tables,
                              const uint8_t *indices, size_t count, int16_t *residuals)
{
    reader->data = data;
    return sdc_read_symbols(reader, tables, indices, count, residuals);
}
