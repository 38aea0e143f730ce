/* The core as a module of Python.  Arrays come as addresses; sdc/core/__init__.py checks types and sizes. */

#define PY_SSIZE_T_CLEAN
#define Py_LIMITED_API 0x030A0000
#include <Python.h>

#include <string.h>

#include "core.h"

typedef unsigned long long address;

#define AT(type, a) ((type *)(uintptr_t)(a))

static PyObject *failure(int code)
{
    if (code == SDC_NO_MEMORY)
        return PyErr_NoMemory();
    return PyLong_FromLong(code);
}

static PyObject *names(PyObject *self, PyObject *unused)
{
    (void)self;
    (void)unused;
    PyObject *list = PyList_New(0);
    for (const sdc_path *const *path = sdc_paths(); list && *path; path++) {
        PyObject *name = PyUnicode_FromString((*path)->name);
        if (!name || PyList_Append(list, name))
            Py_CLEAR(list);
        Py_XDECREF(name);
    }
    return list;
}

/* ----------------------------------------------------------------- networks */

#define OPERATOR "sdc.operator"
#define NETWORK "sdc.network"

static const char *const kinds[] = {"pointwise", "depthwise", "quality", "modulate", "push",
                                    "add",       "hyper",     "shuffle", "unshuffle"};

static const sdc_path *path_of(const char *name)
{
    const sdc_path *path = sdc_find_path(name);
    if (!path)
        PyErr_Format(PyExc_ValueError, "no path %s here", name);
    return path;
}

static void free_operator(PyObject *capsule) { sdc_operator_free(PyCapsule_GetPointer(capsule, OPERATOR)); }

static PyObject *operator_(PyObject *self, PyObject *args)
{
    const char *name, *kind;
    int in, out, factor, low, high, k = 0;
    address first, second, shift;
    (void)self;
    if (!PyArg_ParseTuple(args, "ssiiiKKKii", &name, &kind, &in, &out, &factor, &first, &second, &shift, &low,
                          &high))
        return NULL;
    const sdc_path *path = path_of(name);
    if (!path)
        return NULL;
    while (k < SDC_UNSHUFFLE && strcmp(kind, kinds[k]))
        k++;
    sdc_operator *op = sdc_operator_new(path, (sdc_kind)k, in, out, factor, AT(const void, first),
                                        AT(const int32_t, second), AT(const uint8_t, shift), low, high);
    if (!op)
        return PyErr_NoMemory();
    PyObject *capsule = PyCapsule_New(op, OPERATOR, free_operator);
    if (!capsule)
        sdc_operator_free(op);
    return capsule;
}

/* A network, and the operators that it keeps. */
typedef struct {
    sdc_network *network;
    PyObject *operators;
} held_network;

static void free_network(PyObject *capsule)
{
    held_network *held = PyCapsule_GetPointer(capsule, NETWORK);
    sdc_network_free(held->network);
    Py_DECREF(held->operators);
    sdc_free(held);
}

/* A network, or None for one that is longer or deeper than the core takes. */
static PyObject *network(PyObject *self, PyObject *args)
{
    const char *name;
    int channels, factor, hyper;
    PyObject *operators;
    (void)self;
    if (!PyArg_ParseTuple(args, "siiiO!", &name, &channels, &factor, &hyper, &PyTuple_Type, &operators))
        return NULL;
    const sdc_path *path = path_of(name);
    held_network *held = path ? sdc_alloc(sizeof *held) : NULL;
    if (!held)
        return path ? PyErr_NoMemory() : NULL;
    PyObject *capsule = NULL;
    held->network = sdc_network_new(path, channels, factor, hyper);
    if (!held->network)
        PyErr_NoMemory();
    int code = held->network ? SDC_OK : SDC_NO_MEMORY;
    for (Py_ssize_t k = 0; !code && k < PyTuple_Size(operators); k++) {
        const sdc_operator *op = PyCapsule_GetPointer(PyTuple_GetItem(operators, k), OPERATOR);
        code = op ? sdc_network_append(held->network, op) : SDC_NO_MEMORY;
    }
    if (!code)
        capsule = PyCapsule_New(held, NETWORK, free_network);
    if (capsule) {
        Py_INCREF(operators);
        held->operators = operators;
        return capsule;
    }
    sdc_network_free(held->network);
    sdc_free(held);
    if (code == SDC_USAGE)
        Py_RETURN_NONE;
    return NULL;
}

