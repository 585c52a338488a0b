// Reads a tokenizer out of a GGUF file's metadata.
#pragma once

#include <memory>

#include "gguf/file.h"
#include "text/chat/chat_template.h"
#include "text/tokenizer/tokenizer.h"

namespace nextn {

// Throws Error{kFile} naming the file and the key.
std::unique_ptr<Tokenizer> load_tokenizer(const gguf::File& file);

// The file's chat template, or `source` where that is not empty. Throws Error{kFile} for one that is not right.
ChatTemplate load_chat_template(const gguf::File& file, std::string_view source = {});

}  // namespace nextn
