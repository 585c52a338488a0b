// Lines that a user types: with editing and history at a terminal, as they are from a file or a pipe.
#pragma once

#include <optional>
#include <string>

namespace nextn {

class LineReader {
 public:
  // Reads the history of earlier sessions (in the user's state directory), at a terminal.
  LineReader();
  ~LineReader();  // and keeps it
  LineReader(const LineReader&) = delete;
  LineReader& operator=(const LineReader&) = delete;

  bool at_terminal() const noexcept { return terminal_; }
  // The next line; nothing at the end of the input. A line that ends with a backslash goes on with the next one.
  std::optional<std::string> read(const char* prompt);

 private:
  std::optional<std::string> read_one(const char* prompt);

  bool terminal_;
  std::string history_file_;  // empty: there is nowhere to keep it
};

}  // namespace nextn
