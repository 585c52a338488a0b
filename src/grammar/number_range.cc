#include "grammar/number_range.h"

#include <algorithm>
#include <charconv>
#include <vector>

#include "grammar/json_text.h"

namespace nextn::grammar {

namespace {

constexpr int kMaxDecimalDigits = 60;

int compare_magnitudes(const Decimal& a, const Decimal& b) {
  if (a.whole.size() != b.whole.size()) return a.whole.size() < b.whole.size() ? -1 : 1;
  const int whole = a.whole.compare(b.whole);
  return whole != 0 ? whole : a.fraction.compare(b.fraction);  // no trailing zeros: as texts
}

// Texts of digits between two magnitudes. A bound that the digits so far equal is tight: it limits the next one.
class Magnitudes {
 public:
  Magnitudes(GrammarBuilder& b, const std::optional<Decimal>& min, const std::optional<Decimal>& max, bool excludes_min,
             bool excludes_max, bool integer)
      : b_(b),
        min_(min.value_or(Decimal())),
        max_(max.value_or(Decimal())),
        no_max_(!max),
        excludes_min_(min && excludes_min),
        excludes_max_(excludes_max),
        integer_(integer) {
    length_ = std::max({size_t{JsonText::kMaxDigits}, min_.whole.size(), max_.whole.size()});
    places_ = std::max({size_t{JsonText::kMaxFraction}, min_.fraction.size() + 1, max_.fraction.size() + 1});
  }

  Expr run() {
    std::vector<Expr> any;
    const size_t shortest = std::max<size_t>(min_.whole.size(), 1);
    const size_t longest = no_max_ ? length_ : std::max<size_t>(max_.whole.size(), 1);
    for (size_t n = shortest; n <= longest; n++) {
      n_whole_ = n;
      low_ = padded(min_.whole, n) + min_.fraction;
      high_ = no_max_ ? "" : padded(max_.whole, n) + max_.fraction;
      any.push_back(whole(0, min_.whole.size() == n || (n == 1 && min_.whole.empty()),
                          !no_max_ && (max_.whole.size() == n || (n == 1 && max_.whole.empty()))));
    }
    return b_.choice(any);
  }

 private:
  static std::string padded(const std::string& digits, size_t n) {
    return digits.size() < n ? std::string(n - digits.size(), '0') + digits : digits;
  }
  static char digit(const std::string& bound, size_t i) { return i < bound.size() ? bound[i] : '0'; }
  static bool is_zero_from(const std::string& bound, size_t i) {
    return bound.find_first_not_of('0', std::min(i, bound.size())) == std::string::npos;
  }

  // One more digit and then `rest(tight_low, tight_high)`; digits between the bounds, that leave both behind, are one
  // choice.
  template <class Rest>
  Expr next_digit(size_t i, bool tight_low, bool tight_high, char first, Rest&& rest) {
    const char low = std::max(first, tight_low ? digit(low_, i) : '0');
    const char high = tight_high ? digit(high_, i) : '9';
    std::vector<Expr> any;
    ByteSet free;
    for (char c = low; c <= high; c++) {
      const bool low_stays = tight_low && c == digit(low_, i), high_stays = tight_high && c == digit(high_, i);
      if (!low_stays && !high_stays) {
        free.add(static_cast<uint8_t>(c));
      } else {
        any.push_back(b_.sequence(
            {b_.bytes(ByteSet(static_cast<uint8_t>(c), static_cast<uint8_t>(c))), rest(low_stays, high_stays)}));
      }
    }
    if (!free.empty()) any.push_back(b_.sequence({b_.bytes(free), rest(false, false)}));
    return b_.choice(any);
  }

  Expr whole(size_t i, bool tight_low, bool tight_high) {
    if (i == n_whole_) return after_whole(tight_low, tight_high);
    const char first = i == 0 && n_whole_ > 1 ? '1' : '0';
    if (!tight_low && !tight_high && first == '0') {
      const auto left = static_cast<int>(n_whole_ - i);
      return b_.sequence({b_.repeat(b_.bytes(ByteSet('0', '9')), left, left), after_whole(false, false)});
    }
    return next_digit(i, tight_low, tight_high, first, [&](bool l, bool h) { return whole(i + 1, l, h); });
  }

  Expr after_whole(bool tight_low, bool tight_high) {
    std::vector<Expr> any;
    if (may_end(n_whole_, tight_low, tight_high)) any.push_back(b_.empty());
    if (!integer_) any.push_back(b_.sequence({b_.literal("."), fraction(n_whole_, tight_low, tight_high)}));
    return b_.choice(any);
  }

