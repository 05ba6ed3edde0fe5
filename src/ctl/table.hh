#pragma once

#include <cstddef>
#include <string>
#include <vector>

namespace perilune::ctl {

struct Column {
  std::string title;
  bool is_number = false;  // stands to the right, and is never cut
};

// Rows under their titles. Where it is wider than the terminal its widest texts are cut.
class Table {
 public:
  explicit Table(std::vector<Column> columns) : columns_(std::move(columns)) {}

  void add(std::vector<std::string> row) { rows_.push_back(std::move(row)); }

  // One line each, the titles first, without line ends. Width 0: as wide as it is.
  std::vector<std::string> lines(std::size_t width) const;

 private:
  std::vector<std::size_t> widths(std::size_t width) const;
  std::string line(const std::vector<std::string>& row,
                   const std::vector<std::size_t>& widths) const;

  std::vector<Column> columns_;
  std::vector<std::vector<std::string>> rows_;
};

// Columns of the terminal that is standard output; 0: it is none.
std::size_t terminal_width() noexcept;

void print(const Table& table);

}  // namespace perilune::ctl
