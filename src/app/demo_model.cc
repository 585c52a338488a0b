#include "app/demo_model.h"

extern "C" {
extern const uint8_t nextn_demo_model[];
extern const uint8_t nextn_demo_model_end[];
}

namespace nextn {

std::span<const uint8_t> demo_model() noexcept {
  return {nextn_demo_model, nextn_demo_model_end};
}

}  // namespace nextn