#define TAPE "sdc.tape"

static void free_tape(PyObject *capsule) { sdc_tape_free(PyCapsule_GetPointer(capsule, TAPE)); }

/* What a run of a network on some cells fills for its gradient. */
static PyObject *tape(PyObject *self, PyObject *args)
{
    PyObject *capsule;
    Py_ssize_t cells;
    (void)self;
    if (!PyArg_ParseTuple(args, "On", &capsule, &cells))
        return NULL;
    const held_network *held = PyCapsule_GetPointer(capsule, NETWORK);
    if (!held)
        return NULL;
    sdc_tape *made = sdc_tape_new(held->network, (size_t)cells);
    if (!made)
        return PyErr_NoMemory();
    PyObject *found = PyCapsule_New(made, TAPE, free_tape);
    if (!found)
        sdc_tape_free(made);
    return found;
}

/* Give an operator what gradients need. */
static PyObject *differentiable(PyObject *self, PyObject *args)
{
    const char *name;
    PyObject *capsule;
    address weight;
    (void)self;
    if (!PyArg_ParseTuple(args, "sOK", &name, &capsule, &weight))
        return NULL;
    const sdc_path *path = path_of(name);
    sdc_operator *op = path ? PyCapsule_GetPointer(capsule, OPERATOR) : NULL;
    return op ? failure(sdc_operator_differentiable(path, op, AT(const int16_t, weight))) : NULL;
}

static PyObject *backward(PyObject *self, PyObject *args)
{
    PyObject *capsule, *tape_;
    Py_ssize_t cells;
    address taps, gradient, out;
    int threads, code;
    (void)self;
    if (!PyArg_ParseTuple(args, "OOnKiKK", &capsule, &tape_, &cells, &taps, &threads, &gradient, &out))
        return NULL;
    const held_network *held = PyCapsule_GetPointer(capsule, NETWORK);
    sdc_tape *filled = held ? PyCapsule_GetPointer(tape_, TAPE) : NULL;
    if (!filled)
        return NULL;
    const sdc_run r = {.cells = (size_t)cells,
                       .taps = AT(const int32_t, taps),
                       .wanted = (size_t)cells,
                       .threads = threads,
                       .tape = filled};
    Py_BEGIN_ALLOW_THREADS
    code = sdc_network_backward(held->network, &r, AT(const float, gradient), AT(float, out));
    Py_END_ALLOW_THREADS
    return failure(code);
}

static PyObject *run(PyObject *self, PyObject *args)
{
    PyObject *capsule, *tape_;
    Py_ssize_t cells, wanted;
    address taps, qualities, x, hyper, only, out;
    int threads, code;
    (void)self;
    if (!PyArg_ParseTuple(args, "OnKKKKKniKO", &capsule, &cells, &taps, &qualities, &x, &hyper, &only, &wanted,
                          &threads, &out, &tape_))
        return NULL;
    const held_network *held = PyCapsule_GetPointer(capsule, NETWORK);
    if (!held)
        return NULL;
    sdc_tape *filled = tape_ == Py_None ? NULL : PyCapsule_GetPointer(tape_, TAPE);
    if (!filled && PyErr_Occurred())
        return NULL;
    const sdc_run r = {(size_t)cells,
                       AT(const int32_t, taps),
                       AT(const uint8_t, qualities),
                       AT(const int16_t, x),
                       AT(const int16_t, hyper),
                       AT(const int32_t, only),
                       (size_t)wanted,
                       threads,
                       filled};
    Py_BEGIN_ALLOW_THREADS
    code = sdc_network_run(held->network, &r, AT(int16_t, out));
    Py_END_ALLOW_THREADS
    return failure(code);
}

static PyObject *neighbours(PyObject *self, PyObject *args)
{
    address rows, cols, labels, taps;
    Py_ssize_t cells;
    (void)self;
    if (!PyArg_ParseTuple(args, "KKKnK", &rows, &cols, &labels, &cells, &taps))
        return NULL;
    return failure(sdc_neighbours(AT(const int32_t, rows), AT(const int32_t, cols), AT(const int32_t, labels),
                                  (size_t)cells, AT(int32_t, taps)));
}

/* ----------------------------------------------------------- entropy coding */

#define TABLES "sdc.tables"
#define READER "sdc.reader"
#define WRITER "sdc.writer"

static void free_tables(PyObject *capsule) { sdc_free(PyCapsule_GetPointer(capsule, TABLES)); }

