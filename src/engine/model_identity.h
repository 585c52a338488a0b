// What tells a model from every other one, wherever its file lies and whatever it is called.
#pragma once

#include <string>

#include "gguf/file.h"

namespace nextn {

// 16 hexadecimal digits: XXH3 of the metadata, of every tensor's name, type and shape, and of the first bytes of its
// data, so that two trainings of one architecture differ too. Reads a few MiB of the file. Throws Error{kSystem} where
// they are not there any more.
std::string model_identity(const gguf::File& file);

}  // namespace nextn
