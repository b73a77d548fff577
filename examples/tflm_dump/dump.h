/* Prints tensors in the text format of docs/compare.md, for `microinterp compare MODEL --with FILE`.
 *
 * Plain C99, also C++11; needs printf alone, or MI_DUMP_PRINTF defined as something like it. Each
 * line begins with "mi> ", so that other output of the console may stand between them. Call in this
 * order:
 *
 *     mi_dump_start("my firmware 1.2");
 *     mi_dump_sample(0);                       then 1, 2, ...
 *     mi_dump_input(0, ...);                   before the model runs: it may overwrite its inputs
 *     mi_dump_op(0, 3, "CONV_2D", 17, ...);    tensor 17, when op 3 of subgraph 0 has written it
 *     mi_dump_output(0, ...);
 *
 * Inputs and ops may be left out. A tensor is its type, its shape and its bytes as they lie in
 * memory: `type` is a number of TfLiteType (1 float32, 2 int32, 3 uint8, 4 int64, 6 bool, 7 int16,
 * 9 int8), `shape` has `rank` numbers. Numbers of ops and tensors are those in the .tflite file.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef MICROINTERP_DUMP_H
#define MICROINTERP_DUMP_H

#include <stddef.h>
#ifndef MI_DUMP_PRINTF
#include <stdio.h>
#define MI_DUMP_PRINTF printf
#endif

#define MI_DUMP_LINE 64 /* bytes of a tensor on one line, for serial consoles */

/* The name of a type, and bytes of an element; 0 for one that dumps do not have. */
static inline size_t mi_dump_type(int type, const char **name) {
  switch (type) {
    case 1: *name = "float32"; return 4;
    case 2: *name = "int32"; return 4;
    case 3: *name = "uint8"; return 1;
    case 4: *name = "int64"; return 8;
    case 6: *name = "bool"; return 1;
    case 7: *name = "int16"; return 2;
    case 9: *name = "int8"; return 1;
    default: *name = "unknown"; return 0;
  }
}

/* " TYPE SHAPE HEX" and the lines that go on with it; elements are written little-endian. */
static inline void mi_dump_tensor(int type, const int *shape, int rank, const void *data) {
  const unsigned char *bytes = (const unsigned char *)data;
  const int one = 1;
  const int is_little = *(const char *)&one;
  const char *name;
  const size_t element = mi_dump_type(type, &name);
  size_t total = element, at;
  int i;
  MI_DUMP_PRINTF(" %s ", name);
  for (i = 0; i < rank; i++) {
    MI_DUMP_PRINTF(i ? ",%d" : "%d", shape[i]);
    total *= (size_t)shape[i];
  }
  MI_DUMP_PRINTF(rank ? " " : "- ");
  for (at = 0; at < total; at++) {
    const size_t within = at % element;
    const size_t from = is_little ? at : at - within + (element - 1 - within);
    if (at && at % MI_DUMP_LINE == 0) MI_DUMP_PRINTF("\nmi> + ");
    MI_DUMP_PRINTF("%02x", (unsigned)bytes[from]);
  }
  MI_DUMP_PRINTF("\n");
}

/* Once, before all else. `runtime` says what computes, in one line. */
static inline void mi_dump_start(const char *runtime) {
  MI_DUMP_PRINTF("mi> # microinterp dump 1\nmi> runtime %s\n", runtime);
}

/* Before each sample, counted from 0. */
static inline void mi_dump_sample(unsigned long number) {
  MI_DUMP_PRINTF("mi> sample %lu\n", number);
}

/* An input of the model, counted from 0, before it runs. */
static inline void mi_dump_input(int number, int type, const int *shape, int rank,
                                 const void *data) {
  MI_DUMP_PRINTF("mi> input %d", number);
  mi_dump_tensor(type, shape, rank, data);
}

/* An output of the model, counted from 0, when it has run. */
static inline void mi_dump_output(int number, int type, const int *shape, int rank,
                                  const void *data) {
  MI_DUMP_PRINTF("mi> output %d", number);
  mi_dump_tensor(type, shape, rank, data);
}

/* A tensor that an op has just written; nothing is printed for types that dumps do not have, such as
 * handles of variables. `name` is the op's, for example "CONV_2D", or "-" where it is not known. */
static inline void mi_dump_op(int subgraph, int op, const char *name, int tensor, int type,
                              const int *shape, int rank, const void *data) {
  const char *type_name;
  if (!mi_dump_type(type, &type_name)) return;
  MI_DUMP_PRINTF("mi> op %d/%d %s tensor %d", subgraph, op, name, tensor);
  mi_dump_tensor(type, shape, rank, data);
}

#endif
