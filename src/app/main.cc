// The one binary: `nextn COMMAND`. An error is one line on stderr.
#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <cstring>
#include <new>

#include "app/command.h"
#include "app/output.h"
#include "base/error.h"

namespace {

struct Command {
  const char* name;
  int (*main)(int argc, char** argv);
  const char* summary;
};

constexpr Command kCommands[] = {
    {"run", nextn::run_main, "text to stdout, statistics to stderr"},
    {"serve", nextn::serve_main, "OpenAI-compatible server"},
    {"bench", nextn::bench_main, "speed with drafts against plain decoding, in pairs"},
    {"inspect", nextn::inspect_main, "what is in a GGUF file, and whether its MTP head is usable"},
    {"plan", nextn::plan_main, "what a model takes of memory, part by part, before anything is taken"},
    {"selftest", nextn::selftest_main, "check on this machine and model that drafts do not change the text"},
};

std::string usage() {
  std::string text = "usage: nextn COMMAND [...]\n\n";
  for (const Command& c : kCommands) text += fmt::format("  {:<10}{}\n", c.name, c.summary);
  return text + "\n`nextn COMMAND --help` lists the flags of a command.\n";
}

int global_flag(std::string_view flag) {
  if (flag == "--version") {
    nextn::write_stdout(
        fmt::format("nextn {} ({})\n", NEXTN_VERSION, nextn::select_kernels(std::getenv("NEXTN_ISA")).isa));
  } else {
    nextn::write_stdout(usage());
  }
  return 0;
}

int dispatch(int argc, char** argv) {
  const std::string_view name = argc < 2 ? "" : argv[1];
  if (name == "--help" || name == "-h" || name == "--version") return global_flag(name);
  for (const Command& c : kCommands) {
    if (name != c.name) continue;
    const int status = c.main(argc - 1, argv + 1);
    nextn::write_stdout("");  // a command that printed and did not look whether it could
    return status;
  }
  nextn::fail(nextn::ErrorCode::kUsage,
              "expected a command (run, serve, bench, inspect, plan, selftest; --help says more), found {}",
              argc < 2 ? "none" : fmt::format("'{}'", name));
}

// "nextn", or "nextn run".
std::string program(int argc, char** argv) {
  for (const Command& c : kCommands) {
    if (argc >= 2 && std::strcmp(argv[1], c.name) == 0) return std::string("nextn ") + c.name;
  }
  return "nextn";
}

// A page of a mapped file that cannot be read: the file was cut while it was in use, or its disk failed.
void on_bus_error(int) {
  constexpr char kMessage[] = "nextn: a page of the model file cannot be read; was it cut or replaced in place?\n";
  [[maybe_unused]] const auto n = write(STDERR_FILENO, kMessage, sizeof kMessage - 1);
  _exit(1);
}

}  // namespace

int main(int argc, char** argv) {
  std::signal(SIGBUS, on_bus_error);
  std::signal(SIGPIPE, SIG_IGN);  // a reader that went away is a failed write, which names stdout
  const auto complain = [&](std::string_view what) {
    nextn::print_stderr("{}: {}\n", program(argc, argv), nextn::printable(what));
  };
  try {
    return dispatch(argc, argv);
  } catch (const nextn::Error& e) {
    complain(e.what());
    return e.code() == nextn::ErrorCode::kUsage ? 2 : 1;
  } catch (const std::bad_alloc&) {
    complain("memory: the system has not got what was asked for");
  } catch (const std::exception& e) {
    complain(e.what());
  }
  return 1;
}
