#pragma once

#include <cstdint>

#include "stats/cell.hh"

namespace perilune::stats {

// One worker's share of what passes to and from a server.
struct alignas(kCellsAlignment) NodeCells {
  Cell statements;
  Cell to_server;    // bytes
  Cell from_server;  // bytes
};

struct NodeSum {
  std::uint64_t statements = 0;
  std::uint64_t to_server = 0;
  std::uint64_t from_server = 0;
};

}  // namespace perilune::stats
