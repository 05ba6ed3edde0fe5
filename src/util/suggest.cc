#include "util/suggest.hh"

#include <algorithm>
#include <cctype>
#include <vector>

#include "util/text.hh"

namespace perilune {

namespace {

// Longer than every name that we have; keeps the work small whatever a script contains.
constexpr std::size_t kMaxWord = 64;

bool same_letter(char a, char b) noexcept {
  return std::tolower(static_cast<unsigned char>(a)) == std::tolower(static_cast<unsigned char>(b));
}

// The three rows of the dynamic programme that a swap of neighbours looks back to.
struct Rows {
  explicit Rows(std::size_t width) : before(width), above(width), current(width) {
    for (std::size_t i = 0; i < width; ++i) above[i] = i;
  }
  void advance() {
    before.swap(above);
    above.swap(current);
  }
  std::vector<std::size_t> before;
  std::vector<std::size_t> above;
  std::vector<std::size_t> current;
};

// Optimal string alignment (Levenshtein and swaps of neighbours).
std::size_t distance(std::string_view a, std::string_view b) {
  Rows rows(b.size() + 1);
  for (std::size_t i = 1; i <= a.size(); ++i) {
    rows.current[0] = i;
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const std::size_t replaced = same_letter(a[i - 1], b[j - 1]) ? 0 : 1;
      std::size_t best =
          std::min({rows.above[j] + 1, rows.current[j - 1] + 1, rows.above[j - 1] + replaced});
      const bool swapped =
          i > 1 && j > 1 && same_letter(a[i - 1], b[j - 2]) && same_letter(a[i - 2], b[j - 1]);
      if (swapped) best = std::min(best, rows.before[j - 2] + 1);
      rows.current[j] = best;
    }
    rows.advance();
  }
  return rows.above[b.size()];
}

// A third of the letters may be wrong, so that short words do not find just anything.
std::size_t tolerated(std::string_view word) noexcept {
  return std::max<std::size_t>(1, word.size() / 3);
}

}  // namespace

std::string_view nearest_name(std::string_view word, std::span<const std::string_view> names) {
  if (word.size() > kMaxWord) return {};
  std::string_view nearest;
  std::size_t least = tolerated(word) + 1;
  for (const std::string_view name : names) {
    const std::size_t d = distance(word, name);
    // A word of which no letter is right is no misspelling of another.
    if (d >= least || d >= name.size()) continue;
    least = d;
    nearest = name;
  }
  return nearest;
}

std::string unknown_name(std::string_view kind, std::string_view word,
                         std::span<const std::string_view> names) {
  std::string message = "unknown ";
  message.append(kind).append(" '");
  append_escaped(message, word, kMaxWord);
  message.append("'");
  const std::string_view nearest = nearest_name(word, names);
  if (!nearest.empty()) message.append(", did you mean '").append(nearest).append("'?");
  return message;
}

}  // namespace perilune
