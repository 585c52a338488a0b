// Reads a tokenizer out of a GGUF file's metadata.
#pragma once

#include <memory>

#include "gguf/file.h"
#include "text/tokenizer/tokenizer.h"

namespace nextn {

// Throws Error{kFile} naming the file and the key.
std::unique_ptr<Tokenizer> load_tokenizer(const gguf::File& file);

}  // namespace nextn