static PyObject *tables(PyObject *self, PyObject *args)
{
    address reach, frequencies;
    (void)self;
    if (!PyArg_ParseTuple(args, "KK", &reach, &frequencies))
        return NULL;
    sdc_tables *made = sdc_tables_new(AT(const int32_t, reach), AT(const int32_t, frequencies));
    if (!made)
        return PyErr_NoMemory();
    PyObject *capsule = PyCapsule_New(made, TABLES, free_tables);
    if (!capsule)
        sdc_free(made);
    return capsule;
}

/* A reader, and the bytes it reads, which it keeps. */
typedef struct {
    sdc_reader reader;
    PyObject *bytes;
} held_reader;

static void free_reader(PyObject *capsule)
{
    held_reader *held = PyCapsule_GetPointer(capsule, READER);
    if (held) {
        Py_DECREF(held->bytes);
        sdc_free(held);
    }
}

/* A reader, or the code of what is wrong with the bytes. */
static PyObject *reader(PyObject *self, PyObject *args)
{
    PyObject *bytes;
    char *data;
    Py_ssize_t size;
    (void)self;
    if (!PyArg_ParseTuple(args, "S", &bytes) || PyBytes_AsStringAndSize(bytes, &data, &size))
        return NULL;
    held_reader *held = sdc_alloc(sizeof *held);
    if (!held)
        return PyErr_NoMemory();
    const int code = sdc_reader_begin(&held->reader, (const uint8_t *)data, (size_t)size);
    PyObject *capsule = code ? NULL : PyCapsule_New(held, READER, free_reader);
    if (!capsule) {
        sdc_free(held);
        return code ? failure(code) : NULL;
    }
    Py_INCREF(bytes);
    held->bytes = bytes;
    return capsule;
}

static PyObject *read_symbols(PyObject *self, PyObject *args)
{
    PyObject *reader_, *tables_;
    address indices, residuals;
    Py_ssize_t count;
    int code;
    (void)self;
    if (!PyArg_ParseTuple(args, "OOKnK", &reader_, &tables_, &indices, &count, &residuals))
        return NULL;
    held_reader *held = PyCapsule_GetPointer(reader_, READER);
    const sdc_tables *t = held ? PyCapsule_GetPointer(tables_, TABLES) : NULL;
    if (!t)
        return NULL;
    Py_BEGIN_ALLOW_THREADS
    code = sdc_read_symbols(&held->reader, t, AT(const uint8_t, indices), (size_t)count, AT(int16_t, residuals));
    Py_END_ALLOW_THREADS
    return failure(code);
}

/* Several readers, each with its part of the indices; a list of their codes is brought up to date. */
static PyObject *read_side_by_side(PyObject *self, PyObject *args)
{
    PyObject *readers, *tables_;
    address indices, bounds, residuals, codes;
    (void)self;
    if (!PyArg_ParseTuple(args, "O!OKKKK", &PyTuple_Type, &readers, &tables_, &indices, &bounds, &residuals, &codes))
        return NULL;
    const sdc_tables *t = PyCapsule_GetPointer(tables_, TABLES);
    const size_t count = (size_t)PyTuple_Size(readers);
    sdc_reader **own = t ? sdc_alloc(sizeof *own * (count + 1)) : NULL;
    if (!own)
        return t ? PyErr_NoMemory() : NULL;
    for (size_t k = 0; k < count; k++) {
        PyObject *capsule = PyTuple_GetItem(readers, (Py_ssize_t)k);
        held_reader *held = capsule == Py_None ? NULL : PyCapsule_GetPointer(capsule, READER);
        own[k] = held ? &held->reader : NULL;
        if (!held && PyErr_Occurred()) {
            sdc_free(own);
            return NULL;
        }
    }
    Py_BEGIN_ALLOW_THREADS
    sdc_read_side_by_side(own, count, t, AT(const uint8_t, indices), AT(const int64_t, bounds),
                          AT(int16_t, residuals), AT(int, codes));
    Py_END_ALLOW_THREADS
    sdc_free(own);
    Py_RETURN_NONE;
}

static PyObject *finish_reader(PyObject *self, PyObject *capsule)
{
    (void)self;
    held_reader *held = PyCapsule_GetPointer(capsule, READER);
    return held ? failure(sdc_reader_finish(&held->reader)) : NULL;
}

