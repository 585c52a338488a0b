#include "app/terminal_chat.h"

#include <fstream>
#include <numeric>

#include "app/interrupt.h"
#include "app/line_reader.h"
#include "app/output.h"
#include "base/error.h"
#include "text/chat/reply_parser.h"
#include "text/tokenizer/unicode.h"

namespace nextn {

namespace {

using Json = nlohmann::ordered_json;

constexpr std::string_view kDim = "\033[2m", kPlain = "\033[0m";
constexpr const char* kHelp =
    "/help           this\n"
    "/clear          forget the conversation\n"
    "/undo           take back the last turn\n"
    "/regen          answer the last turn again, with another seed\n"
    "/system TEXT    what the model is told first; without TEXT: nothing\n"
    "/think on|off   whether it thinks before it answers, where its template can say so\n"
    "/stats on|off   speed and drafts after each answer\n"
    "/save FILE      write the conversation as JSON\n"
    "/exit           end; so does Ctrl-D\n"
    "A line that ends with \\ goes on with the next one. Ctrl-C stops an answer.\n";

class Chat {
 public:
  explicit Chat(TerminalChat setup) : c_(std::move(setup)), stats_(reader_.at_terminal()) {}

  void run() {
    if (reader_.at_terminal()) write_stdout("/help lists what can be done besides talking.\n");
    while (std::optional<std::string> line = reader_.read("> ")) {
      if (line->starts_with('/')) {
        if (!command(*line)) return;
      } else if (line->find_first_not_of(" \t\n") != line->npos) {
        turns_.push_back({{"role", "user"}, {"content", replace_invalid_utf8(*line)}});
        answer();
      }
    }
    if (reader_.at_terminal()) write_stdout("\n");
  }

 private:
  // False to end.
  bool command(const std::string& line) {
    const size_t space = std::min(line.find(' '), line.size());
    const std::string name = line.substr(1, space - 1);
    const size_t from = line.find_first_not_of(' ', space);
    const std::string rest = from == line.npos ? "" : line.substr(from);
    if (name == "exit" || name == "quit" || name == "bye") return false;
    if (name == "help" || name == "?") {
      write_stdout(kHelp);
    } else if (name == "clear") {
      turns_.clear();
    } else if (name == "undo") {
      take_back();
    } else if (name == "regen") {
      again();
    } else if (name == "system") {
      c_.system_prompt = rest;
    } else if (name == "think" && (rest == "on" || rest == "off")) {
      c_.variables["enable_thinking"] = rest == "on";
    } else if (name == "stats" && (rest == "on" || rest == "off")) {
      stats_ = rest == "on";
    } else if (name == "save" && !rest.empty()) {
      save(rest);
    } else {
      complain(fmt::format("{}: expected a command that /help lists", line));
    }
    return true;
  }

  static void complain(std::string_view what) { print_stderr("nextn run: {}\n", printable(what)); }

  // The last turn: what the user said, and its answer if there is one.
  void take_back() {
    if (!turns_.empty() && turns_.back()["role"] == "assistant") turns_.erase(turns_.end() - 1);
    if (!turns_.empty()) turns_.erase(turns_.end() - 1);
  }

  void again() {
    if (turns_.empty()) return complain("/regen: expected a turn, there is none");
    if (turns_.back()["role"] == "assistant") turns_.erase(turns_.end() - 1);
    c_.params.sampling.seed++;
    answer();
  }

  Json messages() const {
    Json all = Json::array();
    if (!c_.system_prompt.empty()) all.push_back({{"role", "system"}, {"content", c_.system_prompt}});
    for (const Json& turn : turns_) all.push_back(turn);
    return all;
  }

  void save(const std::string& path) {
    std::ofstream file(path, std::ios::trunc);
    file << messages().dump(2) << "\n" << std::flush;
    if (!file) complain(fmt::format("{}: cannot write", path));
  }

  void show(const std::vector<ReplyEvent>& events, std::string& reasoning, std::string& content) {
    for (const ReplyEvent& event : events) {
      const bool thinks = event.kind == ReplyEvent::Kind::kReasoning;
      (thinks ? reasoning : content) += event.text;
      if (!thinks && !reasoning.empty() && content.size() == event.text.size() && dim_) write_stdout("\n\n");
      if (!thinks) {
        write_stdout(event.text);
      } else if (reader_.at_terminal()) {
        dim_ = true;
        write_stdout(fmt::format("{}{}{}", kDim, event.text, kPlain));
      }
    }
  }

  void answer() {
    try {
      write_answer();
    } catch (const Error& e) {
      complain(e.what());
      if (e.code() == ErrorCode::kSystem) throw;
      if (!turns_.empty() && turns_.back()["role"] == "user") turns_.erase(turns_.end() - 1);
    }
  }

  void write_answer() {
    const std::string prompt = c_.chat_template.render(messages(), {.variables = c_.variables});
    const std::vector<int32_t> ids = c_.engine.tokenizer().encode(prompt, false, true);
    ReplyFormat format;
    format.starts_in_reasoning = ends_in_reasoning(prompt);
    ReplyParser parser(format);
    std::string reasoning, content;
    dim_ = false;
    c_.params.on_text = [&](std::string_view text) {
      show(parser.push(replace_invalid_utf8(text)), reasoning, content);
    };
    c_.params.stop = &watch_for_interrupt();
    const Generation made = c_.session.generate(ids, c_.params);
    stop_watching_for_interrupt();
    show(parser.finish(), reasoning, content);
    write_stdout("\n");
    Json turn = {{"role", "assistant"}, {"content", content}};
    if (!reasoning.empty()) turn["reasoning_content"] = reasoning;
    turns_.push_back(std::move(turn));
    if (made.end_reason == EndReason::kContext) complain("the context is full: /clear, /undo, or a larger -c");
    if (stats_) report(made);
  }

  void report(const Generation& made) const {
    const GenerateStats& s = made.stats;
    const auto sum = [](const std::vector<int64_t>& counts) {
      return std::accumulate(counts.begin(), counts.end(), int64_t{0});
    };
    const double n = static_cast<double>(made.tokens.size());
    print_stderr("{}[{} tokens, {:.1f} tok/s, {} of {} drafts accepted; prompt {} tokens in {:.0f} ms, {} known]{}\n",
                 reader_.at_terminal() ? kDim : "", made.tokens.size(),
                 s.predicted_ms > 0 ? (n - 1) * 1000 / s.predicted_ms : 0, sum(s.accepted), sum(s.drafted), s.prompt_n,
                 s.prompt_ms, s.cached_n, reader_.at_terminal() ? kPlain : "");
  }

  TerminalChat c_;
  LineReader reader_;
  bool stats_, dim_ = false;
  Json turns_ = Json::array();
};

}  // namespace

void chat_in_terminal(TerminalChat chat) {
  Chat(std::move(chat)).run();
}

}  // namespace nextn
