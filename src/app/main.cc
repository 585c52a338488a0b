// The one binary: `nextn COMMAND`. An error is one line on stderr.
#include <cstdio>
#include <cstring>
#include <new>

#include "app/command.h"
#include "base/error.h"

namespace {

struct Command {
  const char* name;
  int (*main)(int argc, char** argv);
  const char* summary;
};

constexpr Command kCommands[] = {
    {"run", nextn::run_main, "text to stdout, statistics to stderr"},
    {"inspect", nextn::inspect_main, "what is in a GGUF file, and whether its MTP head is usable"},
    {"selftest", nextn::selftest_main, "check on this machine and model that drafts do not change the text"},
};

int usage(std::FILE* out, int status) {
  fmt::print(out, "usage: nextn COMMAND [...]\n\n");
  for (const Command& c : kCommands) fmt::print(out, "  {:<10}{}\n", c.name, c.summary);
  fmt::print(out, "\n`nextn COMMAND --help` lists the flags of a command.\n");
  return status;
}

int guarded(const Command& command, int argc, char** argv) {
  try {
    return command.main(argc, argv);
  } catch (const nextn::Error& e) {
    fmt::print(stderr, "nextn {}: {}\n", command.name, e.what());
    return e.code() == nextn::ErrorCode::kUsage ? 2 : 1;
  } catch (const std::bad_alloc&) {
    fmt::print(stderr, "nextn {}: memory: the system has not got what was asked for\n", command.name);
    return 1;
  }
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 2) return usage(stderr, 2);
  if (std::strcmp(argv[1], "--help") == 0 || std::strcmp(argv[1], "-h") == 0) return usage(stdout, 0);
  if (std::strcmp(argv[1], "--version") == 0) {
    try {
      fmt::print("nextn {} ({})\n", NEXTN_VERSION, nextn::select_kernels(std::getenv("NEXTN_ISA")).isa);
      return 0;
    } catch (const nextn::Error& e) {
      fmt::print(stderr, "nextn: {}\n", e.what());
      return 2;
    }
  }
  for (const Command& c : kCommands) {
    if (std::strcmp(argv[1], c.name) == 0) return guarded(c, argc - 1, argv + 1);
  }
  fmt::print(stderr, "nextn: expected a command (run, inspect, selftest), found '{}'\n", argv[1]);
  return 2;
}
