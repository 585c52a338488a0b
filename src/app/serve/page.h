// The web page, linked into the program (web/ has its sources).
#pragma once

#include <string>
#include <string_view>

namespace nextn {

struct PageFile {
  std::string_view path, content_type, bytes;
  std::string etag;  // of the bytes, in quotes
};

// The file under a path: "/", "/app.js" ..; nullptr where there is none.
const PageFile* page_file(std::string_view path);

// Lets the page do what it does and nothing else: no inline code, no other host, no frame around it.
inline constexpr std::string_view kPagePolicy =
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "font-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

}  // namespace nextn