  // Zeros for all that would follow lie within the bounds.
  bool may_end(size_t i, bool tight_low, bool tight_high) const {
    if (tight_low && !(is_zero_from(low_, i) && !excludes_min_)) return false;
    return !tight_high || !excludes_max_ || !is_zero_from(high_, i);
  }

  // At least one more digit.
  Expr fraction(size_t i, bool tight_low, bool tight_high) {
    const auto left = static_cast<int>(n_whole_ + places_ - i);
    if (left <= 0) return b_.choice({});
    if (!tight_low && !tight_high) return b_.repeat(b_.bytes(ByteSet('0', '9')), 1, left);
    return next_digit(i, tight_low, tight_high, '0', [&](bool l, bool h) {
      std::vector<Expr> any{fraction(i + 1, l, h)};
      if (may_end(i + 1, l, h)) any.push_back(b_.empty());
      return b_.choice(any);
    });
  }

  GrammarBuilder& b_;
  Decimal min_, max_;
  bool no_max_, excludes_min_, excludes_max_, integer_;
  size_t length_, places_;
  size_t n_whole_ = 0;      // digits before the point, of the numbers being made
  std::string low_, high_;  // the bounds' digits, as many before the point
};

}  // namespace

std::optional<Decimal> Decimal::parse(std::string_view json) {
  Decimal d;
  if (json.starts_with('-')) {
    d.negative = true;
    json.remove_prefix(1);
  }
  int exponent = 0;
  if (const size_t e = json.find_first_of("eE"); e != json.npos) {
    std::string_view text = json.substr(e + 1);
    if (text.starts_with('+')) text.remove_prefix(1);
    if (std::from_chars(text.data(), text.data() + text.size(), exponent).ec != std::errc()) return {};
    json = json.substr(0, e);
  }
  const size_t point = json.find('.');
  d.whole = json.substr(0, point);
  if (point != json.npos) d.fraction = json.substr(point + 1);
  if (exponent > kMaxDecimalDigits || exponent < -kMaxDecimalDigits) return {};
  for (; exponent > 0; exponent--) {
    d.whole += d.fraction.empty() ? '0' : d.fraction[0];
    if (!d.fraction.empty()) d.fraction.erase(0, 1);
  }
  for (; exponent < 0; exponent++) {
    d.fraction.insert(0, 1, d.whole.empty() ? '0' : d.whole.back());
    if (!d.whole.empty()) d.whole.pop_back();
  }
  d.whole.erase(0, std::min(d.whole.find_first_not_of('0'), d.whole.size()));
  while (d.fraction.ends_with('0')) d.fraction.pop_back();
  if (d.whole.size() + d.fraction.size() > kMaxDecimalDigits) return {};
  if (d.is_zero()) d.negative = false;
  return d;
}

int compare(const Decimal& a, const Decimal& b) {
  if (a.negative != b.negative) return a.negative ? -1 : 1;
  return a.negative ? compare_magnitudes(b, a) : compare_magnitudes(a, b);
}

// Those from 0 on, and those up to 0 with their bounds' signs taken away: -0 is 0.
Expr number_in(GrammarBuilder& b, const NumberRange& range, bool integer) {
  const Decimal zero;
  std::vector<Expr> any;
  const auto less = [](const Decimal& x, const Decimal& y, bool excluded) {
    return compare(x, y) < 0 || (compare(x, y) == 0 && !excluded);
  };
  const auto& [min, max, excludes_min, excludes_max] = range;
  if (min && max && !less(*min, *max, excludes_min || excludes_max)) return b.choice({});
  if (!max || less(zero, *max, excludes_max)) {
    const bool bounded = min && !min->negative;
    any.push_back(Magnitudes(b, bounded ? min : zero, max, bounded && excludes_min, excludes_max, integer).run());
  }
  if (!min || min->negative) {
    const auto positive = [](std::optional<Decimal> d) {
      if (d) d->negative = false;
      return d;
    };
    const bool bounded = max && (max->negative || max->is_zero());
    any.push_back(b.sequence({b.literal("-"), Magnitudes(b, bounded ? positive(max) : zero, positive(min),
                                                         bounded && excludes_max, excludes_min, integer)
                                                  .run()}));
  }
  return b.choice(any);
}

}  // namespace nextn::grammar
