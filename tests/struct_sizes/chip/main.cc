// Prints what TFLM's own interpreter says of its arena, for each model that is linked in.
#include <cstdio>

#include "tensorflow/lite/micro/micro_interpreter.h"
#include "tensorflow/lite/micro/micro_mutable_op_resolver.h"
#include "tensorflow/lite/micro/micro_resource_variable.h"
#include "tensorflow/lite/schema/schema_generated.h"

struct Row {
  const unsigned char* model;
  int variables;
  size_t minimum;
};
#include "rows.inc"  // const Row kRows[]

alignas(16) static unsigned char arena[600 * 1024];
static tflite::MicroMutableOpResolver<128> resolver;

static TfLiteStatus Allocate(const Row& row, size_t size, size_t* used) {
  auto* allocator = tflite::MicroAllocator::Create(arena, size);
  auto* variables =
      row.variables ? tflite::MicroResourceVariables::Create(allocator, row.variables) : nullptr;
  tflite::MicroInterpreter interpreter(tflite::GetModel(row.model), resolver, allocator, variables);
  TfLiteStatus status = interpreter.AllocateTensors();
  *used = interpreter.arena_used_bytes();
  return status;
}

int main() {
#include "ops.inc"  // resolver.AddAbs(); and so on
  int number = 0;
  for (const Row& row : kRows) {
    size_t used = 0, ignored = 0;
    int status = Allocate(row, sizeof(arena), &used);
    int fits = status ? -1 : Allocate(row, row.minimum, &ignored);
    printf("row %d status %d used %u fits %d\n", number++, status, (unsigned)used, fits);
  }
  return 0;
}
