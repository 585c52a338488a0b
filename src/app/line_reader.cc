#include "app/line_reader.h"

#include <editline/readline.h>
#include <sys/stat.h>
#include <unistd.h>

#include <clocale>
#include <cstdlib>
#include <filesystem>
#include <iostream>

namespace nextn {

namespace {

constexpr int kHistoryLines = 1000;

std::filesystem::path state_directory() {
  if (const char* const state = std::getenv("XDG_STATE_HOME"); state != nullptr && *state == '/') return state;
  if (const char* const home = std::getenv("HOME"); home != nullptr && *home == '/') {
    return std::filesystem::path(home) / ".local" / "state";
  }
  return {};
}

}  // namespace

LineReader::LineReader() : terminal_(isatty(STDIN_FILENO) != 0 && isatty(STDOUT_FILENO) != 0) {
  if (!terminal_) return;
  std::setlocale(LC_CTYPE, "");  // what a character is, for the editor
  using_history();
  stifle_history(kHistoryLines);
  const std::filesystem::path directory = state_directory();
  if (directory.empty()) return;
  std::error_code ignored;
  std::filesystem::create_directories(directory / "nextn", ignored);
  history_file_ = (directory / "nextn" / "history").string();
  read_history(history_file_.c_str());
}

LineReader::~LineReader() {
  if (history_file_.empty()) return;
  write_history(history_file_.c_str());
  chmod(history_file_.c_str(), S_IRUSR | S_IWUSR);  // nobody else's to read
}

std::optional<std::string> LineReader::read_one(const char* prompt) {
  if (!terminal_) {
    std::string line;
    if (!std::getline(std::cin, line)) return {};
    return line;
  }
  char* const line = readline(prompt);
  if (line == nullptr) return {};
  std::string text = line;
  std::free(line);
  if (!text.empty()) add_history(text.c_str());
  return text;
}

std::optional<std::string> LineReader::read(const char* prompt) {
  std::optional<std::string> text = read_one(prompt);
  while (text && text->ends_with('\\')) {
    text->back() = '\n';
    const std::optional<std::string> more = read_one("  ");
    if (!more) break;
    *text += *more;
  }
  return text;
}

}  // namespace nextn