static void free_writer(PyObject *capsule)
{
    sdc_writer *w = PyCapsule_GetPointer(capsule, WRITER);
    if (w) {
        sdc_writer_free(w);
        sdc_free(w);
    }
}

static PyObject *writer(PyObject *self, PyObject *unused)
{
    (void)self;
    (void)unused;
    sdc_writer *w = sdc_alloc(sizeof *w);
    if (!w)
        return PyErr_NoMemory();
    memset(w, 0, sizeof *w);
    PyObject *capsule = PyCapsule_New(w, WRITER, free_writer);
    if (!capsule)
        sdc_free(w);
    return capsule;
}

static PyObject *write_symbols(PyObject *self, PyObject *args)
{
    PyObject *writer_, *tables_;
    address indices, residuals;
    Py_ssize_t count;
    int code;
    (void)self;
    if (!PyArg_ParseTuple(args, "OOKnK", &writer_, &tables_, &indices, &count, &residuals))
        return NULL;
    sdc_writer *w = PyCapsule_GetPointer(writer_, WRITER);
    const sdc_tables *t = w ? PyCapsule_GetPointer(tables_, TABLES) : NULL;
    if (!t)
        return NULL;
    Py_BEGIN_ALLOW_THREADS
    code = sdc_write_symbols(w, t, AT(const uint8_t, indices), (size_t)count, AT(const int16_t, residuals));
    Py_END_ALLOW_THREADS
    return failure(code);
}

static PyObject *written(const sdc_writer *w)
{
    const size_t bound = sdc_writer_bound(w);
    uint8_t *to = sdc_alloc(bound);
    if (!to)
        return PyErr_NoMemory();
    const size_t size = sdc_writer_finish(w, to);
    PyObject *bytes = PyBytes_FromStringAndSize((const char *)to + bound - size, (Py_ssize_t)size);
    sdc_free(to);
    return bytes;
}

static PyObject *finish_writer(PyObject *self, PyObject *capsule)
{
    (void)self;
    const sdc_writer *w = PyCapsule_GetPointer(capsule, WRITER);
    return w ? written(w) : NULL;
}

static PyObject *decode_map(PyObject *self, PyObject *args)
{
    PyObject *bytes;
    char *data;
    Py_ssize_t size, rows, cols;
    int count, code;
    address labels;
    (void)self;
    if (!PyArg_ParseTuple(args, "SnniK", &bytes, &rows, &cols, &count, &labels) ||
        PyBytes_AsStringAndSize(bytes, &data, &size))
        return NULL;
    Py_BEGIN_ALLOW_THREADS
    code = sdc_decode_map((const uint8_t *)data, (size_t)size, (size_t)rows, (size_t)cols, count,
                          AT(uint8_t, labels));
    Py_END_ALLOW_THREADS
    return failure(code);
}

static PyObject *encode_map(PyObject *self, PyObject *args)
{
    address labels;
    Py_ssize_t rows, cols;
    int count;
    (void)self;
    if (!PyArg_ParseTuple(args, "Knni", &labels, &rows, &cols, &count))
        return NULL;
    sdc_writer w = {0};
    const int code = sdc_encode_map(AT(const uint8_t, labels), (size_t)rows, (size_t)cols, count, &w);
    PyObject *bytes = code ? failure(code) : written(&w);
    sdc_writer_free(&w);
    return bytes;
}

/* ------------------------------------------------------------------- latents */

static PyObject *parameters(PyObject *self, PyObject *args)
{
    address raw, qualities, offset, inverse, index, mean;
    Py_ssize_t cells, channels, stride;
    int index_shift, mean_shift;
    (void)self;
    if (!PyArg_ParseTuple(args, "KKnnKKniiKK", &raw, &qualities, &cells, &channels, &offset, &inverse, &stride,
                          &index_shift, &mean_shift, &index, &mean))
        return NULL;
    Py_BEGIN_ALLOW_THREADS
    sdc_parameters(AT(const int16_t, raw), AT(const uint8_t, qualities), (size_t)cells, (size_t)channels,
                   AT(const int32_t, offset), AT(const int32_t, inverse), (size_t)stride, index_shift, mean_shift,
                   AT(uint8_t, index), AT(int32_t, mean));
    Py_END_ALLOW_THREADS
    Py_RETURN_NONE;
}

