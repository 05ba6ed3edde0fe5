#include "ctl/table.hh"

#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <numeric>

#include "ctl/text.hh"

namespace perilune::ctl {

namespace {

constexpr std::string_view kGap = "  ";
constexpr std::size_t kNarrowest = 4;

}  // namespace

std::vector<std::string> Table::lines(std::size_t width) const {
  const std::vector<std::size_t> fitting = widths(width);
  std::vector<std::string> titles;
  for (const Column& column : columns_) titles.push_back(column.title);
  std::vector<std::string> made{line(titles, fitting)};
  for (const auto& row : rows_) made.push_back(line(row, fitting));
  if (width == 0) return made;
  for (std::string& text : made) text = cut(text, width);
  return made;
}

// The widest text gives way first, column by column, until everything fits or is narrow.
std::vector<std::size_t> Table::widths(std::size_t width) const {
  std::vector<std::size_t> wide;
  for (std::size_t i = 0; i < columns_.size(); ++i) {
    std::size_t most = width_of(columns_[i].title);
    for (const auto& row : rows_) most = std::max(most, width_of(row[i]));
    wide.push_back(most);
  }
  std::size_t all = std::accumulate(wide.begin(), wide.end(), kGap.size() * (wide.size() - 1));
  while (width > 0 && all > width) {
    std::size_t widest = wide.size();
    for (std::size_t i = 0; i < wide.size(); ++i) {
      const bool may_shrink = !columns_[i].is_number && wide[i] > kNarrowest;
      if (may_shrink && (widest == wide.size() || wide[i] > wide[widest])) widest = i;
    }
    if (widest == wide.size()) break;
    --wide[widest];
    --all;
  }
  return wide;
}

std::string Table::line(const std::vector<std::string>& row,
                        const std::vector<std::size_t>& widths) const {
  std::string text;
  for (std::size_t i = 0; i < row.size(); ++i) {
    const std::string cell = cut(row[i], widths[i]);
    const std::string padding(widths[i] - width_of(cell), ' ');
    if (i > 0) text += kGap;
    text += columns_[i].is_number ? padding + cell : cell + padding;
  }
  text.erase(text.find_last_not_of(' ') + 1);
  return text;
}

std::size_t terminal_width() noexcept {
  winsize size{};
  const bool is_terminal = ::ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0;
  return is_terminal && size.ws_col > 0 ? size.ws_col : 0;
}

void print(const Table& table) {
  for (const std::string& line : table.lines(terminal_width())) std::puts(line.c_str());
}

}  // namespace perilune::ctl
