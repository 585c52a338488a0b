#include "app/serve/page.h"

#include <fmt/format.h>

#include <vector>

#include "engine/digest.h"

extern const char nextn_page_index[], nextn_page_index_end[], nextn_page_script[], nextn_page_script_end[],
    nextn_page_style[], nextn_page_style_end[], nextn_page_icon[], nextn_page_icon_end[], nextn_page_licenses[],
    nextn_page_licenses_end[];

namespace nextn {

namespace {

PageFile make(std::string_view path, std::string_view type, const char* begin, const char* end) {
  const std::string_view bytes(begin, static_cast<size_t>(end - begin));
  return {path, type, bytes, fmt::format("\"{:016x}\"", digest_of(bytes.data(), bytes.size()))};
}

}  // namespace

const PageFile* page_file(std::string_view path) {
  static const std::vector<PageFile> kFiles = {
      make("/", "text/html; charset=utf-8", nextn_page_index, nextn_page_index_end),
      make("/app.js", "text/javascript; charset=utf-8", nextn_page_script, nextn_page_script_end),
      make("/app.css", "text/css; charset=utf-8", nextn_page_style, nextn_page_style_end),
      make("/favicon.svg", "image/svg+xml", nextn_page_icon, nextn_page_icon_end),
      make("/licenses.txt", "text/plain; charset=utf-8", nextn_page_licenses, nextn_page_licenses_end),
  };
  for (const PageFile& file : kFiles) {
    if (file.path == path) return &file;
  }
  return nullptr;
}

}  // namespace nextn
