#pragma once

#include <memory>
#include <optional>
#include <string_view>

extern "C" {
struct pg_result;
}

namespace perilune::pg {

// What a statement gave: rows of texts, maybe none.
class Rows {
 public:
  explicit Rows(pg_result* result) noexcept : result_(result) {}

  int rows() const noexcept;
  int columns() const noexcept;
  std::string_view name(int column) const noexcept;
  // No value: NULL.
  std::optional<std::string_view> value(int row, int column) const noexcept;

 private:
  struct Clear {
    void operator()(pg_result* result) const noexcept;
  };
  std::unique_ptr<pg_result, Clear> result_;
};

}  // namespace perilune::pg