static PyObject *dequantise(PyObject *self, PyObject *args)
{
    address residuals, mean, qualities, at, step, latents;
    Py_ssize_t cells, channels, table_stride, stride;
    int shift, low, high;
    (void)self;
    if (!PyArg_ParseTuple(args, "KKKKnnKniiiKn", &residuals, &mean, &qualities, &at, &cells, &channels, &step,
                          &table_stride, &shift, &low, &high, &latents, &stride))
        return NULL;
    Py_BEGIN_ALLOW_THREADS
    sdc_dequantise(AT(const int16_t, residuals), AT(const int32_t, mean), AT(const uint8_t, qualities),
                   AT(const int32_t, at), (size_t)cells, (size_t)channels, AT(const int32_t, step),
                   (size_t)table_stride, shift, low, high, AT(int16_t, latents), (size_t)stride);
    Py_END_ALLOW_THREADS
    Py_RETURN_NONE;
}

/* ------------------------------------------------------------------ measuring */

/* How many multiply-adds a path does in so many rounds, of 16-bit integers that stay in the first cache.  Whoever
 * measures the time knows what the processor can do. */
static PyObject *multiply_adds(PyObject *self, PyObject *args)
{
    enum { IN = 128, OUT = 64, ROWS = SDC_SPARE_ROWS };
    const char *name;
    int rounds;
    (void)self;
    if (!PyArg_ParseTuple(args, "si", &name, &rounds))
        return NULL;
    const sdc_path *path = path_of(name);
    if (!path)
        return NULL;
    int16_t weight[OUT * IN], x[ROWS * IN];
    int32_t y[ROWS * OUT];
    for (int k = 0; k < OUT * IN; k++)
        weight[k] = (int16_t)(k % 7 - 3);
    for (int k = 0; k < ROWS * IN; k++)
        x[k] = (int16_t)(k % 5 - 2);
    int16_t *packed = path->pack_pointwise(weight, IN, OUT);
    if (!packed)
        return PyErr_NoMemory();
    Py_BEGIN_ALLOW_THREADS
    for (int k = 0; k < rounds; k++)
        path->products(packed, IN, OUT, x, y, ROWS);
    Py_END_ALLOW_THREADS
    sdc_free(packed);
    return PyLong_FromLongLong((long long)rounds * IN * OUT * ROWS);
}

static PyMethodDef methods[] = {
    {"multiply_adds", multiply_adds, METH_VARARGS, NULL},
    {"names", names, METH_NOARGS, NULL},
    {"operator", operator_, METH_VARARGS, NULL},
    {"network", network, METH_VARARGS, NULL},
    {"run", run, METH_VARARGS, NULL},
    {"tape", tape, METH_VARARGS, NULL},
    {"differentiable", differentiable, METH_VARARGS, NULL},
    {"backward", backward, METH_VARARGS, NULL},
    {"neighbours", neighbours, METH_VARARGS, NULL},
    {"tables", tables, METH_VARARGS, NULL},
    {"reader", reader, METH_VARARGS, NULL},
    {"read_symbols", read_symbols, METH_VARARGS, NULL},
    {"read_side_by_side", read_side_by_side, METH_VARARGS, NULL},
    {"finish_reader", finish_reader, METH_O, NULL},
    {"writer", writer, METH_NOARGS, NULL},
    {"write_symbols", write_symbols, METH_VARARGS, NULL},
    {"finish_writer", finish_writer, METH_O, NULL},
    {"decode_map", decode_map, METH_VARARGS, NULL},
    {"encode_map", encode_map, METH_VARARGS, NULL},
    {"parameters", parameters, METH_VARARGS, NULL},
    {"dequantise", dequantise, METH_VARARGS, NULL},
    {NULL, NULL, 0, NULL},
};

static struct PyModuleDef definition = {PyModuleDef_HEAD_INIT, "_core", NULL, 0, methods, NULL, NULL, NULL, NULL};

PyMODINIT_FUNC PyInit__core(void)
{
    PyObject *module = PyModule_Create(&definition);
    if (module) {
        PyModule_AddIntConstant(module, "RANS_STATE", SDC_RANS_STATE);
        PyModule_AddIntConstant(module, "RANS_FINAL", SDC_RANS_FINAL);
        PyModule_AddIntConstant(module, "ESCAPE", SDC_ESCAPE);
        PyModule_AddIntConstant(module, "MASK_LABEL", SDC_MASK_LABEL);
        PyModule_AddIntConstant(module, "USAGE", SDC_USAGE);
    }
    return module;
}
