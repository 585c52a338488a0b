#include "app/bench_plot.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "text/tokenizer/unicode.h"

namespace nextn {

namespace {

constexpr double kWidth = 860, kHeight = 380;
constexpr double kTop = 84, kBottom = 324, kPanelWidth = 330, kLeftPanel = 62, kRightPanel = 500;

constexpr std::string_view kStyle = R"(<style>
  svg { color-scheme: light dark; --paper: #ffffff; --ink: #1c1c1c; --faint: #d8d8d8; --soft: #6a6a6a; --one: #1565a8; --two: #c2571a; }
  @media (prefers-color-scheme: dark) {
    svg { --paper: #14171a; --ink: #e8e8e8; --faint: #3a3f44; --soft: #a0a6ac; --one: #6db5f0; --two: #f0a06d; }
  }
  text { font-family: system-ui, sans-serif; font-size: 12px; fill: var(--ink); }
  .title { font-size: 16px; font-weight: 600; } .soft { fill: var(--soft); }
  .grid { stroke: var(--faint); } .axis { stroke: var(--ink); } .paper { fill: var(--paper); }
  .one { stroke: var(--one); fill: none; stroke-width: 2; } .dot-one { fill: var(--one); } .ink-one { fill: var(--one); }
  .two { stroke: var(--two); fill: none; stroke-width: 2; } .dot-two { fill: var(--two); } .ink-two { fill: var(--two); }
  .plain { stroke: var(--ink); stroke-dasharray: 4 4; } .dash { stroke-dasharray: 7 4; }
</style>
)";

// Text as XML takes it: no control characters, no broken UTF-8, no markup.
std::string escaped(std::string_view text) {
  std::string out;
  for (const char32_t c : from_utf8(text)) {
    if (c == '<') {
      out += "&lt;";
    } else if (c == '>') {
      out += "&gt;";
    } else if (c == '&') {
      out += "&amp;";
    } else if (c == '"') {
      out += "&quot;";
    } else if (c < ' ' || (c >= 0x7f && c <= 0x9f) || c >= kRawByte || (c & 0xfffe) == 0xfffe) {
      append_utf8(out, 0xfffd);
    } else {
      append_utf8(out, c);
    }
  }
  return out;
}

// A step of 1, 2 or 5 times a power of ten that cuts `range` into at most eight pieces.
double tick_step(double range) {
  double step = std::pow(10, std::floor(std::log10(range / 8)));
  for (const double factor : {2.0, 2.5, 2.0}) {
    if (range / step <= 8) break;
    step *= factor;
  }
  return step;
}

class Panel {
 public:
  Panel(std::string& out, double left, double x_low, double x_high, double y_high)
      : out_(out), left_(left), x_low_(x_low), x_high_(std::max(x_high, x_low + 1)), y_high_(y_high) {}

  double x(double value) const {
    constexpr double kMargin = 18;
    return left_ + kMargin + (value - x_low_) / (x_high_ - x_low_) * (kPanelWidth - 2 * kMargin);
  }
  double y(double value) const { return kBottom - value / y_high_ * (kBottom - kTop); }

  void axes(std::string_view heading, std::string_view x_name, int y_digits) {
    const double step = tick_step(y_high_);
    for (int i = 0; i * step <= y_high_ * 1.0001; i++) {
      line("grid", left_, y(i * step), left_ + kPanelWidth, y(i * step));
      text("soft", "end", left_ - 6, y(i * step) + 4, fmt::format("{:.{}f}", i * step, y_digits));
    }
    const int every = std::max(1, static_cast<int>(std::ceil((x_high_ - x_low_) / 16)));
    for (int i = static_cast<int>(x_low_); i <= static_cast<int>(x_high_); i += every) {
      text("soft", "middle", x(i), kBottom + 17, fmt::format("{}", i));
    }
    line("axis", left_, kBottom, left_ + kPanelWidth, kBottom);
    text("", "start", left_, kTop - 14, heading);
    text("", "middle", left_ + kPanelWidth / 2, kBottom + 38, x_name);
  }

  void level(std::string_view style, double value) { line(style, left_, y(value), left_ + kPanelWidth, y(value)); }

  // A line through (first + i, values[i]) with a dot at each.
  void curve(std::string_view number, double first, const std::vector<double>& values, std::string_view style = "") {
    if (values.empty()) return;
    out_ += fmt::format("<polyline class=\"{} {}\" points=\"", number, style);
    for (size_t i = 0; i < values.size(); i++) out_ += fmt::format("{:.1f},{:.1f} ", at(first, i), y(values[i]));
    out_ += "\"/>\n";
    for (size_t i = 0; i < values.size(); i++) {
      out_ += fmt::format("<circle class=\"dot-{}\" cx=\"{:.1f}\" cy=\"{:.1f}\" r=\"3.5\"/>\n", number, at(first, i),
                          y(values[i]));
    }
  }

  void bar(double at, const Bounds& b) { line("one", x(at), y(b.low), x(at), y(b.high)); }

  void text(std::string_view style, const char* anchor, double at_x, double at_y, std::string_view what) {
    out_ += fmt::format("<text class=\"{}\" text-anchor=\"{}\" x=\"{:.1f}\" y=\"{:.1f}\">{}</text>\n", style, anchor,
                        at_x, at_y, escaped(what));
  }

 private:
  double at(double first, size_t i) const { return x(first + static_cast<double>(i)); }

  void line(std::string_view style, double x1, double y1, double x2, double y2) {
    out_ += fmt::format("<line class=\"{}\" x1=\"{:.1f}\" y1=\"{:.1f}\" x2=\"{:.1f}\" y2=\"{:.1f}\"/>\n", style, x1, y1,
                        x2, y2);
  }

  std::string& out_;
  double left_, x_low_, x_high_, y_high_;
};

void draw_speed(std::string& out, const BenchPlot& plot) {
  double highest = 1;
  std::vector<double> ratios;
  for (const BenchPlot::Speed& s : plot.by_k) {
    ratios.push_back(s.ratio);
    highest = std::max({highest, s.ratio, s.bounds.high});
  }
  if (plot.adaptive) highest = std::max(highest, plot.adaptive->ratio);
  Panel panel(out, kLeftPanel, 0, static_cast<double>(plot.by_k.size()) - 1, highest * 1.1);
  panel.axes("speed, plain decoding = 1", "drafts of a cycle (k)", 2);
  panel.level("plain", 1);
  for (size_t k = 1; k < plot.by_k.size(); k++) panel.bar(static_cast<double>(k), plot.by_k[k].bounds);
  panel.curve("one", 0, ratios);
  if (plot.adaptive) {
    panel.level("two dash", plot.adaptive->ratio);
    panel.text("ink-two", "end", kLeftPanel + kPanelWidth, panel.y(plot.adaptive->ratio) - 6,
               fmt::format("auto {:.2f}", plot.adaptive->ratio));
  }
}

void draw_acceptance(std::string& out, const BenchPlot& plot) {
  Panel panel(out, kRightPanel, 1, static_cast<double>(plot.conditional.size()), 1);
  panel.axes("share of drafts that are right", "position in the draft", 1);
  panel.curve("one", 1, plot.conditional);
  panel.curve("two", 1, plot.unconditional, "dash");
  panel.text("ink-one", "start", kRightPanel, kBottom + 54, "after right ones");
  panel.text("ink-two", "end", kRightPanel + kPanelWidth, kBottom + 54, "with all before it (dashed)");
}

}  // namespace

std::string bench_svg(const BenchPlot& plot) {
  std::string out = fmt::format(
      "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {0} {1}\" width=\"{0}\" height=\"{1}\" role=\"img\">\n"
      "<title>{2}</title>\n",
      kWidth, kHeight + 10, escaped(plot.title));
  out += kStyle;
  out += "<rect class=\"paper\" width=\"100%\" height=\"100%\"/>\n";
  out += fmt::format(
      "<text class=\"title\" x=\"20\" y=\"28\">{}</text>\n<text class=\"soft\" x=\"20\" y=\"48\">{}</text>\n",
      escaped(plot.title), escaped(plot.subtitle));
  draw_speed(out, plot);
  draw_acceptance(out, plot);
  return out + "</svg>\n";
}

}  // namespace nextn
