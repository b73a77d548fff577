// A firmware that dumps every tensor of a model, for a few pseudo-random samples.
//
// tests/record_tflm_dump.py builds it for a Cortex-M4 and runs it under QEMU: that made the file
// digits_cortex_m4.txt. RUNTIME is a text that says what computes.
//
// SPDX-License-Identifier: Apache-2.0
#include "dump_tflm.h"
#include "tensorflow/lite/micro/micro_mutable_op_resolver.h"

extern "C" const unsigned char model_data[];  // contents of the .tflite file

alignas(16) static unsigned char arena[64 * 1024];
static tflite::MicroMutableOpResolver<7> resolver;

static void Fill(TfLiteTensor* input) {
  static uint32_t state = 1;
  for (size_t i = 0; i < input->bytes; i++) {
    state = state * 1664525u + 1013904223u;
    input->data.uint8[i] = state >> 24;
  }
}

int main() {
  resolver.AddConv2D();
  resolver.AddDepthwiseConv2D();
  resolver.AddAveragePool2D();
  resolver.AddFullyConnected();
  resolver.AddMaxPool2D();
  resolver.AddReshape();
  resolver.AddSoftmax();
  const tflite::Model* model = tflite::GetModel(model_data);
  tflite::MicroInterpreter interpreter(model, resolver, arena, sizeof(arena), nullptr, nullptr,
                                       /*preserve_all_tensors=*/true);
  if (interpreter.AllocateTensors() != kTfLiteOk) return 1;
  mi_dump_start(RUNTIME);
  for (int sample = 0; sample < 2; sample++) {
    Fill(interpreter.input(0));
    mi_dump_sample(sample);
    mi_dump_inputs(interpreter);
    if (interpreter.Invoke() != kTfLiteOk) return 2;
    MI_DUMP_PRINTF("sample %d has run\n", sample);  // a console may say more
    mi_dump_results(interpreter, model);
  }
  return 0;
}
