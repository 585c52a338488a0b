// The demo model's bytes, linked into the program (models/README.md is its card).
#pragma once

#include <cstdint>
#include <span>

namespace nextn {

std::span<const uint8_t> demo_model() noexcept;

}  // namespace nextn
