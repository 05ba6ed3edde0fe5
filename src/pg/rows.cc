#include "pg/rows.hh"

#include <libpq-fe.h>

namespace perilune::pg {

int Rows::rows() const noexcept { return PQntuples(result_.get()); }

int Rows::columns() const noexcept { return PQnfields(result_.get()); }

std::string_view Rows::name(int column) const noexcept { return PQfname(result_.get(), column); }

std::optional<std::string_view> Rows::value(int row, int column) const noexcept {
  if (PQgetisnull(result_.get(), row, column) != 0) return std::nullopt;
  const auto size = static_cast<std::size_t>(PQgetlength(result_.get(), row, column));
  return std::string_view(PQgetvalue(result_.get(), row, column), size);
}

void Rows::Clear::operator()(pg_result* result) const noexcept { PQclear(result); }

}  // namespace perilune::pg
