// Dumps what TensorFlow Lite Micro has computed; see dump.h. C++17, as TFLM itself.
//
// The interpreter must keep all tensors, in an arena that is large enough for it: the last argument of
// its constructor, preserve_all_tensors, is true.
//
// SPDX-License-Identifier: Apache-2.0
#ifndef MICROINTERP_DUMP_TFLM_H
#define MICROINTERP_DUMP_TFLM_H

#include "dump.h"
#include "tensorflow/lite/micro/micro_interpreter.h"
#include "tensorflow/lite/schema/schema_utils.h"

// All inputs: before Invoke().
inline void mi_dump_inputs(tflite::MicroInterpreter& interpreter) {
  for (unsigned i = 0; i < interpreter.inputs_size(); i++) {
    const TfLiteTensor* t = interpreter.input(i);
    mi_dump_input(i, t->type, t->dims->data, t->dims->size, t->data.raw);
  }
}

// What the ops of the main subgraph have written, and all outputs: after Invoke().
inline void mi_dump_results(tflite::MicroInterpreter& interpreter, const tflite::Model* model) {
  const auto* graph = model->subgraphs()->Get(0);
  for (unsigned op = 0; op < graph->operators()->size(); op++) {
    const auto* node = graph->operators()->Get(op);
    const auto code = tflite::GetBuiltinCode(model->operator_codes()->Get(node->opcode_index()));
    const bool is_custom = code == tflite::BuiltinOperator_CUSTOM;
    const char* name = is_custom ? "-" : tflite::EnumNameBuiltinOperator(code);
    for (const int number : *node->outputs()) {
      const TfLiteEvalTensor* t = interpreter.GetTensor(number);
      mi_dump_op(0, op, name, number, t->type, t->dims->data, t->dims->size, t->data.raw);
    }
  }
  for (unsigned i = 0; i < interpreter.outputs_size(); i++) {
    const TfLiteTensor* t = interpreter.output(i);
    mi_dump_output(i, t->type, t->dims->data, t->dims->size, t->data.raw);
  }
}

#endif
