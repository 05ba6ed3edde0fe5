#pragma once

#include <cstdint>
#include <memory>

#include "proto/mysql/command_phase.hh"
#include "support/stage.hh"

namespace perilune::test {

struct StageOptions {
  std::uint64_t capabilities = 0;
  std::uint16_t status = 0;
  std::uint64_t max_query = 64 << 20;
  std::shared_ptr<session::MemoryBudget> gathered;
};

// The command phase of a MySQL session.
class PhaseStage : public AnyStage {
 public:
  explicit PhaseStage(const StageOptions& options);
};

}  // namespace perilune::test
